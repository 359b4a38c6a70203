"""Bausch's network: counts, invariants of a step, gradients, and words drawn from it."""

from math import e, log

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests import oracle
from tests.helpers import quick_jit

# lanes, workspace, stages, degree -> parameters, as printed in the paper or its program
COUNTS = {
    (3, 5, 1, 3): 837,
    (3, 5, 2, 3): 1162,
    (2, 8, 2, 2): 1212,
    (2, 6, 2, 3): 1292,
    (3, 7, 2, 3): 3134,
    (2, 4, 1, 3): 264,
    (3, 6, 2, 2): 789,
    (2, 10, 2, 2): 2164,
    (2, 8, 2, 3): 3396,
}
WILD = {"bias_sd": 0.6, "weight_sd": 0.7, "rotation_sd": 0.9}  # far from the start of training
SMALL = qj.cells.Bausch(1, 2, stages=1, degree=2, **WILD)
TWO = qj.cells.Bausch(2, 1, stages=1, degree=1, **WILD)


def inputs(cell: qj.cells.Bausch, seed: int, *, steps: int = 3) -> tuple[jax.Array, jax.Array]:
    bits = np.random.default_rng(seed).integers(0, 2, (steps, cell.features))
    return cell.init(jax.random.key(seed)), jnp.asarray(bits, float)


@pytest.mark.parametrize("sizes", COUNTS, ids=str)
def test_parameter_counts(sizes: tuple[int, int, int, int]) -> None:
    cell = qj.cells.Bausch(*sizes)
    assert cell.init(jax.random.key(0)).shape == (COUNTS[sizes],)
    assert cell.circuit.weight_count == COUNTS[sizes]


def test_the_spread_at_the_start_follows_the_order_of_the_parameters() -> None:
    cell = qj.cells.Bausch(1, 2, stages=1, degree=1, bias_sd=10, weight_sd=0, rotation_sd=1e-3)
    sizes = np.abs(np.asarray(cell.init(jax.random.key(3))))
    kinds = np.where(sizes > 0.1, "b", np.where(sizes > 0, "r", "."))
    assert "".join(kinds) == "b..b.." + "rr" + "b..b.." + "b.."
    first = cell.circuit.operations[1]
    assert first == qj.Neuron((0, 2), 1, (qj.Weight(0) + np.pi / 2, qj.Weight(1), qj.Weight(2)))


@pytest.mark.parametrize("cell", [SMALL, TWO], ids=["workspace", "lanes"])
def test_memory_alone_is_the_whole_register(cell: qj.cells.Bausch) -> None:
    """Against dense NumPy matrices of all wires, at word 0 = lane 0 most significant."""
    params, xs = inputs(cell, 1)
    expected, rho = oracle.run(cell.circuit, cell.observables, np.asarray(params), np.asarray(xs))
    found = quick_jit(lambda p, x: qj.simulate(cell, p, x))(params, xs)
    np.testing.assert_allclose(found.outputs, expected, atol=1e-12)
    np.testing.assert_allclose(found.outputs.sum(axis=1), 1, atol=1e-12)
    size = 2**cell.workspace
    assert found.carry.shape == (size,)
    np.testing.assert_allclose(rho[:size, :size], np.outer(found.carry, found.carry), atol=1e-12)
    np.testing.assert_array_equal(rho[size:], 0)  # the lanes are clean
    assert np.ptp(expected, axis=1).min() > 0.01


def test_the_explicit_circuit_gives_the_same_numbers() -> None:
    params, xs = inputs(TWO, 2)
    explicit = qj.CircuitCell(TWO.explicit_circuit(), TWO.observables)
    assert explicit.circuit.wires == 5
    fast = quick_jit(lambda p, x: qj.run(TWO, p, x))(params, xs)
    values = np.asarray(params), np.asarray(xs)
    slow, _ = oracle.run(explicit.circuit, explicit.observables, *values)
    np.testing.assert_allclose(fast, slow, atol=1e-12)
    neurons = 2 * TWO.workspace + TWO.lanes
    turns = [op for op in explicit.circuit.operations if op.parameters and op.wires[-1] == 3]
    # four R of three rotations; the middle ancilla of order 2 is turned by RY(pi) and its inverse
    assert len(turns) == neurons * 4 * 3


