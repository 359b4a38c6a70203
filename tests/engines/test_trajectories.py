"""Pure-state trajectories: the same statistics as density matrices, outcome by outcome."""

import itertools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax
from scipy import stats

import qrnn_jax as qj
from qrnn_jax.circuit.constants import FrozenArray
from qrnn_jax.circuit.groups import Group, measurement_groups
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.instrument import InstrumentSampler
from qrnn_jax.engines.sampler import AbstractSampler, Estimate, choose, sampled_estimate
from qrnn_jax.engines.trajectories import Trajectories, TrajectorySampler
from tests.helpers import quick_jit, random_cell, random_inputs

DOUBLE = np.dtype(np.complex128)
SHOTS = 4000
Maker = Callable[..., AbstractSampler]


def tape_of(circuit: qj.Circuit, weights: np.ndarray, data: np.ndarray) -> Array:
    """(T, K)."""
    with_data = jax.vmap(lambda x: spread(circuit, jnp.asarray(weights), x))
    return quick_jit(with_data)(jnp.asarray(data))


def exact_outputs(cell: qj.CircuitCell, seed: int) -> Array:
    """Of the density matrix, without back-action, at `random_inputs`."""
    inputs = map(jnp.asarray, random_inputs(cell.circuit, seed))
    return qj.run(cell, *inputs, engine=qj.DensityMatrix())


def trajectories(
    circuit: qj.Circuit, observables: tuple, group: Group | None, dtype: np.dtype = DOUBLE
) -> TrajectorySampler:
    return TrajectorySampler(circuit, observables, dtype, group)


def instrument(circuit: qj.Circuit, observables: tuple, group: Group) -> InstrumentSampler:
    return InstrumentSampler(DensePlan(circuit, observables, DOUBLE), group)


def estimate(sampler: AbstractSampler, tape: Array, key: Array, shots: int = SHOTS) -> Estimate:
    """With the sum of each pair of steps of the first read as directions."""
    steps = len(tape)
    pairs = list(itertools.combinations(range(steps), 2))
    directions = np.zeros((len(pairs), steps, sampler.reads))
    for row, (first, second) in enumerate(pairs):
        directions[row, [first, second], 0] = 1
    run = quick_jit(partial(sampled_estimate, sampler, shots=shots, directions=directions))
    return run(tape, key)


def assert_within_five_errors(mean: Array, exact: Array, variance: Array) -> None:
    """Outputs that never vary must be exact."""
    assert np.isfinite(mean).all()
    assert (np.abs(mean - exact) <= 5 * np.sqrt(np.maximum(variance, 0)) + 1e-9).all()


def play(sampler: AbstractSampler, tape: Array, key: Array, shots: int) -> np.ndarray:
    """The values of single repetitions, (shots, T, M)."""

    def one(uniforms: Array, prepared: object) -> Array:
        return lax.scan(lambda c, x: sampler.step(c, *x), sampler.init(), (prepared, uniforms))[1]

    def everything(tape: Array, key: Array) -> Array:
        uniforms = jax.random.uniform(key, (shots, len(tape), sampler.uniforms), tape.dtype)
        return jax.vmap(one, (0, None))(uniforms, sampler.prepare(tape))

    return np.asarray(quick_jit(everything)(tape, key))


def exact_joint(sampler: InstrumentSampler, tape: Array) -> np.ndarray:
    """P(o_1, ..., o_T, alive at the last read-out), (O,) * T, by enumeration."""
    maps, reads = (np.asarray(part) for part in quick_jit(sampler.prepare)(tape))
    memories = np.asarray(sampler.init()[0])[None]  # (histories, D), unnormalised
    for step_maps in maps[:-1]:
        memories = np.einsum("oij,hj->hoi", step_maps, memories).reshape(-1, memories.shape[1])
    return (memories @ reads[-1].T).reshape((reads.shape[1],) * len(tape))


