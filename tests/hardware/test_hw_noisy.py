"""Gates on a noisy device: near the exact probabilities, where no wrong gate could be."""

import pytest

import qrnn_jax as qj
from tests.hardware import canary

pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit` (qiskit-ibm-runtime)")

NEAR, FAR = 0.15, 0.3  # total variation: what noise and 2048 shots may do, what a wrong gate does
CASES = {**canary.GATES, **canary.MEASURED}
W = qj.Weight
WRONG: dict[str, tuple] = {  # the control, the sense or the basis confused, or the gate left out
    "S": (qj.Z(1),),
    "CNOT": (qj.CNOT(0, 2),),
    "SWAP": (qj.CNOT(2, 0),),
    "RZ": (qj.RZ(1, -2 * W(0) - 0.3),),
    "RXX": (qj.RXX(2, 0, -W(0)),),
    "RYY": (qj.RYY(2, 0, -W(0)),),
    "RZZ": (qj.RZZ(2, 0, -W(0)),),
    "CRZ": (qj.CRZ(2, 0, -W(0)),),
    "Unitary": (),
    "Evolution": (),
    "Evolution, commuting": (),
    "Flip": (),
    "Measure X": (qj.Measure(1, basis="Y"),),
}
DEEP = {"Controlled"}  # 78 CNOTs on this line of qubits


def noisy(name: str) -> float:
    """How far the counts of Aer with a real device's noise are from the exact probabilities."""
    device = qj.hardware.named("aer", "fake_manila")
    return canary.distance(canary.seen(device, name, CASES[name]), canary.exact(CASES[name]))


@pytest.mark.parametrize("name", WRONG)
def test_a_noisy_gate_is_near_itself_and_a_wrong_one_would_be_far(name: str) -> None:
    assert canary.distance(canary.exact(CASES[name]), canary.exact(WRONG[name])) > FAR
    assert 0.01 < noisy(name) < NEAR


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in DEEP])
def test_every_gate_is_near_its_exact_probabilities(name: str) -> None:
    assert noisy(name) < NEAR


def test_noise_is_felt_where_there_are_many_gates() -> None:
    assert NEAR < noisy("Controlled") < 2 * NEAR