def test_a_batch_is_a_loop_and_float32_is_close() -> None:
    params, _ = inputs(TWO, 3)
    batch = jnp.stack([inputs(TWO, seed)[1] for seed in (4, 5)])
    together = quick_jit(jax.vmap(lambda x: qj.run(TWO, params, x)))(batch)
    alone = quick_jit(lambda x: qj.run(TWO, params, x))
    np.testing.assert_allclose(together, jnp.stack([alone(x) for x in batch]), atol=1e-12)
    small = quick_jit(lambda x: qj.run(TWO, params, x, engine=qj.RealVector(np.float32)))
    single = small(batch[0])
    assert 0 < np.abs(single - together[0]).max() < 1e-6
    np.testing.assert_allclose(single.sum(axis=1), 1, atol=1e-6)


def test_the_projected_word_is_not_seen_by_its_own_output() -> None:
    params, xs = inputs(SMALL, 6)
    other = xs.at[1, 1].set(1 - xs[1, 1])
    run = quick_jit(lambda x: qj.run(SMALL, params, x))
    first, second = run(xs), run(other)
    np.testing.assert_allclose(first[:2], second[:2], atol=1e-15)
    assert np.abs(first[2] - second[2]).max() > 1e-3


def loss(params: jax.Array, xs: jax.Array, **options: object) -> jax.Array:
    words = xs[:, 1].astype(int)
    return qj.losses.probability_cross_entropy(qj.run(SMALL, params, xs, **options), words)


def test_shift_rule_and_autodiff_and_differences_agree() -> None:
    """Eight shifts per occurrence of a neuron's angle, numerator and denominator apart."""
    params, xs = inputs(SMALL, 7)

    def gradient(rule: qj.AbstractGradient) -> np.ndarray:
        return np.asarray(quick_jit(jax.grad(lambda p: loss(p, xs, gradient=rule)))(params))

    exact, shifted = gradient(qj.Backprop()), gradient(qj.ParameterShift())
    np.testing.assert_allclose(shifted, exact, rtol=1e-9, atol=1e-9 * np.abs(exact).max())
    h = 1e-4 * jnp.eye(len(params))
    value = quick_jit(jax.vmap(lambda p: loss(p, xs)))
    difference = (value(params + h) - value(params - h)) / 2e-4
    np.testing.assert_allclose(exact, difference, atol=1e-6 * np.abs(exact).max())
    assert np.count_nonzero(np.abs(exact) > 1e-3) > 15


def test_two_shifts_are_not_enough_for_a_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    params, xs = inputs(SMALL, 7)
    two = qj.RY(0, qj.Weight(0)).shift_terms(0)
    exact = quick_jit(jax.grad(lambda p: loss(p, xs)))(params)
    monkeypatch.setattr(qj.Neuron, "shift_terms", lambda self, parameter, degree=1: two)
    rule = qj.ParameterShift(chunk=17)  # a rule of its own: nothing compiled before is used
    naive = quick_jit(jax.grad(lambda p: loss(p, xs, gradient=rule)))(params)
    assert np.abs(naive - exact).max() > 0.01 * np.abs(exact).max()


@quick_jit
def logs(params: jax.Array, xs: jax.Array) -> list[tuple]:
    """For both modes: the outputs, log p of the words projected on, and the log-success."""
    found = []
    for mode in ("postselect", "unitary"):
        cell = qj.cells.Bausch(1, 2, stages=1, degree=2, mode=mode)
        outputs = qj.run(cell, params, xs)
        log_p = jnp.log(jnp.take_along_axis(outputs, xs[:, 1:].astype(int), axis=1)[:, 0])
        found.append((outputs, log_p, qj.log_success(cell, params, xs)))
    return found


def test_the_log_success_splits_into_neurons_and_words() -> None:
    params, xs = inputs(SMALL, 11)
    kept, unitary = logs(params, xs)
    outputs, log_p, total = kept
    neurons = np.diff(total, prepend=0) - log_p
    # five neurons, each of which survives in 1 of 8 runs or more
    assert np.all((5 * np.log(1 / 8) < neurons) & (neurons < -0.1))
    worst = qj.cells.overhead(outputs, xs[:, 1].astype(int))
    assert worst == pytest.approx(float(np.exp(-log_p.min() / 2)))
    np.testing.assert_allclose(unitary[2], np.cumsum(unitary[1]), atol=1e-12)
    assert np.abs(unitary[0] - outputs).max() > 1e-3


