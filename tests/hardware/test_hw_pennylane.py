"""PennyLane plays our circuits, and its functions become circuits."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import from_pennylane, pennylane_module, to_pennylane
from tests import oracle
from tests.hardware import canary
from tests.helpers import cell_inputs, random_isometry

qml = pytest.importorskip("pennylane", reason="needs the extra `pennylane`")

CASES = {**canary.GATES, **canary.MEASURED}
MODELS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
    "viqueira": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
}


def module_of(template: qj.hardware.Template, **options: object) -> types.ModuleType:
    """The exported module, run."""
    made = types.ModuleType("exported")
    exec(compile(pennylane_module(template, **options), "exported", "exec"), made.__dict__)
    return made


def played(program, row: np.ndarray | None, steps: list[int]) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Joint probabilities of all bits of some steps, exact: measurements deferred."""

    @qml.qnode(qml.device("default.qubit"), mcm_method="deferred")
    def circuit():  # type: ignore[no-untyped-def]
        bits = program(row) if row is not None else program()
        return qml.probs(op=[bit for step in steps for bit in bits[step]])

    return np.asarray(circuit())


@pytest.mark.parametrize("name", CASES)
def test_every_gate_has_the_exact_probabilities(name: str) -> None:
    cell = canary.cell_of(CASES[name])
    weights = canary.WEIGHTS[: cell.circuit.weight_count]
    (template,) = qj.hardware.templates(cell, steps=1)
    row = np.array([oracle.value(s, weights, np.zeros(0)) for s in cell.circuit.parameters])
    exact, _ = oracle.run(cell.circuit, cell.observables, weights, np.zeros((1, 0)))
    for program in (to_pennylane(template), module_of(template).program):
        assert np.abs(played(program, row, [0]) - exact[0]).max() < 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_steps_have_the_exact_outputs(name: str) -> None:
    cell = MODELS[name]
    params, xs = cell_inputs(cell, 3, steps=4)
    (template,) = qj.hardware.templates(cell, steps=4)
    row = qj.hardware.angles(cell, params, xs).ravel()
    reads = [qml.expval, lambda bit: 1 - 2 * bit][0]

    @qml.qnode(qml.device("default.qubit"), mcm_method="tree-traversal")
    def circuit():  # type: ignore[no-untyped-def]
        return [reads(bit) for step in to_pennylane(template)(row) for bit in step]

    signs = 1 - 2 * np.array(circuit()).reshape(4, -1)
    with jax.enable_x64(True):
        letters = tuple(qj.Z(wire) for wire, _ in template.measured)
        assert {letter for _, letter in template.measured} == {"Z"}
        bare = qj.CircuitCell(cell.circuit, letters)
        data = jax.vmap(lambda x: cell.data(params, x))(xs)
        exact = qj.run(bare, cell.weights(params), data, engine=qj.DensityMatrix())
    assert np.abs(signs - exact).max() < 1e-6
    assert np.abs(exact).min() > 1e-3


def test_the_module_has_its_own_angles_and_merges_resets() -> None:
    cell = MODELS["viqueira"]
    params, xs = cell_inputs(cell, 3, steps=2)
    (template,) = qj.hardware.templates(cell, steps=2)
    row = qj.hardware.angles(cell, params, xs)
    text = pennylane_module(template, angles=row)
    assert text.count("reset=True") == template.count()["reset"]
    assert text.count("qml.measure") == template.count()["measure"]
    made = module_of(template, angles=row)
    assert list(template.symbols) == made.SYMBOLS
    expected = played(to_pennylane(template), row.ravel(), [0, 1])
    np.testing.assert_allclose(played(made.program, None, [0, 1]), expected, atol=1e-14)
    with pytest.raises(ValueError, match="`angles` must be"):
        pennylane_module(template, angles=row[:1])


def test_noise_is_refused() -> None:
    (template,) = qj.hardware.templates(canary.cell_of(canary.NOISE["BitFlip"]), steps=1)
    for export in (to_pennylane, pennylane_module):
        with pytest.raises(ValueError, match="free of noise"):
            export(template)


ONE = random_isometry(np.random.default_rng(5), 4, 4)
STEPS = {
    "turns": lambda w, x: (qml.RX(0.5 * w[0] + 0.1, 2), qml.RY(w[1] * x[0], 0), qml.RZ(x[1], 1)),
    "two wires": lambda w, x: (
        qml.IsingXX(w[0], [2, 0]), qml.IsingYY(w[1], [0, 1]), qml.IsingZZ(x[0] - x[1], [1, 2]),
    ),
    "controlled": lambda w, x: (
        qml.CRX(w[0], [2, 0]), qml.CRY(w[1], [0, 1]), qml.CRZ(x[0], [1, 2]),
        qml.ControlledPhaseShift(x[1], [2, 1]), qml.CH([0, 2]), qml.CY([2, 1]),
    ),
    "fixed": lambda w, x: (
        qml.Hadamard(0), qml.S(1), qml.T(2), qml.SX(0), qml.adjoint(qml.S(1)), qml.CNOT([2, 0]),
        qml.CZ([0, 1]), qml.SWAP([1, 2]), qml.Toffoli([2, 0, 1]), qml.CSWAP([1, 0, 2]),
        qml.adjoint(qml.T(0)), qml.ISWAP([0, 2]), qml.PauliX(0), qml.PauliY(1), qml.PauliZ(2),
        qml.RX(w[0] + w[1], 0), qml.RX(x[0] + x[1], 1),
    ),
    "general": lambda w, x: (
        qml.U3(w[0], x[0], 0.3, 1), qml.U2(x[1], w[1], 0), qml.PhaseShift(w[0], 2),
        qml.Rot(w[0], x[1] + 1, -w[1], 0), qml.QubitUnitary(ONE, [2, 0]), qml.Barrier(),
    ),
    "by parts": lambda w, x: (
        qml.MultiRZ(w[0], [0, 1, 2]), qml.ctrl(qml.RX(w[1], 0), control=[2, 1]),
        qml.ctrl(qml.RY(x[1], 2), control=[1, 0], control_values=[1, 0]),
        qml.adjoint(qml.RY(x[0], 1)), qml.BasicEntanglerLayers(
            jnp.stack([jnp.stack([w[0], w[1], 2 * x[1]])]), wires=[0, 1, 2]),
    ),
}  # fmt: skip
W, X = np.array([0.7, -1.1]), np.array([0.4, 1.9])


