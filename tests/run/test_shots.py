"""Finite shots: what shares repetitions, what is refused, and that errors are honest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit.groups import measurement_groups
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.instrument import InstrumentSampler
from qrnn_jax.engines.sampler import choose, pick
from qrnn_jax.expectations import SampledExpectations
from qrnn_jax.ops import hermitian_to_real
from tests.helpers import random_circuit, random_inputs

# wire 0 and 2 are read and reset; wire 1 is the memory
BODY = (
    qj.RY(0, qj.Data(0)),
    qj.RX(1, qj.Weight(0)),
    qj.CRX(0, 1, qj.Weight(1)),
    qj.RZZ(1, 2, qj.Weight(2)),
    qj.RX(2, 0.7 * qj.Weight(3)),
    qj.CNOT(1, 2),
    qj.AmplitudeDamping(1, 0.1),
)
RESETS = (qj.Reset(0), qj.Reset(2))
READS = (qj.Z(0), qj.Z(0) @ qj.Z(2), 0.5 * qj.X(2) + 0.3 * qj.Y(0), qj.Probabilities((2, 0)))
CELL = qj.CircuitCell(qj.Circuit(3, (*BODY, *RESETS)), READS)
WEIGHTS = jnp.array([0.4, 1.3, -0.8, 2.1])
XS = jnp.array([[0.3], [-0.9], [1.4], [0.2], [-0.5]])


def z_scores(cell: qj.AbstractCell, shots: int, **options: object) -> np.ndarray:
    """(outputs - exact) / stderr for some fixed keys, (keys, T, M)."""
    exact = qj.run(cell, WEIGHTS, XS)
    kept = min(
        3, cell.outputs_count
    )  # not the probabilities: a rare outcome's error is no Gaussian

    def one(key: jax.Array) -> jax.Array:
        found = qj.simulate(cell, WEIGHTS, XS, shots=shots, key=key, **options)  # type: ignore[arg-type]
        return ((found.outputs - exact) / found.stderr)[:, :kept]

    return np.asarray(jax.lax.map(one, jax.random.split(jax.random.key(7), 60)))


@pytest.mark.parametrize("prefixes", [False, True])
@pytest.mark.parametrize("errors", [(), (qj.ReadoutError(0, 0.1, 0.03), qj.ReadoutError(2, 0.2))])
def test_outputs_and_their_standard_errors_are_honest(prefixes: bool, errors: tuple) -> None:
    cell = qj.CircuitCell(qj.Circuit(3, (*BODY, *errors, *RESETS)), READS)
    scores = z_scores(cell, 1000, prefixes=prefixes)
    assert scores.size >= 900
    assert 0.93 < np.sqrt(np.mean(scores**2)) < 1.07
    assert abs(scores.mean()) * np.sqrt(scores.size) < 4.5  # outputs of one key are correlated


def test_trajectories_and_instruments_agree_with_the_exact_outputs() -> None:
    scores = z_scores(CELL, 1000, engine=qj.Trajectories(1))
    assert 0.93 < np.sqrt(np.mean(scores**2)) < 1.07


def test_branch_expectations_have_less_variance_than_shots() -> None:
    options = {"key": jax.random.key(3), "engine": qj.Trajectories(1000)}
    branches = qj.simulate(CELL, WEIGHTS, XS, **options)
    shots = qj.simulate(CELL, WEIGHTS, XS, shots=1000, **options)
    assert np.all(np.asarray(branches.stderr) < np.asarray(shots.stderr))
    exact = qj.run(CELL, WEIGHTS, XS)
    assert np.all(np.abs(branches.outputs - exact) < 5 * branches.stderr + 1e-12)


def test_outputs_of_one_repetition_keep_their_correlation() -> None:
    """The mean of a product over steps, from the errors of a sum: Var(y_1 + y_2)."""
    circuit = qj.Circuit(2, (qj.RY(1, 1.2), qj.CNOT(1, 0), qj.Read(), qj.Reset(0), qj.RY(1, -1.2)))
    # the memory is one coin, read at both steps: y_1 and y_2 are almost the same bit
    cell, xs = qj.CircuitCell(circuit, (qj.Z(0),)), jnp.zeros((2, 0))

    def spread_of_sum(prefixes: bool) -> float:
        def one(key: jax.Array) -> jax.Array:
            return qj.run(cell, jnp.zeros(0), xs, shots=50, prefixes=prefixes, key=key).sum()

        return float(jnp.std(jax.lax.map(one, jax.random.split(jax.random.key(0), 2000))))

    plan = DensePlan(circuit, cell.observables, np.dtype(np.complex128))
    sampler = InstrumentSampler(plan, measurement_groups(cell.observables)[0])
    joint = exact_joint(sampler, jnp.zeros((2, 2)).at[:, 0].set(1.2).at[:, 1].set(-1.2))
    signs = np.array([1, -1])
    mean = np.einsum("ab,a,b", joint, signs, np.ones(2)), np.einsum("ab,b", joint, signs)
    both = np.einsum("ab,ab", joint, (signs[:, None] + signs) ** 2)
    exact = np.sqrt((both - (mean[0] + mean[1].sum()) ** 2) / 50)
    assert spread_of_sum(False) == pytest.approx(exact, rel=0.06)
    apart = np.sqrt((2 - mean[0] ** 2 - mean[1].sum() ** 2) / 50)
    assert spread_of_sum(True) == pytest.approx(apart, rel=0.06)
    assert abs(exact - apart) > 0.2 * apart


def exact_joint(sampler: InstrumentSampler, tape: jax.Array) -> np.ndarray:
    """P(b_1, b_2) from two instruments."""
    first, second = (sampler.instrument(row) for row in tape)
    start = hermitian_to_real(sampler.plan.init())
    return np.asarray(jnp.einsum("bo,aoi,i->ab", second.reads, first.maps, start))


@pytest.mark.parametrize("seed", range(4))
def test_instruments_add_up_to_the_step(seed: int) -> None:
    circuit = random_circuit(seed, kind="noisy", gates=6)
    observables = (qj.X(0) @ qj.Z(2), qj.Y(1))
    plan = DensePlan(circuit, observables, np.dtype(np.complex128))
    weights, data = random_inputs(circuit, seed)
    tape = spread(circuit, jnp.asarray(weights), jnp.asarray(data))[0]
    rng = np.random.default_rng(seed)
    size = 2 ** len(circuit.memory_wires)
    root = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    memory = jnp.asarray(root @ root.conj().T / np.trace(root @ root.conj().T))
    new, reads = plan.step_at(tape, memory)
    groups = measurement_groups(observables)
    assert len(groups) == 1
    made = InstrumentSampler(plan, groups[0]).instrument(tape)
    coordinates = hermitian_to_real(memory)
    chances = made.reads @ coordinates
    np.testing.assert_allclose(chances @ groups[0].values, reads, atol=1e-12)
    # with the read-out measured the memory is the dephased one: only its average without
    # back-action differs, so compare the total probability, and each branch with its chance
    branches = made.maps @ coordinates
    traces = [np.trace(np.asarray(sampler_state(branch))).real for branch in branches]
    np.testing.assert_allclose(traces, chances, atol=1e-12)
    assert np.trace(new).real == pytest.approx(sum(traces), abs=1e-12)


def sampler_state(coordinates: jax.Array) -> jax.Array:
    from qrnn_jax.ops import real_to_hermitian

    return real_to_hermitian(coordinates)


def test_a_memory_wire_is_refused_under_shots_and_three_ways_are_offered() -> None:
    cell = qj.CircuitCell(qj.Circuit(3, (*BODY, *RESETS)), (qj.Z(1),))
    with pytest.raises(ValueError, match=r"wire 1, read as Z, is not.*measure=True.*prefixes"):
        qj.run(cell, WEIGHTS, XS, shots=10, key=jax.random.key(0))
    qj.run(cell, WEIGHTS, XS, shots=10, prefixes=True, key=jax.random.key(0))
    measured = qj.Circuit(3, (*BODY, qj.Read(measure=True), *RESETS))
    assert z_scores(qj.CircuitCell(measured, (qj.Z(1),)), 400).std() == pytest.approx(1, abs=0.1)


def test_a_gate_between_read_and_reset_is_refused() -> None:
    circuit = qj.Circuit(3, (*BODY, qj.Read(), qj.RX(0, 0.3), *RESETS))
    with pytest.raises(ValueError, match="wire 0, read as Z, is not"):
        qj.run(qj.CircuitCell(circuit, (qj.Z(0),)), WEIGHTS, XS, shots=9, key=jax.random.key(0))


def test_a_recorded_bit_is_read_without_a_reset() -> None:
    operations = (*BODY, qj.Measure(0, to=3), qj.Read(), *RESETS)
    cell = qj.CircuitCell(qj.Circuit(4, operations), (qj.Z(3),))
    np.testing.assert_allclose(
        qj.run(cell, WEIGHTS, XS)[:, 0], qj.run(CELL, WEIGHTS, XS)[:, 0], atol=1e-12
    )
    assert np.sqrt(np.mean(z_scores(cell, 500) ** 2)) == pytest.approx(1, abs=0.12)


def test_back_action_changes_the_model_on_exact_engines() -> None:
    operations = (
        qj.RY(0, qj.Data(0)),
        qj.RX(1, qj.Weight(0)),
        qj.CRX(0, 1, qj.Weight(1)),
        qj.RZ(1, qj.Weight(2)),
        qj.RY(1, qj.Weight(3)),
    )
    first, second = (
        np.asarray(
            qj.run(
                qj.CircuitCell(qj.Circuit(2, (*operations, read, qj.Reset(0))), (qj.Y(1),)),
                WEIGHTS,
                XS,
            )
        )
        for read in (qj.Read(), qj.Read(measure=True))
    )
    assert first[0] == pytest.approx(second[0], abs=1e-12)
    assert np.abs(first[1:] - second[1:]).max() > 1e-2


def test_groups_commute_wire_by_wire_and_readings_add_up() -> None:
    groups = measurement_groups(READS)
    assert [dict(group.outcomes.word) for group in groups] == [
        {0: "Z", 2: "Z"},
        {0: "Y", 2: "X"},
    ]
    assert groups[0].values.shape == (4, 7)


def test_every_evaluation_draws_from_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Primal, plus and minus: with a shared key the error of a difference would look too small."""
    seen: list[bytes] = []
    estimate = SampledExpectations.estimate

    def recorded(self: SampledExpectations, tape: jax.Array, start: object, directions: object):  # type: ignore[no-untyped-def]
        data = jax.random.key_data(start.key)  # type: ignore[attr-defined]
        jax.debug.callback(lambda values: seen.append(np.asarray(values).tobytes()), data)
        return estimate(self, tape, start, directions)  # type: ignore[arg-type]

    monkeypatch.setattr(SampledExpectations, "estimate", recorded)
    cell = qj.CircuitCell(qj.Circuit(3, (*BODY, *RESETS)), (qj.Z(0),))

    def loss(weights: jax.Array, key: jax.Array) -> jax.Array:
        rule = qj.ParameterShift(chunk=1)
        return jnp.sum(qj.run(cell, weights, XS[:2], shots=11, gradient=rule, key=key) ** 2)

    jax.block_until_ready(jax.grad(loss)(WEIGHTS, jax.random.key(0)))
    jax.effects_barrier()
    runs = qj.ParameterShift().evaluations(cell.circuit, 2)
    assert len(set(seen)) == 1 + runs
    assert len(seen) >= 1 + runs


