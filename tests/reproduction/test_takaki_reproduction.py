"""What the reproductions of Takaki et al. are made of: golden starts, BFGS, controls."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import qrnn_jax as qj
from qrnn_jax import baselines
from qrnn_jax.reproduction import recurrent, takaki_interaction
from qrnn_jax.reproduction.linear import best, linear_autoregression, persistence
from qrnn_jax.reproduction.recurrent import left_to_itself, network_forecasts
from qrnn_jax.reproduction.takaki_forecast import Plan, forecast
from qrnn_jax.reproduction.takaki_model import Fit, bfgs, padded, start, training_loss

# of the notes: seed 0, tau 0.2, scale 2, cosine, T = 200, from an independent program
LOSS = 0.790900148776


def test_the_start_has_the_golden_loss() -> None:
    cell = qj.cells.Takaki()
    loss = training_loss(cell, qj.tasks.cosine())(jnp.asarray(start(cell)))
    assert loss == pytest.approx(LOSS, abs=1e-9)


def bowl(real: type, angles: Array) -> Array:
    """Curved differently in three directions, with a cross term; least at (1, 2, 3)."""
    x, y, z = angles.astype(real) - jnp.array([1.0, 2.0, 3.0], real)
    return x**2 + 3 * y**2 + x * z + 2 * z**2 + 1


def test_bfgs_exact_and_by_differences_where_rounding_allows() -> None:
    begin = np.array([0.3, -0.4, 0.9])
    wide = [bfgs(partial(bowl, jnp.float64), begin, 30, exact=exact) for exact in (True, False)]
    for fit in wide:
        np.testing.assert_allclose(fit.params, [1, 2, 3], atol=1e-5)
        assert fit.loss == pytest.approx(1.0, abs=1e-9)
        assert len(fit.curve) <= 31
        assert fit.curve[0] > fit.curve[1] > fit.curve[-1]
        assert all(np.diff(fit.curve) <= 0)
    assert wide[1].evaluations > 3 * wide[0].evaluations  # 1 + 3 losses for a gradient
    narrow = bfgs(partial(bowl, jnp.float32), begin, 30, exact=False)
    assert narrow.loss == narrow.curve[0]  # 1.5e-8 is lost in float32: it never moves
    exact = bfgs(partial(bowl, jnp.float32), begin, 30)
    assert exact.loss == pytest.approx(1.0, abs=1e-5)


def test_bfgs_stops_at_the_last_iteration_and_tells_each() -> None:
    told: list[int] = []
    fit = bfgs(partial(bowl, jnp.float64), np.zeros(3), 2, told=told.append)
    assert told == [1, 2]
    assert len(fit.curve) == 3
    assert padded([fit.curve, fit.curve[:1]], 4)[1].tolist() == [fit.curve[0]] * 4


def test_controls_by_hand() -> None:
    task = qj.tasks.cosine()
    omega = 2 * np.pi / 50
    still = persistence(task, (50, 200))
    assert still.train == pytest.approx(0.25 * (1 - np.cos(omega)), rel=1e-9)
    truth = 0.5 * np.cos(omega * np.arange(201, 251))
    assert still.free[50] == pytest.approx(np.mean((truth - 0.5) ** 2), rel=1e-9)
    other = qj.tasks.cosine(period=37)
    last = 0.5 * np.cos(2 * np.pi / 37 * 200)  # the last value that is known
    np.testing.assert_allclose(persistence(other, ()).values, last, atol=1e-12)
    line = linear_autoregression(task, 2, (50, 200))
    assert max(line.train, line.one_step, line.free[200]) < 1e-20
    np.testing.assert_allclose(line.values[:50], truth, atol=1e-10)
    assert best([still, line], "free", 200) == (line.free[200], "linear AR(2)")
    # the mean of a triangle's corners is beyond two values, not beyond half a period
    triangle = qj.tasks.triangle()
    short, long = (linear_autoregression(triangle, order, (200,)) for order in (2, 32))
    assert short.free[200] > 1e-2 > 1e-20 > long.free[200]


def test_the_circuit_left_to_itself_is_fed_its_own_outputs() -> None:
    cell, task = qj.cells.Takaki(inputs=1, memory=2, depth=1), qj.tasks.cosine(steps=6)
    found = forecast(cell, task, Fit(start(cell), np.array([0.25]), 1, 0.0), "seed 0")
    params = {"angles": jnp.asarray(start(cell).reshape(1, 3, 3))}
    series = np.zeros((13, 1))
    series[:7] = task.series[:7]
    for step in range(7, 13):  # what stands behind a step is not seen by it
        series[step] = qj.run(cell, params, jnp.clip(jnp.asarray(series), -1, 1))[step - 1]
    np.testing.assert_allclose(found.values, series[7:, 0], atol=1e-12)
    outputs = qj.run(cell, params, task.series)[:-1]
    wrong = np.asarray(outputs - task.test.targets[0])[6:]
    assert found.one_step == pytest.approx(np.mean(wrong**2), rel=1e-12)
    assert (found.train, found.name) == (0.25, "seed 0")


def test_networks_have_the_circuits_budget_and_the_best_seed_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("equinox", reason="the classical networks are an extra")
    task, told, asked = qj.tasks.cosine(steps=12, period=7.3), [], []
    ends = iter([0.3, 0.1, 0.2, 0.6, 0.7, 0.5])

    def fit(loss: Callable[[Array], Array], begin: np.ndarray, iterations: int) -> Fit:
        asked.append((float(loss(begin)), begin, iterations))
        return Fit(begin, np.array([next(ends)]), 1, 0.0)

    monkeypatch.setattr(recurrent, "bfgs", fit)
    found = network_forecasts(task, 20, 60, 3, (5,), told.append)
    assert [one.name for one in found] == ["LSTM, 14 parameters", "GRU, 12 parameters"]
    assert [one.train for one in found] == [0.1, 0.5]
    assert told == [f"{kind}, seed {seed}" for kind in ("lstm", "gru") for seed in range(3)]
    assert [iterations for _, _, iterations in asked] == [60] * 6
    begins = [begin for _, begin, _ in asked]
    assert not np.array_equal(begins[0], begins[1])
    network = baselines.size_for(20, "gru")
    outputs = network(network.init(jax.random.key(2)), jnp.asarray(task.train.inputs[0]))
    loss = jnp.mean((outputs - task.train.targets[0]) ** 2)
    assert asked[-1][0] == pytest.approx(float(loss), rel=1e-9)
    truth = task.series[-12:, 0]
    assert found[1].free[5] == pytest.approx(np.mean((found[1].values - truth)[:5] ** 2))


def test_a_causal_model_is_fed_its_own_predictions_and_never_the_truth() -> None:
    task = qj.tasks.cosine(steps=3, period=7.3)
    known = list(task.series[:4, 0])
    for _ in range(3):
        known.append(0.3 * sum(known) + 0.1)
    found = left_to_itself(lambda xs: 0.3 * jnp.cumsum(xs, axis=0) + 0.1, task)
    np.testing.assert_allclose(found, known[4:], atol=1e-12)


def test_plans_of_both_sizes_ask_the_same() -> None:
    from qrnn_jax.reproduction import takaki_cosine, takaki_spin, takaki_triangle

    for module in (takaki_cosine, takaki_triangle, takaki_spin):
        assert isinstance(module.FULL, Plan)
        same = module.QUICK._replace(seeds=module.FULL.seeds)
        assert same == module.FULL
    assert pytest.approx(1.964e-3, rel=1e-3) == takaki_cosine.BOUND


def test_the_range_of_the_interaction_is_claimed_only_where_it_is_found() -> None:
    flat = float(takaki_interaction.BOUND)
    for middle, words in ((flat / 100, "The range exists: "), (flat / 2, "The range is not as")):
        judged = {0.01: flat, 0.2: middle, 1.0: flat / 2}
        checks = takaki_interaction._checks(judged, (1e-30, "linear AR(32)"), flat)
        conclusion = takaki_interaction._conclusion(judged, checks)
        assert conclusion.startswith(words)
        assert "as badly as without memory" in conclusion
    judged[0.01] = 2 * flat
    checks = takaki_interaction._checks(judged, (1e-30, "linear AR(32)"), flat)
    assert "memory" not in takaki_interaction._conclusion(judged, checks)