@pytest.mark.parametrize("name", STEPS)
def test_functions_keep_their_matrix(name: str) -> None:
    """Up to a phase, to 1e-12; turns before, so that the order of wires counts."""

    def step(w, x):  # type: ignore[no-untyped-def]
        for wire in range(3):
            qml.RY(0.3 + 0.4 * wire, wire)
        STEPS[name](w, x)
        qml.RX(0.9, 0)

    wanted = qml.matrix(step, wire_order=[0, 1, 2])(W, X)
    found = from_pennylane(step, weights=2, data=2).matrix(W, X)
    overlap = np.vdot(wanted, found) / len(found)
    assert abs(abs(overlap) - 1) < 1e-12
    np.testing.assert_allclose(found, wanted * overlap, atol=1e-12)


def test_angles_become_slots_and_labels_wires() -> None:
    def step(w, x):  # type: ignore[no-untyped-def]
        qml.RX(2 * w[1] * x[0] - w[0] / 4 + 0.1, wires="memory")
        qml.CNOT(wires=["memory", "in"])

    circuit = from_pennylane(step, weights=2, data=1, wires=["in", "memory"])
    w, x = qj.Weight, qj.Data
    slot = circuit.parameters[0]
    assert (slot.constant, set(slot.terms)) == (0.1, set((2 * w(1) * x(0) - 0.25 * w(0)).terms))
    assert circuit.operations[1] == qj.CNOT(1, 0)
    for wires in (None, ["in"]):
        with pytest.raises(ValueError, match=r"`wires` must .*\['in', 'memory'\]"):
            from_pennylane(step, weights=2, data=1, wires=wires)


def test_a_step_trains() -> None:
    @qml.qnode(qml.device("default.qubit"))
    def step(w, x):  # type: ignore[no-untyped-def]
        qml.RY(2 * x[0], wires=0)
        qml.CRX(w[0] * x[0] + 0.1, wires=[0, 1])
        qml.CNOT(wires=[1, 0])
        bit = qml.measure(0, reset=True)
        qml.RX(w[1], wires=1)
        return qml.expval(bit)

    w, x = qj.Weight, qj.Data
    circuit = from_pennylane(step, weights=2, data=1)
    assert circuit == qj.Circuit(2, (
        qj.RY(0, 2 * x(0)), qj.CRX(0, 1, w(0) * x(0) + 0.1), qj.CNOT(1, 0), qj.Read(), qj.Reset(0),
        qj.RX(1, w(1)),
    ))  # fmt: skip
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    xs, weights = jnp.array([[0.3], [1.1], [-0.8]]), jnp.array([0.9, -0.4])
    shift, exact = (
        jax.grad(lambda v, r=rule: jnp.sum(qj.run(cell, v, xs, gradient=r)))(weights)
        for rule in (qj.ParameterShift(), qj.Backprop())
    )
    np.testing.assert_allclose(shift, exact, atol=1e-5)
    assert np.abs(exact).min() > 1e-2


REFUSED = {
    "square": (lambda w, x: qml.RX(w[0] ** 2, 0), "affine in weights and data"),
    "two weights": (lambda w, x: qml.RX(w[0] * w[1], 0), "affine in weights and data"),
    "batch": (lambda w, x: qml.RX(w, 0), "single angles"),
    "sine": (lambda w, x: qml.RX(jnp.sin(x[0]), 0), "affine in weights and data"),
    "condition": (lambda w, x: qml.cond(qml.measure(0), qml.X)(1), "Conditional"),
    "post-selection": (lambda w, x: qml.measure(0, postselect=1), "post-selects"),
    "channel": (lambda w, x: qml.AmplitudeDamping(0.1, 0), "AmplitudeDamping"),
    "unused": (lambda w, x: qml.RX(w[1], 0), r"none depends on \[w0, x0\]"),
    "twice": (
        lambda w, x: (qml.measure(0), qml.RX(w[0] + w[1] + x[0], 0), qml.measure(0)),
        "`function` must be one step",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_such_form_is_refused(name: str) -> None:
    function, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        from_pennylane(function, weights=2, data=1)


def test_gates_must_not_depend_on_numbers() -> None:
    calls = []

    def step(w, x):  # type: ignore[no-untyped-def]
        calls.append(1)
        (qml.RX if len(calls) < 3 else qml.RY)(w[0], 0)

    with pytest.raises(ValueError, match="same gates for all numbers"):
        from_pennylane(step, weights=1)
