"""OpenQASM 3 text: its form here, its meaning by another team's importer where there is one."""

import re

import jax
import numpy as np
import pytest
from scipy import stats

import qrnn_jax as qj
from qrnn_jax.hardware import to_openqasm3
from qrnn_jax.setup import measurement_settings
from tests import oracle
from tests.hardware import canary
from tests.helpers import cell_inputs, random_isometry

VIQUEIRA = qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1)
PLAIN = {
    name: operations
    for name, operations in {**canary.GATES, **canary.MEASURED}.items()
    if name not in ("Unitary", "Evolution", "Controlled", "Controlled, fixed", "If", "If, U3")
}
ONE_WIRE = {
    "U": (qj.Unitary((1,), random_isometry(np.random.default_rng(5), 2, 2)),),
    "U, flip": (qj.Unitary((1,), np.array([[0, np.exp(0.4j)], [np.exp(-1.1j), 0]])),),
    "U, phase": (qj.Unitary((1,), np.diag(np.exp([0.3j, 1.5j]))),),
}


def test_programs_are_flat_and_use_plain_words() -> None:
    text = to_openqasm3(VIQUEIRA, steps=4)
    assert text.count("measure") == 4 * len(measurement_settings(VIQUEIRA)[1][0].outcomes.word)
    words = set(re.findall(r"^(\w+)", text, re.MULTILINE))
    assert words <= {"OPENQASM", "include", "input", "qubit", "bit", "reset", *canary_words()}
    (template,) = qj.hardware.templates(VIQUEIRA, steps=4)
    inputs = re.findall(r"input float\[64\] (\w+);", text)
    assert set(inputs) <= set(template.symbols)
    assert len(inputs) == len(set(inputs))


def canary_words() -> set[str]:
    return {"rx", "ry", "rz", "cx", "h", "s", "sdg", "t", "x", "y", "z", "cz", "swap", "U"} | {
        f"y_{t}" for t in range(4)
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [("Unitary", "constant matrix on 2 wires"), ("Depolarizing", "free of noise")],
)
def test_what_has_no_plain_form_is_refused(name: str, message: str) -> None:
    cell = canary.cell_of({**canary.GATES, **canary.NOISE}[name])
    with pytest.raises(ValueError, match=message):
        to_openqasm3(cell, steps=1)
    with pytest.raises(ValueError, match=r"`setting` must be one of 0 \.\. 0"):
        to_openqasm3(canary.cell_of(canary.GATES["X"]), steps=1, setting=1)


@pytest.mark.parametrize("name", [*PLAIN, *ONE_WIRE])
def test_programs_mean_what_the_circuit_means(name: str) -> None:
    """Read back by Qiskit and simulated there: the probabilities of the oracle."""
    pytest.importorskip("qiskit_qasm3_import", reason="needs qiskit-qasm3-import")
    from qiskit import qasm3
    from qiskit.quantum_info import DensityMatrix, Operator

    cell = canary.cell_of({**PLAIN, **ONE_WIRE}[name])
    weights = canary.WEIGHTS[: cell.circuit.weight_count]
    row = [oracle.value(slot, weights, np.zeros(0)) for slot in cell.circuit.parameters]
    circuit = qasm3.loads(to_openqasm3(cell, steps=1))
    named = {parameter: row[int(parameter.name.split("_")[2])] for parameter in circuit.parameters}
    state = DensityMatrix.from_label("0" * cell.circuit.wires)
    for item in circuit.assign_parameters(named).data:
        wires = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name == "measure":
            zero, one = (Operator(np.diag(p)) for p in ([1.0, 0.0], [0.0, 1.0]))
            state = state.evolve(zero, wires) + state.evolve(one, wires)
        elif item.operation.name == "reset":
            state = state.reset(wires)
        else:
            state = state.evolve(Operator(item.operation), wires)
    found = state.probabilities(list(range(cell.circuit.wires))[::-1])
    exact, _ = oracle.run(cell.circuit, cell.observables, weights, np.zeros((1, 0)))
    assert np.abs(found - exact[0]).max() < 1e-12


def test_twenty_steps_keep_their_marginals_through_the_importer() -> None:
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    pytest.importorskip("qiskit_qasm3_import", reason="needs qiskit-qasm3-import")
    from qiskit import qasm3
    from qiskit_aer.primitives import SamplerV2

    params, xs = cell_inputs(VIQUEIRA, 3, steps=20)
    circuit = qasm3.loads(to_openqasm3(VIQUEIRA, steps=20))
    data = jax.vmap(lambda x: VIQUEIRA.data(params, x))(xs)
    weights = np.asarray(VIQUEIRA.weights(params))
    row = {}
    for parameter in circuit.parameters:
        _, step, column = parameter.name.split("_")
        slot = VIQUEIRA.circuit.parameters[int(column)]
        row[parameter] = oracle.value(slot, weights, np.asarray(data)[int(step)])
    circuit = circuit.assign_parameters(row)
    result = SamplerV2(seed=987654321).run([circuit], shots=2048).result()[0].data
    bits = np.stack([result[f"y_{t}"].array[:, 0] & 1 for t in range(20)], axis=1)
    (template,) = qj.hardware.templates(VIQUEIRA, steps=20)
    rows = [
        [oracle.value(slot, weights, np.asarray(x)) for slot in VIQUEIRA.circuit.parameters]
        for x in data
    ]
    table = np.array(rows, float).reshape(1, -1)
    ours = qj.hardware.LocalDevice().run(template, table, 8000, seed=4)[0, :, :, 0]
    for step in range(19):
        pairs = [2 * b[:, step] + b[:, step + 1] for b in (bits, ours)]
        counts = np.array([np.bincount(pair, minlength=4) for pair in pairs])
        counts = counts[:, counts.sum(axis=0) > 10]
        assert stats.chi2_contingency(counts).pvalue * 19 > 1e-3