@pytest.mark.parametrize(
    ("kind", "seed", "wires"), [("reset", 3, 4), ("noisy", 1, 3), ("noisy", 2, 4)]
)
def test_branch_expectations_average_to_the_density_matrix(
    kind: str, seed: int, wires: int
) -> None:
    cell = random_cell(seed, kind=kind, wires=wires)
    tape = tape_of(cell.circuit, *random_inputs(cell.circuit, seed))
    sampler = trajectories(cell.circuit, cell.observables, None)
    found = estimate(sampler, tape, jax.random.key(seed))
    variance = np.diagonal(found.covariance, axis1=1, axis2=2)
    assert_within_five_errors(found.mean, exact_outputs(cell, seed), variance)
    assert variance.max() > 0  # the branches differ


def test_outcomes_of_wires_that_are_reset_average_to_the_density_matrix() -> None:
    """All groups together. Measuring a wire that is not reset would change the later outputs."""
    circuit = random_cell(5, kind="reset", wires=4).circuit
    tape = tape_of(circuit, *random_inputs(circuit, 5))
    first, last = circuit.reset_wires[0], circuit.reset_wires[-1]
    observables = (qj.Z(first) + 0.5 * qj.Y(last), qj.X(last), qj.Probabilities((first,)))
    exact = exact_outputs(qj.CircuitCell(circuit, observables), 5)
    mean, variance = 0, 0
    for index, group in enumerate(measurement_groups(observables)):
        found = estimate(trajectories(circuit, observables, group), tape, jax.random.key(index))
        mean += found.mean
        variance += np.diagonal(found.covariance, axis1=1, axis2=2)
    assert_within_five_errors(mean, exact, variance)


def joint_setting(kind: str, seed: int) -> tuple[qj.Circuit, Group, Array]:
    """A circuit, a group that records the outcomes of some wires in X, Y or Z, and a tape."""
    cell = random_cell(seed, kind=kind)
    tape = tape_of(cell.circuit, *random_inputs(cell.circuit, seed, steps=3))
    outcomes = measurement_groups(cell.observables)[1].outcomes
    assert {letter for _, letter in outcomes.word} > {"Y"}
    return cell.circuit, Group(outcomes, FrozenArray(np.eye(outcomes.outputs))), tape


def assert_chi_square(outcomes: np.ndarray, joint: np.ndarray) -> None:
    """Counts of outcome sequences (shots, T) against their exact probabilities (O,) * T."""
    places = np.ravel_multi_index(tuple(outcomes.T), joint.shape)
    counts, expected = np.bincount(places, minlength=joint.size), len(outcomes) * joint.ravel()
    assert not counts[expected < 1e-9].any()
    rare = expected < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    possible = expected > 1e-9
    assert possible.sum() > 10
    assert stats.chisquare(counts[possible], expected[possible]).pvalue > 1e-3


@pytest.mark.parametrize("make", [trajectories, instrument])
@pytest.mark.parametrize(("kind", "seed"), [("reset", 7), ("noisy", 0)])
def test_histories_have_the_exact_joint_distribution(make: Maker, kind: str, seed: int) -> None:
    """Chi-square over all outcome sequences of 3 steps, back-action included."""
    circuit, group, tape = joint_setting(kind, seed)
    joint = exact_joint(instrument(circuit, (group.outcomes,), group), tape)
    assert joint.sum() == pytest.approx(1, abs=1e-9)
    values = play(make(circuit, (group.outcomes,), group), tape, jax.random.key(seed), 2 * SHOTS)
    assert_chi_square(values.argmax(axis=2), joint)


@pytest.mark.parametrize("make", [trajectories, instrument])
def test_outcomes_of_different_steps_are_correlated_as_they_must(make: Maker) -> None:
    """E[o_s o_t] of one wire, from the variance of o_s + o_t."""
    circuit, group, tape = joint_setting("reset", 7)
    signs = np.resize([1.0, -1.0], group.outcomes.outputs)
    group = Group(group.outcomes, FrozenArray(signs[:, None]))
    joint = exact_joint(instrument(circuit, (qj.Z(0),), group), tape)
    found = estimate(make(circuit, (qj.Z(0),), group), tape, jax.random.key(3))
    correlations = []
    for (s, t), variance in zip(itertools.combinations(range(3), 2), found.projected):
        exact = np.einsum(f"abc,{'abc'[s]},{'abc'[t]}->", joint, signs, signs)
        second = SHOTS * variance + (found.mean[s, 0] + found.mean[t, 0]) ** 2
        product = second / 2 - 1  # (o_s + o_t)^2 = 2 + 2 o_s o_t
        assert abs(product - exact) < 5 * np.sqrt((1 - exact**2) / SHOTS) + 2 / SHOTS
        means = [np.einsum(f"abc,{'abc'[i]}->", joint, signs) for i in (s, t)]
        correlations.append(abs(exact - means[0] * means[1]))
    assert max(correlations) > 0.1  # independent steps would be seen