def test_equal_keys_give_equal_outputs_and_different_keys_do_not() -> None:
    first, second, third = (
        qj.run(CELL, WEIGHTS, XS, shots=20, key=jax.random.key(seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_vmap_over_keys_gives_what_single_calls_give() -> None:
    keys = jax.random.split(jax.random.key(2), 3)
    together = jax.vmap(lambda key: qj.run(CELL, WEIGHTS, XS, shots=20, key=key))(keys)
    apart = jnp.stack([qj.run(CELL, WEIGHTS, XS, shots=20, key=key) for key in keys])
    np.testing.assert_allclose(together, apart, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 10}, "Argument `key` must be a JAX key"),
        ({"shots": 0, "key": jax.random.key(0)}, "Argument `shots` must be None"),
        ({"shots": 2.5, "key": jax.random.key(0)}, "Argument `shots` must be None"),
        ({"shots": 10, "key": 3}, "must be one JAX key, but is 3"),
        ({"shots": 9, "key": jax.random.split(jax.random.key(0))}, "an array of \\(2,\\) keys"),
        (
            {"shots": 9, "key": jax.random.key(0), "gradient": qj.Backprop()},
            "score term.*ParameterShift",
        ),
        (
            {"engine": qj.Trajectories(9), "key": jax.random.key(0), "gradient": qj.Adjoint()},
            "score term.*ParameterShift",
        ),
        ({"engine": qj.Trajectories(9)}, "Argument `key` must be a JAX key"),
        (
            {
                "engine": qj.Trajectories(9),
                "key": jax.random.key(0),
                "shots": 10,
                "prefixes": True,
            },
            "Argument `prefixes` must be False",
        ),
    ],
)
def test_what_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qj.run(CELL, WEIGHTS, XS, **options)


