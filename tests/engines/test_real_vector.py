"""The real engine: against dense matrices, its known bits, its one-time work, its refusals."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.circuit import AbstractOperation
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines.real_turns import TurnLayer
from qrnn_jax.engines.real_vector import prefers_real
from qrnn_jax.expectations import Expectations
from qrnn_jax.gradients.base import Start
from qrnn_jax.setup import engine_for, plan_for
from tests import oracle
from tests.helpers import quick_jit

WIRES = 4


def random_real_circuit(seed: int) -> qj.Circuit:
    """A step of every real operation; data are bits, some wires end in |0>, often flipped on."""
    rng = np.random.default_rng([seed, 5])
    weights = iter(range(1000))

    def w() -> qj.Slot:
        return qj.Weight(next(weights)) + float(rng.uniform(-1, 1))

    def datum() -> qj.Slot:
        return qj.Data(int(rng.integers(3)))

    def one() -> AbstractOperation:
        a, b, c, d = (int(wire) for wire in rng.permutation(WIRES))
        makers: list = [
            *2 * [lambda: qj.RY(a, w())],
            lambda: qj.RY(a, w() * datum()),
            lambda: qj.CRY(a, b, w()),
            lambda: qj.Controlled(qj.CRY(c, a, w()), (b, d)),
            lambda: qj.Controlled(qj.CNOT(c, a), b),
            *[lambda gate=gate: gate(a) for gate in (qj.X, qj.Z, qj.H)],
            *[lambda gate=gate: gate(a, b) for gate in (qj.CNOT, qj.CZ, qj.SWAP)],
            *3 * [lambda: qj.Flip(a, datum())],
            *2 * [lambda: qj.Neuron((c, a), b, (w(), w(), w()), 1)],
            lambda: qj.Neuron((), b, (w() + datum(),), 2),
            lambda: qj.UnitaryNeuron((d, b, a), c, (w(), w(), w(), w())),
            lambda: qj.Postselect(a, int(rng.integers(2))),
        ]
        return makers[rng.integers(len(makers))]()

    ends = [int(wire) for wire in rng.permutation(WIRES)[: rng.integers(0, 4)]]
    operations = [qj.Flip(wire, qj.Data(k)) for k, wire in enumerate((2, 0, 2))]
    layer = [qj.Neuron((0, wire % 3 + 1), wire, (w(), w(), w()), 1) for wire in (1, 2, 3)]
    operations += [*layer, *(one() for _ in range(12))]
    operations += [qj.RY(wire, 0.4) for wire in range(WIRES)]  # no post-selection is hopeless
    operations.insert(int(rng.integers(3, len(operations))), qj.Read())
    operations += [qj.Flip(wire, datum()) for wire in ends]
    return qj.Circuit(WIRES, [*operations, *(qj.Postselect(wire) for wire in ends)])


OBSERVABLES = (qj.Z(2), qj.X(0) @ qj.Z(3) + 0.7 * (qj.Y(1) @ qj.Y(2)), qj.Probabilities((3, 1)))
BITS = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])


def survivor(seed: int) -> qj.CircuitCell:
    """A random cell of which a run survives: no post-selection contradicts a known bit."""
    for attempt in range(50):
        cell = qj.CircuitCell(random_real_circuit(100 * attempt + seed), OBSERVABLES)
        found = oracle.run(cell.circuit, OBSERVABLES, *inputs(cell))[0]
        if np.isfinite(found).all():
            return cell
    raise AssertionError


def inputs(cell: qj.CircuitCell) -> tuple[np.ndarray, np.ndarray]:
    weights = np.random.default_rng(3).uniform(-1, 1, cell.circuit.weight_count)
    return weights, BITS


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("seed", range(6))
def test_random_circuits_agree_with_dense_matrices(seed: int) -> None:
    cell = survivor(seed)
    weights, xs = inputs(cell)
    expected, rho = oracle.run(cell.circuit, OBSERVABLES, weights, xs)
    plan = plan_for(cell, qj.RealVector())
    found = quick_jit(lambda w, x: qj.simulate(cell, w, x, engine=qj.RealVector()))(weights, xs)
    np.testing.assert_allclose(found.outputs, expected, atol=1e-12)
    psi, carried = np.asarray(found.carry), plan.program.carried
    assert psi.shape == (2 ** len(carried),)
    memory = oracle.memory(rho, carried, WIRES)
    np.testing.assert_allclose(np.outer(psi, psi), memory, atol=1e-12)
    assert found.drift < 1e-12


def word_step(*, wires: int = 5) -> tuple[AbstractOperation, ...]:
    """Bausch's form by hand: two lanes written, a layer of neurons, lanes unwritten, projected."""
    write = [qj.Flip(lane, qj.Data(lane)) for lane in (0, 1)]
    memory, index = range(2, wires), iter(range(1000))
    neurons = [
        qj.Neuron(
            tuple(wire for wire in range(wires) if wire != target),
            target,
            tuple(qj.Weight(next(index)) for _ in range(wires)),
        )
        for target in memory
    ]
    rotations = [qj.RY(wire, qj.Weight(next(index))) for wire in memory]
    output = [qj.CRY(3, 0, 0.7), qj.Controlled(qj.RY(1, -0.8), (2, 4)), qj.Read()]
    project = [qj.Flip(1, qj.Data(2)), qj.Postselect(0), qj.Postselect(1)]
    return (*write, *neurons, *rotations, *write, *output, *project)