def test_spread_of_repeated_estimates_is_the_theory() -> None:
    """2000 estimates of 16 outcomes of +-1 each: variance (1 - y^2) / 16."""
    circuit = random_cell(3, kind="reset").circuit
    wire, (weights, data) = circuit.reset_wires[0], random_inputs(circuit, 3)
    cell = qj.CircuitCell(circuit, (qj.Z(wire),))
    exact = exact_outputs(cell, 3)
    sampler = trajectories(circuit, cell.observables, measurement_groups(cell.observables)[0])
    empty = np.zeros((0, len(data), 1))
    run = partial(sampled_estimate, sampler, tape_of(circuit, weights, data))
    repeat = quick_jit(jax.vmap(lambda key: run(key, 16, empty)))
    found = repeat(jax.random.split(jax.random.key(1), 2000))
    spread = np.std(found.mean, axis=0) / np.sqrt((1 - exact**2) / 16)
    np.testing.assert_allclose(spread, 1, atol=0.1)
    stated = np.mean(found.covariance[:, :, :, 0], axis=0) / ((1 - exact**2) / 16)
    np.testing.assert_allclose(stated, 1, atol=0.1)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("measured", [False, True])
def test_impossible_branches_are_never_drawn(
    dtype: type[np.complexfloating], measured: bool
) -> None:
    """Wires exactly in |0> or |1>, and strengths 0 and 1, at both ends of the unit interval."""
    kinds = [(qj.Depolarizing, 0.0), (qj.BitFlip, 1.0), (qj.AmplitudeDamping, 0.3)]
    idle = [kind(wire, p) for kind, p in [*kinds, (qj.PhaseDamping, 1.0)] for wire in (0, 1)]
    settle = [qj.Reset(0), qj.Reset(1), qj.X(1), qj.Postselect(1, 1), qj.Postselect(0)]
    reset = [qj.Reset(0), qj.Reset(1)]
    circuit = qj.Circuit(2, [qj.X(1), *idle, *settle, qj.Read(), *reset])
    observables = (qj.Z(0), qj.Z(1), qj.Probabilities((1, 0)))
    group = measurement_groups(observables)[0] if measured else None
    sampler = trajectories(circuit, observables, group, np.dtype(dtype))
    real = np.finfo(dtype).dtype
    step = quick_jit(sampler.step)
    tape = jnp.asarray(tape_of(circuit, np.zeros(0), np.zeros((1, 0))), real)
    prepared = jax.tree.map(lambda leaf: leaf[0], quick_jit(sampler.prepare)(tape))
    for uniform in (0, below_one(real)):
        carry = sampler.init()
        for _ in range(5):
            carry, values = step(carry, prepared, np.full(sampler.uniforms, uniform, real))
            assert values.dtype == real
            np.testing.assert_allclose(values, [1, -1, 0, 0, 1, 0, 1], atol=1e-6)
        np.testing.assert_allclose(np.abs(carry[0]), [1, 0, 0, 0], atol=1e-6)


def below_one(dtype: np.dtype) -> np.floating:
    """The largest number that `jax.random.uniform` returns."""
    return dtype.type(1) - np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_choose_never_returns_an_outcome_of_weight_zero(dtype: type) -> None:
    """The weights add up to 0.5 only; rounding can do the same to any that should add up to 1."""
    weights = jnp.asarray([0, 0.3, 0.2, 0, 0], dtype)
    drawn = jax.vmap(choose, (None, 0))(weights, jnp.asarray([0, below_one(np.dtype(dtype))]))
    assert drawn.tolist() == [1, 2]