def test_a_carry_is_refused_where_outcomes_are_drawn() -> None:
    carry = qj.simulate(CELL, WEIGHTS, XS).carry
    with pytest.raises(ValueError, match="Argument `carry` must be None where outcomes are drawn"):
        qj.simulate(CELL, WEIGHTS, XS, carry=carry, shots=5, key=jax.random.key(0))
    assert qj.simulate(CELL, WEIGHTS, XS, shots=5, key=jax.random.key(0)).carry is None


def test_outcomes_of_probability_zero_are_never_drawn() -> None:
    for uniform in (0.0, 0.5, 1 - 2**-53):
        assert int(choose(jnp.array([0.0, 0.3, 0.0, 0.7, 0.0]), jnp.array(uniform))) in (1, 3)
    assert int(pick(jnp.array([0.2, 0.3]), jnp.array(0.9))) == 2


def test_a_recorded_bit_read_in_another_basis_is_refused() -> None:
    operations = (*BODY, qj.Measure(0, to=3), qj.Read(), *RESETS)
    cell = qj.CircuitCell(qj.Circuit(4, operations), (qj.Z(0), qj.X(3)))
    with pytest.raises(ValueError, match="wire 3, read as X, is not"):
        qj.run(cell, WEIGHTS, XS, shots=9, key=jax.random.key(0))