WORDS = qj.CircuitCell(qj.Circuit(5, word_step()), qj.Probabilities((1, 0)))
WEIGHTS = jnp.asarray(np.random.default_rng(7).uniform(0, 1.5, WORDS.circuit.weight_count))


def test_replays_are_the_same_step() -> None:
    quantum = Expectations(plan_for(WORDS, None))
    start = Start(quantum.plan.init())
    start = start._replace(scales=quantum.survival(WEIGHTS, jnp.asarray(BITS), start))
    tape = spread(WORDS.circuit, WEIGHTS, jnp.asarray(BITS))
    fast = quick_jit(lambda w, x: quantum(w, x, start, loop=jax.lax.scan))(WEIGHTS, BITS)
    replay = quick_jit(lambda tape: quantum.replay(tape, start))
    for a, b in zip(fast, replay(tape), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)
    columns = sorted(quantum.plan.prepared_columns)
    assert len(columns) == WORDS.circuit.weight_count + 2  # all but the bits
    moved = replay(tape.at[1:, columns].add(0.3))[0] - fast[0]
    assert np.abs(moved[1:]).max() > 1e-3 > np.abs(moved[0]).max() == 0


def test_gradients_agree_with_differences() -> None:
    run = quick_jit(jax.vmap(lambda w: qj.run(WORDS, w, BITS).ravel()))
    h = 1e-4 * jnp.eye(len(WEIGHTS))
    difference = (run(WEIGHTS + h) - run(WEIGHTS - h)).T / 2e-4
    jacobian = quick_jit(jax.jacrev(lambda w: qj.run(WORDS, w, BITS).ravel()))(WEIGHTS)
    np.testing.assert_allclose(jacobian, difference, atol=2e-7)
    assert np.abs(difference).max() > 0.1


def test_a_word_costs_nothing_and_layers_are_loops() -> None:
    plan = plan_for(WORDS, None)
    assert plan.init().shape == (8,)
    layers = [item for item in plan.program.before if isinstance(item, TurnLayer)]
    assert [len(layer.turns) for layer in layers] == [3, 3, 1, 1]
    assert [len(layer.order) for layer in layers] == [3, 3, 4, 5]
    tables = plan.prepare(jnp.zeros(len(WORDS.circuit.parameters)))
    assert tables[0].shape == (4, 3, 2, 4)  # words, turns, cosine and sine, other amplitudes
    assert tables[1].shape == (1, 3, 2, 1)  # one angle serves all amplitudes


@pytest.mark.parametrize(("wires", "turns", "group"), [(6, 6, 2), (7, 12, 3), (6, 5, 1)])
def test_turns_are_made_in_place_before_wires_move(wires: int, turns: int, group: int) -> None:
    rng = np.random.default_rng(wires)
    layer = [
        qj.Neuron(
            tuple(int(w) for w in rng.permutation([w for w in range(wires) if w != target])[:3]),
            target,
            tuple(qj.Weight(4 * place + k) for k in range(4)),
        )
        for place, target in enumerate(np.arange(turns) % wires)
    ]
    start = [qj.RY(wire, 0.3 + 0.2 * wire) for wire in range(wires)]
    reads = (qj.Probabilities(tuple(range(wires))),)
    cell = qj.CircuitCell(qj.Circuit(wires, [*start, *layer]), reads)
    weights = jnp.asarray(rng.uniform(0, 1.5, cell.circuit.weight_count))
    plan = plan_for(cell, None)
    assert plan.program.before[-1]._group == group
    runs = [
        qj.run(cell, weights, jnp.zeros((2, 0)), engine=engine)
        for engine in (qj.RealVector(), qj.DensityMatrix())
    ]
    np.testing.assert_allclose(*runs, atol=1e-13)


def test_flips_between_neurons() -> None:
    """One neuron reads bit 0, its neighbour both bits, and the last one neither any more."""
    angles = [tuple(qj.Weight(3 * k + j) + 0.4 for j in range(3)) for k in range(3)]
    steps = (
        *(qj.Flip(0, qj.Data(0)), qj.Neuron((0, 2), 1, angles[0])),
        *(qj.Flip(0, qj.Data(1)), qj.Neuron((0, 1), 2, angles[1])),
        *(qj.Flip(0, qj.Data(0)), qj.Flip(0, qj.Data(1)), qj.Neuron((0, 2), 1, angles[2])),
        *(qj.Read(), qj.Postselect(0)),
    )
    cell = qj.CircuitCell(qj.Circuit(3, steps), qj.Probabilities((2, 1)))
    weights = np.random.default_rng(4).uniform(-1, 1, 9)
    expected, _ = oracle.run(cell.circuit, cell.observables, weights, BITS[:, :2])
    found = quick_jit(lambda w, x: qj.run(cell, w, x))(weights, BITS[:, :2])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    words = [len(table) for table in plan_for(cell, None).prepare(jnp.zeros(13))]
    assert words == [2, 2, 1]


