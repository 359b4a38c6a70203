"""The parts of Bausch's reproductions: loss, training loop, counting, controls, gradient norms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax import baselines
from qrnn_jax.reproduction import bausch_long
from qrnn_jax.reproduction.bausch_convergence import Count, best_rate, checks, count
from qrnn_jax.reproduction.bausch_long import contest
from qrnn_jax.reproduction.bausch_memory_gradients import gradient_norms
from qrnn_jax.reproduction.bausch_models import Batch, Classical, Quantum
from qrnn_jax.reproduction.bausch_training import Course, Plan, train
from qrnn_jax.reproduction.logistic import logistic_regression, logits

SMALL = qj.cells.Bausch(lanes=2, workspace=1, stages=0, degree=1)


def draw(count: int, seed: int) -> qj.tasks.Symbols:
    return qj.tasks.xor(count, seed=seed, length=7)


def silent(fraction: float, text: str) -> None:
    del fraction, text


def test_only_steps_that_count_are_drawn() -> None:
    batch = Batch.of(draw(40, 1))
    params = SMALL.init(jax.random.key(1))
    chances, words = Quantum(SMALL).evaluate(params, batch, jax.random.key(2))
    np.testing.assert_allclose(chances.sum(axis=-1), 1, atol=1e-6)
    same = np.asarray(words == batch.words)
    assert same[~batch.mask].all()
    assert 0.05 < same[batch.mask].mean() < 0.95


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path) -> None:
    model = Classical(baselines.Network("rnn", 4, 3, 4))
    plan = Plan(2, 30, 3, (0.05, 0.1), looks=1, fall=20)
    whole = train(model, draw, plan, silent)
    constant = train(model, draw, plan._replace(fall=None), silent)
    same = (whole.validation == constant.validation).all(axis=1)
    assert same.tolist() == [True, True, False]  # rates fall after step 20
    saved = tmp_path / "state.npz"

    def stop(fraction: float, text: str) -> None:
        if fraction > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, draw, plan, stop, saved=saved)
    rest = train(model, draw, plan, silent, saved=saved)
    assert whole.validation.shape == (3, 4)
    for one, other in zip(jax.tree.leaves(whole[:4]), jax.tree.leaves(rest[:4])):
        np.testing.assert_array_equal(one, other)
    assert len(np.unique(whole.validation[-1])) == 4
    head = whole.of_rate(0.1).params["head"].weight
    np.testing.assert_array_equal(head, whole.params["head"].weight[2:])


def test_training_lowers_the_loss_and_ends_at_the_threshold() -> None:
    model, seeds = Classical(baselines.Network("rnn", 4, 5, 4)), []

    def fresh(count: int, seed: int) -> qj.tasks.Symbols:
        seeds.append(seed)
        return draw(count, seed)

    course = train(model, fresh, Plan(1, 200, 32, (0.03,), threshold=0.4, looks=1), silent)
    assert len(set(seeds)) == len(seeds) == 2 * len(course.validation)
    assert course.validation[-1, 0] < 0.4
    assert 1 < len(course.validation) < 20
    assert (course.validation[:-1] >= 0.4).all()
    assert (course.overheads == 1).all()


def _course(losses: list[list[float]], rates: list[float]) -> Course:
    array = np.array(losses)
    return Course(np.zeros(len(rates)), array, array, array, np.array(rates), 0.0)


def test_steps_are_counted_to_the_first_loss_below() -> None:
    course = _course([[0.9, 0.04, 0.9], [0.04, 0.9, np.nan], [0.9, 0.9, 0.05]], [0.1] * 3)
    assert course.steps_to(0.05, 100).tolist() == [20, 10, 100]
    found = count(course, 0.05, 100)
    assert (found.learnt, found.runs, found.median) == (2, 3, 20)
    assert found.mean == pytest.approx(130 / 3)


def test_a_median_that_is_only_the_cap_is_not_judged_as_reached() -> None:
    """Five of ten runs never learnt: the middle is no number of steps, however low the cap."""
    half = _course([[0.01] * 5 + [0.9] * 5], [0.1] * 10)
    assert count(half, 0.05, 10).median == 10
    found = [count(half, 0.05, 10), count(_course([[0.01] * 6 + [0.9] * 4], [0.1] * 10), 0.05, 90)]
    for one, median in zip(found, (np.inf, 10)):
        _, judged = checks(one, one, "LSTM", 90, share=0.5, median=(None, 450), published=(1, 9))
        assert (judged.measured, judged.passed) == (median, median == 10)
        assert np.isfinite(judged.control)


def test_medians_of_long_sequences_are_not_the_cap() -> None:
    assert bausch_long.FULL.steps > bausch_long.MEDIAN
    size = bausch_long.FULL._replace(steps=250)
    learnt = Count(2, 3, 100.0, 110.0, 1e-4, 0.01)
    counts = {(kind, length): learnt for kind in bausch_long.KINDS for length in size.lengths}
    counts[bausch_long.BLIND, size.blind] = learnt
    controls = {("LSTM", length): learnt for length in size.lengths}
    assert all(check.passed for check in bausch_long._checks(counts, controls, size))
    counts["as coded", 20] = Count(1, 3, 250.0, 200.0, 1e-3, 0.01)
    missed = [c.name for c in bausch_long._checks(counts, controls, size) if not c.passed]
    assert missed == ["median steps as coded, length 20", "longest over shortest median, as coded"]


def test_the_best_rate_is_the_fastest_and_then_the_least_loss() -> None:
    rates = [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    course = _course([[0.5, 0.5, 0.4, 0.4, np.nan, np.nan]] * 2, rates)
    assert best_rate(course, 0.01, 100).rates.tolist() == [0.2, 0.2]
    faster = _course([[0.005, 0.005, 0.4, 0.4, 0.5, 0.5], [0.9, 0.9, 0.0, 0.0, 0.5, 0.5]], rates)
    assert best_rate(faster, 0.01, 100).rates.tolist() == [0.1, 0.1]


def test_the_two_parts_of_the_gradient_make_the_whole() -> None:
    cell = qj.cells.Bausch(lanes=3, workspace=2, stages=0, degree=1, bias_sd=0.5, weight_sd=0.5)
    symbols = qj.tasks.marked_base(3, seed=0, length=6)
    params = cell.init(jax.random.key(3))
    norms = gradient_norms(cell, params, symbols)

    def answer(params, x, word):
        return qj.run(cell, params, x)[-1, word]

    xs = jnp.asarray(symbols.xs, jnp.float32)
    gradients = jax.vmap(jax.grad(answer), (None, 0, 0))(params, xs, symbols.words[:, -1])
    whole = float(np.median(jnp.linalg.norm(gradients, axis=1)))
    assert norms.whole == pytest.approx(whole, rel=1e-4)
    assert 0 < norms.early < 2 * whole
    assert norms.early != pytest.approx(whole, rel=1e-2)


def test_without_inputs_only_the_targets_are_left() -> None:
    blind, seen = (contest(8, leak=True, blind=blind).draw(20, 3) for blind in (True, False))
    assert not blind.inputs.any()
    assert seen.inputs.any()
    np.testing.assert_array_equal(blind.targets, seen.targets)
    assert not contest(8, leak=False).draw(20, 3).targets[:, :-1].any()


@pytest.mark.parametrize("ridge", [1.0, 1e-3])
def test_the_logistic_regression_is_the_minimum(ridge: float) -> None:
    generator = np.random.default_rng(0)
    inputs = generator.integers(0, 2, (50, 3)).astype(float)
    chosen = logits(np.array([1.0, -2.0, 0.5, 0.2]), inputs)
    labels = (chosen + generator.normal(size=50) > 0).astype(int)
    weights = logistic_regression(inputs, labels, ridge)

    def loss(w):
        z = logits(w, inputs)
        fit = jnp.sum(jnp.logaddexp(0, z) - labels * z)
        return fit + ridge * jnp.sum(w[:-1] ** 2) / 2

    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(weights)), 0, atol=1e-10)