def test_an_observable_of_unknown_kind_is_refused_under_shots() -> None:
    class Twice(qj.AbstractObservable):
        wires = (0,)
        outputs = 2
        read = matrices = confused = None  # type: ignore[assignment]

    with pytest.raises(ValueError, match="must be a Pauli sum or `Probabilities`"):
        measurement_groups((Twice(),))  # type: ignore[abstract]


def test_wide_steps_are_sampled_by_pure_states() -> None:
    """An instrument of 6 wires would take more memory than the state is worth."""
    wide, narrow = qj.cells.Takaki(inputs=3, memory=3, depth=1), CELL
    kinds = []
    for cell in (wide, narrow):
        group = measurement_groups(cell.observables)[0]
        kinds.append(type(qj.DensityMatrix().sampler(cell.circuit, cell.observables, group)))
    assert [kind.__name__ for kind in kinds] == ["TrajectorySampler", "InstrumentSampler"]
    params = wide.init(jax.random.key(0))

    def total(params: dict, key: jax.Array) -> jax.Array:
        return qj.run(wide, params, XS / 3, shots=1000, key=key).sum()

    program = jax.jit(jax.grad(total)).lower(params, jax.random.key(0)).compile()
    assert program.memory_analysis().temp_size_in_bytes < 2**29
