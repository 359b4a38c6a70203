"""The Braket adapter on its local simulator, against exact probabilities: the traps, one by one."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import BraketDevice
from qrnn_jax.hardware.qasm import template_text
from tests.hardware import canary, export_check
from tests.helpers import cell_inputs

pytest.importorskip(
    "braket.default_simulator",
    reason="needs the extra `braket` (amazon-braket-default-simulator)",
)

from braket.default_simulator.state_vector_simulator import StateVectorSimulator
from braket.ir.openqasm import Program

CASES = {**canary.GATES, **canary.MEASURED}
MODELS = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
    "viqueira": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
}


@pytest.mark.parametrize("name", CASES)
def test_every_gate_has_the_exact_probabilities(name: str) -> None:
    assert canary.p_value(BraketDevice(), name, CASES[name]) * len(CASES) > 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_outputs_of_the_papers_cells_are_those_of_the_density_matrix(name: str) -> None:
    cell = MODELS[name]
    params, xs = cell_inputs(cell, 3, steps=3)
    engine = qj.Device(qj.hardware.named("braket"), shots=1000)
    found = qj.simulate(cell, params, xs, engine=engine, key=jax.random.key(5))
    scores = (found.outputs - qj.run(cell, params, xs, engine=qj.DensityMatrix())) / found.stderr
    assert np.abs(scores).max() < 5
    assert (found.stderr < 0.04).all()


@pytest.mark.parametrize("name", export_check.CELLS)
def test_adjacent_steps_have_their_exact_joint_law(name: str) -> None:
    found = export_check.through_braket(name, steps=3, shots=1000)
    assert len(found) == 5
    assert min(found) * len(found) > 1e-3


def test_a_wrong_pair_is_noticed() -> None:
    """Right marginals, but no correlation."""
    exact = np.array([[[0.4, 0.1], [0.1, 0.4]]])
    coins = np.random.default_rng(0).integers(0, 2, (1000, 2, 1))
    assert min(export_check.p_values(coins, exact)) < 1e-9
    pair = np.random.default_rng(0).choice(4, 1000, p=exact.ravel())
    fine = np.stack([pair // 2, pair % 2], axis=1)[:, :, None]
    assert min(export_check.p_values(fine, exact)) > 1e-2


MINUS = qj.Circuit(2, (qj.RY(0, qj.Weight(0)), qj.CNOT(0, 1), qj.Reset(0), qj.Read(), qj.Reset(1)))


def play(text: str, angle: float) -> np.ndarray:
    program = Program(source=text, inputs={"a_0_0": angle})
    return np.array(StateVectorSimulator().run(program, shots=300).measurements, int)


def test_a_wire_is_measured_before_it_is_reset() -> None:
    """Without that the simulator adds up the amplitudes: cos(a/2) |00> + sin(a/2) |11>."""
    (template,) = qj.hardware.templates(qj.CircuitCell(MINUS, (qj.X(1),)), steps=1)
    text = template_text(template, dialect="braket")
    for angle in (np.pi / 2, -np.pi / 2):  # X of wire 1 is even: its partner was traced out
        assert abs(play(text, angle)[:, 0].mean() - 0.5) < 5 * 0.5 / np.sqrt(300)
    (measured,) = [line for line in text.splitlines() if line == "bits[1] = measure q[0];"]
    assert play(text.replace(measured, ""), np.pi / 2)[:, 0].mean() == 0  # the trap is there
    twice = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))  # just measured: not again
    (template,) = qj.hardware.templates(qj.CircuitCell(twice, (qj.Z(0),)), steps=3)
    assert template_text(template, dialect="braket").count("measure") == 3


def test_results_need_one_register() -> None:
    """Why the dialect has one: the standard text has a register for each step."""
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
    text = template_text(template).replace('include "stdgates.inc";', "")
    program = Program(source=text, inputs={"a_0_0": 1.0, "a_1_0": 1.0})
    with pytest.raises(ValueError, match="single classical register"):
        StateVectorSimulator().run(program, shots=10)


def test_seeds_decide_the_shots_and_their_order_says_nothing() -> None:
    circuit = qj.Circuit(1, (qj.H(0), qj.Reset(0)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
    rows, shots = np.zeros((2, 0)), 2000
    one, same, other = (
        BraketDevice().run(template, rows, shots, seed)[..., 0] for seed in (3, 3, 4)
    )
    assert (one == same).all()
    assert (one != other).any()
    parts = np.concatenate([one, other]).transpose(0, 2, 1).reshape(-1, shots) * 2.0 - 1
    correlation = np.corrcoef(parts) - np.eye(len(parts))
    assert np.abs(correlation).max() < 5 / np.sqrt(shots)
    for part in parts:  # sorted shots would all agree with their neighbours
        assert abs(part[1:] @ part[:-1]) < 5 * np.sqrt(shots)


def test_noise_is_refused() -> None:
    (template,) = qj.hardware.templates(canary.cell_of(canary.NOISE["BitFlip"]), steps=1)
    with pytest.raises(qj.hardware.DeviceError, match=r"\['kraus'\]"):
        qj.hardware.Queue(BraketDevice()).run(template, np.zeros((1, 13)), 10, key=(1,))


def test_only_the_bits_of_read_steps_come_back_with_prefixes() -> None:
    """The scratch bit of the reset stands behind them, and is no read."""
    circuit = qj.Circuit(2, (qj.Reset(0), qj.RX(0, 2.2), qj.RY(1, 0.3), qj.CNOT(0, 1)))
    cell, xs = qj.CircuitCell(circuit, (qj.Z(1),)), np.zeros((2, 0))
    engine = qj.Device(BraketDevice(), shots=1000)
    found = qj.simulate(cell, np.zeros(0), xs, engine=engine, prefixes=True, key=jax.random.key(1))
    exact = qj.run(cell, np.zeros(0), xs)
    np.testing.assert_allclose(exact[:, 0], [-0.562, 0.367], atol=1e-3)
    assert np.abs((found.outputs - exact) / found.stderr).max() < 4.5


def test_a_result_with_other_columns_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
    (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=2)
    answer = SimpleNamespace(measurements=[[0, 1, 1]] * 10)
    simulator = SimpleNamespace(run=lambda program, shots: answer)
    fake = lambda rng: simulator, lambda **given: None
    monkeypatch.setattr("qrnn_jax.hardware.braket_device._simulators", lambda: fake)
    with pytest.raises(qj.hardware.DeviceError, match=r"10 shots of 2 bits, but .* \(10, 3\)"):
        BraketDevice().run(template, np.zeros((1, 2)), 10, 1)