def test_a_known_bit_that_is_not_wanted_ends_the_run() -> None:
    steps = (qj.Flip(0, qj.Data(0)), qj.RY(1, 0.3), qj.Postselect(0))
    cell = qj.CircuitCell(qj.Circuit(2, steps), qj.Z(1))
    with pytest.raises(ValueError, match="at step 1 nothing survives"):
        qj.run(cell, np.zeros(0), np.array([[0.0], [1.0]]), engine=qj.RealVector())


def test_words_that_are_no_bits_give_nan() -> None:
    run = quick_jit(lambda x: qj.run(WORDS, WEIGHTS, x))
    good, bad = run(BITS), run(BITS + 0.5)
    assert np.isfinite(good).all()
    assert np.isnan(bad).all()


@pytest.mark.parametrize("rule", [qj.Backprop(), qj.Adjoint()], ids=str)
def test_tables_are_made_once_for_a_batch(rule: qj.AbstractGradient) -> None:

    def loss(params: Any, batch: jax.Array) -> jax.Array:
        return jnp.sum(jax.vmap(lambda xs: qj.run(WORDS, params, xs, gradient=rule))(batch) ** 2)

    def cosines(size: int) -> int:
        """How many numbers the program takes a cosine of."""
        text = jax.jit(jax.grad(loss)).lower(WEIGHTS, jnp.zeros((size, 3, 3))).as_text()
        lines = [line for line in text.splitlines() if "stablehlo.cosine" in line]
        shapes = [line.split("tensor<")[1].split("x")[:-1] for line in lines]
        return sum(int(np.prod([int(n) for n in shape])) for shape in shapes)

    assert cosines(7) == cosines(1) > 0


def test_it_is_chosen_for_neurons_alone() -> None:
    assert engine_for(WORDS, None) == qj.RealVector()
    assert not prefers_real(qj.Circuit(1, (qj.RY(0, 0.1), qj.Postselect(0))))
    neuron = qj.Neuron((0,), 1, (0.1, 0.2))
    assert prefers_real(qj.Circuit(2, (neuron,)))
    assert not prefers_real(qj.Circuit(2, (neuron, qj.BitFlip(0, 0.1))))


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (qj.RX(0, 0.1), "RX"),
        (qj.S(0), "S"),
        (qj.Reset(0), "Reset"),
        (qj.Controlled(qj.RZ(0, 0.1), 1), "Controlled"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_real_is_refused_by_name(operation: AbstractOperation, name: str) -> None:
    circuit = qj.Circuit(2, (qj.RY(0, 0.2), operation))
    cell = qj.CircuitCell(circuit, qj.Z(0))
    with pytest.raises(ValueError, match=rf"`RealVector` must have real .* operation 1 is {name}"):
        qj.run(cell, jnp.zeros(0), jnp.zeros((1, 0)), engine=qj.RealVector())


def test_other_refusals() -> None:
    weights, key = WEIGHTS, jax.random.key(0)
    with pytest.raises(ValueError, match="`RealVector` must not play single repetitions"):
        qj.RealVector().sampler(WORDS.circuit, WORDS.observables, None)
    with pytest.raises(ValueError, match=r"but wire 0, read as Z, is not"):
        qj.run(WORDS, weights, BITS, shots=10, key=key)
    measured = qj.Circuit(1, (qj.RY(0, 0.3), qj.Read(measure=True)))
    assert "without back-action" in qj.RealVector().refusal(measured)
    assert "acts on modes" in qj.RealVector().refusal(qj.Circuit(1, (qj.Rotation(0, 0.1),)))
    with pytest.raises(ValueError, match="`dtype` must be float32 or float64"):
        qj.run(WORDS, weights, BITS, engine=qj.RealVector(dtype=complex))
    wide = qj.CircuitCell(qj.Circuit(60, [qj.RY(w, 0.1) for w in range(60)]), qj.Z(0))
    with pytest.raises(ValueError, match="a real vector of 60 qubits needs"):
        qj.run(wide, jnp.zeros(0), jnp.zeros((1, 0)), engine=qj.RealVector())


def test_the_precision_is_the_engines() -> None:
    single, double = (
        qj.simulate(WORDS, WEIGHTS, BITS, engine=qj.RealVector(dtype))
        for dtype in (np.float32, None)
    )
    assert single.carry.dtype == np.float32
    assert double.carry.dtype == np.float64
    assert 0 < np.abs(single.outputs - double.outputs).max() < 1e-6
