"""OpenQASM 3 text: its form here, its meaning by another team's importer where there is one."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import to_openqasm3
from qrnn_jax.setup import measurement_settings
from tests import oracle
from tests.hardware import canary, export_check
from tests.helpers import random_isometry

VIQUEIRA = qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1)
PLAIN = {**canary.GATES, **canary.MEASURED}
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


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(ValueError, match="free of noise"):
        to_openqasm3(canary.cell_of(canary.NOISE["Depolarizing"]), steps=1)
    wide = qj.cells.Takaki(inputs=2, memory=3, depth=1)
    with pytest.raises(ValueError, match="constant matrix on 5 wires"):
        to_openqasm3(wide, steps=1)
    assert "braket unitary" in to_openqasm3(wide, steps=1, dialect="braket")
    with pytest.raises(ValueError, match=r"`setting` must be one of 0 \.\. 0"):
        to_openqasm3(canary.cell_of(canary.GATES["X"]), steps=1, setting=1)


def test_angles_are_the_tape_and_nothing_of_its_size() -> None:
    params, xs = VIQUEIRA.init(jax.random.key(0)), np.zeros((3, 1))
    tape = qj.hardware.angles(VIQUEIRA, params, xs)
    whole = to_openqasm3(VIQUEIRA, 3, angles=tape)
    assert to_openqasm3(VIQUEIRA, 3, angles=tape.ravel()) == whole
    for wrong in (tape.T, tape[None], tape[:2], tape[:, :-1]):
        with pytest.raises(ValueError, match=r"`angles` must have shape \(3, \d+\) or \(\d+,\)"):
            to_openqasm3(VIQUEIRA, 3, angles=wrong)
    with pytest.raises(ValueError, match="`angles` must be finite"):
        to_openqasm3(VIQUEIRA, 3, angles=np.nan * tape)


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


@pytest.mark.parametrize("name", export_check.CELLS)
def test_steps_come_back_through_the_importer(name: str) -> None:
    """Every adjacent pair of outcomes: exact, symbols open until they are read."""
    pytest.importorskip("qiskit_qasm3_import", reason="needs qiskit-qasm3-import")
    assert export_check.step_error(name) < 1e-12
    assert export_check.through_qiskit(name, steps=3) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", export_check.CELLS)
def test_twenty_steps_pass_through_both_importers(name: str) -> None:
    """Recorded in docs/results/hardware/export.json."""
    pytest.importorskip("qiskit_qasm3_import", reason="needs qiskit-qasm3-import")
    pytest.importorskip("braket.default_simulator", reason="needs the extra `braket`")
    assert export_check.through_qiskit(name, steps=20) < 1e-12
    found = export_check.through_braket(name, steps=20, shots=400)
    assert len(found) == 39
    assert min(found) * len(found) > 1e-3


def test_the_committed_result_is_within_its_bounds() -> None:
    path = Path(__file__).parents[2] / "docs" / "results" / "hardware" / "export.json"
    found = json.loads(path.read_text())
    assert found["steps"] == 20
    assert set(found["cells"]) == set(export_check.CELLS)
    for cell in found["cells"].values():
        assert max(cell["qiskit_step_error"], cell["qiskit_pair_error"]) < 1e-12
        assert cell["braket_smallest_p"] * cell["braket_p_values"] > 1e-3