def test_readout_errors_flip_what_is_recorded_and_leave_the_state() -> None:
    """Every outcome of wire 0 is misread; the state behind the read-out is the true one."""
    circuit = qj.Circuit(2, (qj.X(0), qj.Read(), qj.CNOT(0, 1), qj.Reset(0)))
    observables = (qj.Z(0), qj.Z(1))
    wrong, right = {0: (1.0, 1.0)}, {0: (0.0, 0.0)}
    for errors, sign in ((wrong, 1), (right, -1)):
        (group,) = measurement_groups(observables, errors)
        sampler = trajectories(circuit, observables, group)
        values = play(sampler, jnp.zeros((3, 0)), jax.random.key(0), 5)
        np.testing.assert_array_equal(values, [[[sign, 1], [sign, -1], [sign, 1]]] * 5)


@pytest.mark.parametrize("measured", [False, True])
def test_post_selected_repetitions_die_with_the_exact_probability(measured: bool) -> None:
    """One wire is post-selected before the read-out, one behind it, in every step."""
    gates = (qj.RY(0, qj.Data(0)), qj.CRX(0, 2, 1.1), qj.CRY(2, 1, 0.9), qj.RX(1, 0.7))
    keep = (qj.Postselect(0), qj.Read(), qj.Postselect(1, 0), qj.Depolarizing(2, 0.1))
    circuit = qj.Circuit(3, (*gates, *keep))
    tape = tape_of(circuit, np.zeros(0), np.array([[0.8], [1.3], [-0.5]]))
    outcomes = measurement_groups((qj.Y(1) @ qj.Z(2),))[0].outcomes
    group = Group(outcomes, FrozenArray(np.eye(4)))
    joint = exact_joint(instrument(circuit, (outcomes,), group), tape)
    sampler = trajectories(circuit, (outcomes,), group if measured else None)
    assert sampler.reads == 5
    values = play(sampler, tape, jax.random.key(0), 2 * SHOTS)
    alive = values[:, :, -1]
    assert set(np.unique(alive)) == {0, 1}
    assert (np.diff(alive, axis=1) <= 0).all()  # nobody comes back
    np.testing.assert_allclose(values[:, :, :-1].sum(axis=2), alive, atol=1e-9)
    if measured:
        survivors = values[alive[:, -1] == 1][:, :, :-1].argmax(axis=2)
        assert_chi_square(survivors, joint / joint.sum())
        assert_binomial(len(survivors), joint.sum(), 2 * SHOTS)
    else:  # without a read-out that acts back only the first step has the same statistics
        first = exact_joint(instrument(circuit, (outcomes,), group), tape[:1])
        assert_binomial(alive[:, 0].sum(), first.sum(), 2 * SHOTS)
        mean, error = values[:, 0, :-1].mean(axis=0), values[:, 0, :-1].std(axis=0)
        assert_within_five_errors(mean, first, error**2 / (2 * SHOTS))


def assert_binomial(count: float, chance: float, shots: int) -> None:
    assert 0.1 < chance < 0.9
    assert abs(count - chance * shots) < 5 * np.sqrt(shots * chance * (1 - chance))


@pytest.mark.parametrize("branches", [0, -3, 2.0, True, None])
def test_the_number_of_branches_must_be_a_positive_integer(branches: object) -> None:
    with pytest.raises(ValueError, match=r"Argument `branches` must be an integer of 1 or more"):
        Trajectories(branches)  # type: ignore[arg-type]


def test_a_state_that_cannot_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a state vector of 60 qubits"):
        Trajectories(10).sampler(qj.Circuit(60, (qj.Reset(0),)), (qj.Z(0),), None)


def test_wide_states_are_simulated_a_few_at_a_time() -> None:
    widths = [trajectories(qj.Circuit(n, ()), (), None).width for n in (3, 10, 14, 20)]
    assert widths == sorted(widths, reverse=True)
    assert [max(width * 2**n, 2**16) for width, n in zip(widths, (3, 10, 14))] == [2**16] * 3
    assert widths[-1] == 1