def test_a_rare_survival_has_a_gradient_in_float32() -> None:
    """At the start 11 neurons of order 3 survive with 128^-11: its square is below float32."""
    with jax.enable_x64(False):
        cell = qj.cells.Bausch(1, 5, stages=1, degree=1, order=3)
        params, xs = cell.init(jax.random.key(0)), jnp.zeros((2, 2), jnp.float32)
        survival = quick_jit(lambda p: qj.log_success(cell, p, xs))(params)
        slope = quick_jit(jax.grad(lambda p: qj.run(cell, p, xs)[1, 0]))(params)
    assert survival[0] < np.log(1e-22)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 1e-3


@pytest.mark.parametrize(
    ("lanes", "uniform"), [(1, 0.380), (2, 0.643), (3, 0.805), (4, 0.898), (5, 0.948)]
)
def test_the_loss_in_the_papers_unit(lanes: int, uniform: float) -> None:
    words = jnp.arange(3) % 2**lanes
    guess = jnp.full((3, 2**lanes), 2.0**-lanes)
    assert qj.losses.probability_cross_entropy(guess, words) == pytest.approx(uniform, abs=5e-4)
    perfect = jax.nn.one_hot(words, 2**lanes)
    assert qj.losses.probability_cross_entropy(perfect, words) == pytest.approx(0, abs=1e-12)
    wrong = jax.nn.one_hot((words + 1) % 2**lanes, 2**lanes)
    expected = log(e + 2**lanes - 1) - log(e + 2**lanes - 1) + 1
    assert qj.losses.probability_cross_entropy(wrong, words) == pytest.approx(expected)
    mixed = perfect.at[1].set(wrong[1])
    mask = jnp.array([True, False, True])
    found = qj.losses.probability_cross_entropy(mixed, words, mask=mask)
    assert found == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match=r"`words` must have shape \(3,\), but has shape \(2,\)"):
        qj.losses.probability_cross_entropy(guess, words[:2])


def test_drawn_words_follow_the_outputs_and_steer_the_memory() -> None:
    params, xs = inputs(TWO, 9, steps=4)
    draw = quick_jit(jax.vmap(lambda key: qj.cells.sample(TWO, params, xs[:, :2], key)))
    found = draw(jax.random.split(jax.random.key(1), 400))
    words = np.asarray(found.words)
    # run on what was drawn: the same distributions
    bits = jnp.asarray(words[0][:, None] >> np.array([1, 0]) & 1, float)
    forced = qj.run(TWO, params, jnp.concatenate([xs[:, :2], bits], axis=1))
    np.testing.assert_allclose(found.probabilities[0], forced, atol=1e-12)
    seen = np.stack([np.mean(words == word, axis=0) for word in range(4)], axis=1)
    expected = np.mean(found.probabilities, axis=0)
    assert np.abs(seen - expected).max() < 5 * 0.5 / np.sqrt(400)
    assert len(np.unique(words[:, 0])) > 2


def test_steps_that_do_not_count_are_forced() -> None:
    params, xs = inputs(TWO, 10, steps=4)
    mask = jnp.array([False, False, True, False])
    options = {"forced": xs[:, 2:], "mask": mask}
    found = qj.cells.sample(TWO, params, xs[:, :2], jax.random.key(2), **options)
    given = np.asarray(xs[:, 2:] @ jnp.array([2, 1])).astype(int)
    np.testing.assert_array_equal(found.words[~mask], given[~mask])
    outputs = qj.run(TWO, params, xs)
    np.testing.assert_allclose(found.probabilities[:3], outputs[:3], atol=1e-12)


def test_what_makes_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="`lanes` must be an integer of 1 or more, but is 0"):
        qj.cells.Bausch(0, 2, 1, 1)
    with pytest.raises(ValueError, match="`degree` must be at most 2, the sources of a neuron"):
        qj.cells.Bausch(1, 2, 1, 3)
    with pytest.raises(ValueError, match=r"`mode` must be one of \['postselect', 'unitary'\]"):
        qj.cells.Bausch(1, 2, 1, 1, mode="amplified")
    params, xs = inputs(TWO, 0)
    with pytest.raises(ValueError, match=r"`xs` must be in \[0, 1\]"):
        qj.run(TWO, params, xs.at[0, 0].set(2))
    with pytest.raises(ValueError, match=r"try `qj\.cells\.sample`"):
        qj.forecast(TWO, params, xs, 2)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="`forced` and `mask` must be given together"):
        qj.cells.sample(TWO, params, xs[:, :2], key, mask=jnp.ones(3, bool))
    with pytest.raises(ValueError, match=r"`inputs` must have shape \(T, 2\), but has shape"):
        qj.cells.sample(TWO, params, xs, key)
