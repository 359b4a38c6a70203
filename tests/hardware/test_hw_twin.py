"""Noise twins: the channels, the cutting at read-outs, and counts of noisy Aer beside them."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import LinearMitigation, Queue, calibrated, channels
from qrnn_jax.hardware.calibration import Calibration, Gate, Qubit
from qrnn_jax.hardware.sections import sections_of
from qrnn_jax.hardware.transpiled import Affine, Played
from tests.hardware.own_noise import (
    CELLS,
    READOUT,
    RESET,
    Model,
    bare,
    noisy_aer,
    noisy_cell,
    z_scores,
)
from tests.helpers import cell_inputs

KEY = jax.random.key(12)
SHOTS = 4096
FLIPS = (0.1, 0.3)
PERFECT = Qubit(np.inf, np.inf, (0.0, 0.0), 0.0)
DEVICE = Calibration(
    (Gate("sx", (0,), 2e-3, 4e-8), Gate("cx", (0, 1), 2e-2, 4e-7), Gate("cx", (1, 0), 1e-5, 4e-7)),
    (Qubit(1e-4, 6e-5, (0.02, 0.05), 5e-6), Qubit(2e-5, 4e-5, (0.0, 0.1), 5e-6)),
)
CELL = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=1)


def fidelity(kraus: np.ndarray) -> float:
    """Average gate fidelity of a channel with the identity."""
    size = kraus.shape[-1]
    entangled = np.sum(np.abs(np.trace(kraus, axis1=1, axis2=2)) ** 2)
    return float((entangled + size) / (size**2 + size))


def test_a_gate_has_the_stated_error_relaxation_included() -> None:
    assert fidelity(DEVICE.channel("sx", (0,))) == pytest.approx(1 - 2e-3, abs=1e-12)
    assert fidelity(DEVICE.channel("cx", (0, 1))) == pytest.approx(1 - 2e-2, abs=1e-12)
    waits = channels.side_by_side([DEVICE.wait(q, 4e-7) for q in (1, 0)])
    assert fidelity(waits) < 1 - 1e-5  # relaxation alone is worse than stated: nothing is added
    assert fidelity(DEVICE.channel("cx", (1, 0))) == pytest.approx(fidelity(waits), abs=1e-12)
    np.testing.assert_allclose(DEVICE.channel("rz", (0,)), np.eye(2)[None] * 1, atol=1e-12)


def test_a_waiting_qubit_decays_with_t1_and_t2() -> None:
    rho = np.full((2, 2), 0.5)
    for qubit, seconds in ((0, 3e-5), (1, 1e-5)):
        kraus = DEVICE.wait(qubit, seconds)
        found = np.einsum("aij,jk,alk->il", kraus, rho, kraus.conj())
        t1, t2 = DEVICE.qubits[qubit].t1, DEVICE.qubits[qubit].t2
        assert found[1, 1] == pytest.approx(0.5 * np.exp(-seconds / t1))
        assert found[0, 1] == pytest.approx(0.5 * np.exp(-seconds / t2))


def test_channels_of_several_wires_keep_their_order() -> None:
    """Wire 0 is most significant: relaxation of qubit 1 alone acts on the last index."""
    kraus = channels.side_by_side([np.eye(2)[None], DEVICE.wait(1, 1e-5)])
    rho = np.diag([0, 0.5, 0, 0.5])  # |01> and |11>
    found = np.einsum("aij,jk,alk->il", kraus, rho, kraus.conj()).real
    decayed = 0.5 * (1 - np.exp(-0.5))
    np.testing.assert_allclose(np.diag(found), [decayed, 0.5 - decayed] * 2)


def test_the_profile_holds_the_means() -> None:
    """gate1: two sx, Pauli error 3/2 of the infidelity; gate2: per wire, 5/4 of it for both."""
    found = DEVICE.profile()
    assert found.gate1 == pytest.approx(2 * 1.5 * 2e-3)
    both = 1 - (1 - found.gate2) ** 2
    assert both == pytest.approx(np.mean([1.25 * 2e-2, 1.25 * 1e-5]), rel=0.01)
    assert found.readout == pytest.approx(np.mean([0.02, 0.05, 0.0, 0.1]))
    assert found.idle == pytest.approx(np.mean([1 - np.exp(-0.05), 1 - np.exp(-0.25)]))


def hand_made(late: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two qubits, 7 and 3, two steps; whether something stands in between the two read-outs."""
    x, half = np.array([[0, 1], [1, 0]], complex), 0.25
    swap = np.eye(4, dtype=complex)[[0, 2, 1, 3]]
    between = (Played("swap", (7, 3), matrix=swap),) if late else ()
    one = (
        Played("rx", (7,), Affine(0.1, ((0, 2.0),))),
        Played("measure", (7,), target=(0, 0)),
        *between,
        Played("measure", (3,), target=(0, 1)),
        Played("reset", (7,)),
    )
    two = (
        Played("x", (7,), matrix=x),
        Played("ry", (3,), Affine(0.0, ((1, half),))),
        Played("measure", (3,), target=(1, 1)),
        Played("measure", (7,), target=(1, 0)),
    )
    qubits = [PERFECT] * 8
    qubits[7] = Qubit(np.inf, np.inf, FLIPS, 0.0)
    gates = Gate("x", (7,), 0.1, 0.0), Gate("ry", (3,), 0.05, 0.0)
    device = Calibration(gates, tuple(qubits))
    pieces = sections_of((*one, *two), device, steps=2, bits=2)
    assert [piece.qubits for piece in pieces] == [(7, 3), (7, 3)]
    tape, carry, found = np.array([0.4, 2.0]), None, []
    for piece in pieces:
        data = tape[list(piece.columns)][None]
        result = qj.simulate(piece.cell, jnp.zeros(0), data, carry=carry, engine=qj.DensityMatrix())
        found.append(np.asarray(result.outputs[0]))
        carry = result.carry
    return found[0], found[1]


def test_pieces_are_cut_at_read_outs_that_stand_apart() -> None:
    """By hand: P(7 reads 1) = sin^2(0.45); swapped behind it, the other reads the same.

    Errors of 0.1 and 0.05 are depolarising noise that flips with 0.1 and 0.05.
    """
    p, q = np.sin(0.45) ** 2, np.sin(0.25) ** 2
    p01, p10 = FLIPS  # of qubit 7, the first bit
    errors = np.kron([[1 - p01, p10], [p01, 1 - p10]], np.eye(2))
    for late in (False, True):
        first, second = hand_made(late)
        np.testing.assert_allclose(first, errors @ [1 - p, 0, p * (not late), p * late], atol=1e-6)
        one = p * (1 - q) + (1 - p) * q if late else q  # of qubit 3
        one = 0.95 * one + 0.05 * (1 - one)
        np.testing.assert_allclose(second, errors @ np.kron([0.1, 0.9], [1 - one, one]), atol=1e-6)


def test_steps_whose_read_outs_mix_are_refused() -> None:
    reads = [Played("measure", (q,), target=t) for q, t in ((0, (1, 0)), (1, (0, 0)))]
    with pytest.raises(ValueError, match="read-outs of step 0 before any later one"):
        sections_of(reads, Calibration((), (PERFECT, PERFECT)), steps=2, bits=1)


def test_a_profile_takes_the_gates_that_the_device_has() -> None:
    gates = (
        Gate("sx", (0,), 2e-3, 4e-8),
        Gate("rz", (0,), 0.0, 0.0),  # a change of frame
        Gate("reset", (0,), 0.0, 1e-6),
        Gate("ecr", (0, 1), 2e-2, 4e-7),
        Gate("ecr", (1, 0), 1.0, 4e-7),  # broken
    )
    device = Calibration(gates, DEVICE.qubits)
    found = device.profile()
    assert found == device.profile(("sx", "ecr"))
    assert found.gate1 == pytest.approx(2 * 1.5 * 2e-3)
    assert 1 - (1 - found.gate2) ** 2 == pytest.approx(1.25 * 2e-2)
    assert device.profile(("sx",)).gate2 == 0
    with pytest.raises(ValueError, match=r"on 2 qubits, but names 'cx'.*try one of \['ecr'\]"):
        device.profile(("sx", "cx"))
    with pytest.raises(ValueError, match="on 1 qubits, but names 'ecr'"):
        device.profile(("ecr", "sx"))


@pytest.mark.parametrize("name", ["fake_sherbrooke", "fake_torino"])
def test_snapshots_without_cx_have_errors_on_two_wires(name: str) -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    found = qj.hardware.calibration(qj.hardware.snapshot(name)).profile()
    assert 1e-3 < found.gate2 < 0.05
    assert 1e-4 < found.gate1 < 0.05


def test_a_loop_under_a_controller_has_no_twin() -> None:
    loop = qj.FeedbackCell(CELL, qj.Perceptron(1, 1, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`cell` must be a cell without a controller"):
        qj.hardware.twin(loop, qj.hardware.LocalDevice(), 2)  # type: ignore[arg-type]


def test_a_device_without_a_backend_has_no_twin() -> None:
    with pytest.raises(TypeError, match="must be a device with a backend"):
        qj.hardware.twin(CELL, qj.hardware.LocalDevice(), 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"scheduled": True}, {"layout": (2, 1)}])
def test_only_circuits_for_a_backend_are_scheduled_or_placed(options: dict) -> None:
    with pytest.raises(ValueError, match="`scheduled` and `layout` must come with `backend`"):
        qj.hardware.QiskitDevice(lambda seed: None, **options)


def manila() -> qj.hardware.QiskitDevice:
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    device = qj.hardware.named("aer", "fake_manila")
    assert isinstance(device, qj.hardware.QiskitDevice)
    return device


def test_our_channels_are_those_of_aers_model() -> None:
    device = manila()
    from qiskit.quantum_info import SuperOp
    from qiskit_aer.noise import NoiseModel, thermal_relaxation_error

    model = NoiseModel.from_backend(qj.hardware.snapshot("fake_manila"))
    compared = 0
    for name, errors in model._local_quantum_errors.items():
        for qubits, error in errors.items():
            kraus = device.calibration.channel(name, qubits)
            if len(qubits) == 2:  # Qiskit's first qubit is the lowest
                kraus = reversed_wires(kraus)
            ours, theirs = SuperOp(sum(np.kron(k.conj(), k) for k in kraus)), SuperOp(error)
            np.testing.assert_allclose(ours.data, theirs.data, atol=1e-9)
            compared += 1
    assert compared >= 28  # sx, x, id, reset on 5 qubits, cx on 8 pairs
    for qubit, numbers in enumerate(device.calibration.qubits):
        wait = SuperOp(thermal_relaxation_error(numbers.t1, numbers.t2, 1e-5))
        ours = sum(np.kron(k.conj(), k) for k in device.calibration.wait(qubit, 1e-5))
        np.testing.assert_allclose(ours, wait.data, atol=1e-9)
        flips = np.array(model._local_readout_errors[(qubit,)].probabilities)
        np.testing.assert_allclose(numbers.flips, [flips[0, 1], flips[1, 0]])


def reversed_wires(kraus: np.ndarray) -> np.ndarray:
    """The first wire least significant."""
    return kraus.reshape(-1, 2, 2, 2, 2).transpose(0, 2, 1, 4, 3).reshape(-1, 4, 4)


def test_counts_of_a_snapshot_are_those_of_its_twin() -> None:
    device, cell = manila(), CELL
    params, xs = cell_inputs(cell, 5, steps=2)
    twin = qj.hardware.twin(cell, device, steps=2)
    inputs = params, xs
    assert np.abs(z_scores(cell, device, twin(*inputs), inputs, 2048, KEY)).max() < 5
    ideal = qj.run(cell, *inputs)
    assert np.abs(z_scores(cell, device, ideal, inputs, 2048, KEY)).max() > 6
    with pytest.raises(ValueError, match="must have the twin's 2 steps, but has 3"):
        twin(params, jnp.zeros((3, 1)))


def test_memories_decay_while_others_are_read() -> None:
    """|1> in the memory, a read-out of the other wire at every step: the waits are in the circuit.

    Without delays in the circuit Aer lets nothing decay, and neither does the twin.
    """
    device = manila()
    flip = (qj.Flip(1, qj.Data(0)), qj.CNOT(1, 0), qj.Read(), qj.Reset(0))
    cell = qj.CircuitCell(qj.Circuit(2, flip), qj.Z(0))
    xs, steps = jnp.array([[1.0], [0.0], [0.0]]), 3
    (template,) = qj.hardware.templates(cell, steps)
    delays = [i.seconds for i in device.played(template) if i.name == "delay"]
    assert max(delays) > 5e-6  # a read-out
    predicted = qj.hardware.twin(cell, device, steps)(jnp.zeros(0), xs)
    from qiskit_aer.primitives import SamplerV2

    at_once = qj.hardware.QiskitDevice(
        lambda seed: SamplerV2(seed=seed), backend=qj.hardware.snapshot("fake_manila")
    )
    without = qj.hardware.twin(cell, at_once, steps)(jnp.zeros(0), xs)
    assert predicted[2, 0] > without[2, 0] + 0.1  # decayed towards |0>
    inputs = jnp.zeros(0), xs
    assert np.abs(z_scores(cell, device, predicted, inputs, 2048, KEY)).max() < 5
    assert np.abs(z_scores(cell, device, without, inputs, 2048, KEY)).max() > 6


@pytest.mark.parametrize("name", CELLS)
def test_counts_under_our_own_noise_model_are_those_of_the_noisy_cell(name: str) -> None:
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    model = CELLS[name][1]
    cell, *inputs = bare(CELLS[name][0], *cell_inputs(CELLS[name][0], 5, steps=3))
    expected = qj.run(noisy_cell(cell, model), *inputs, engine=qj.DensityMatrix())
    device, ideal = noisy_aer(model), qj.run(cell, *inputs)
    assert np.abs(z_scores(cell, device, expected, inputs, SHOTS, KEY)).max() < 5
    assert np.abs(z_scores(cell, device, ideal, inputs, SHOTS, KEY)).max() > 6


def test_aers_parameter_is_four_thirds_of_ours() -> None:
    """Six gates that do nothing but depolarise: (1 - 4p/3)^6, then a reset that fails at times."""
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    gates = [qj.RX(0, qj.Weight(index)) for index in range(6)]
    cell, model = qj.CircuitCell(qj.Circuit(1, (*gates, qj.Reset(0))), qj.Z(0)), Model({"rx": 0.1})
    inputs = jnp.zeros(6), jnp.zeros((2, 0))
    kept, (p01, p10) = (1 - 0.4 / 3) ** 6, READOUT
    by_hand = [(1 - p01 - p10) * z * kept + p10 - p01 for z in (1, 1 - 2 * RESET)]
    expected = qj.run(noisy_cell(cell, model), *inputs)
    np.testing.assert_allclose(expected[:, 0], by_hand, atol=1e-6)
    assert np.abs(z_scores(cell, noisy_aer(model), expected, inputs, SHOTS, KEY)).max() < 5
    unscaled = noisy_aer(model, factor=1.0)
    assert np.abs(z_scores(cell, unscaled, expected, inputs, SHOTS, KEY)).max() > 5


def test_read_out_errors_of_a_snapshot_are_measured_where_the_cell_reads() -> None:
    device, cell = manila().pinned((2, 1)), CELL  # not where a transpiler would put it
    inputs = cell_inputs(cell, 5, steps=2)
    found = calibrated(device, cell, steps=2, shots=4096)
    stated = LinearMitigation.of_backend(device)
    assert [place for place, _, _ in found.flips] == [2]
    for place, p01, p10 in found.flips:
        numbers = device.calibration.qubits[place]
        spread = np.sqrt(np.array(numbers.flips) / 4096)
        assert np.abs((np.array([p01, p10]) - numbers.flips) / spread).max() < 5
    twin = qj.hardware.twin(cell, device, 2, calibration=device.calibration.without_readout())
    for mitigation in (found, stated):
        found_z = z_scores(cell, device, twin(*inputs), inputs, 2048, KEY, mitigation)
        assert np.abs(found_z).max() < 5


def test_a_calibration_is_paid_once_and_known_after_a_restart(tmp_path: Path) -> None:
    """Played by the queue itself: its journal, its budget, its memory."""
    device, played = manila(), []
    for _ in range(2):  # a process, and another one
        queue = Queue(device, budget=2 * 100, journal=tmp_path)
        played += [calibrated(queue, CELL, steps=1, shots=100).flips for _ in range(2)]
        assert (queue.spent, queue.left, queue.jobs) == (200, 0, 1)
    assert len(set(played)) == 1
    with pytest.raises(qj.hardware.BudgetError, match="only 0 are left"):
        calibrated(queue, CELL, steps=1, shots=100, key=1)


def test_another_qubit_is_another_calibration() -> None:
    queues = [Queue(manila().pinned(layout)) for layout in ((2, 1), (3, 4))]
    found = [calibrated(queue, CELL, steps=1, shots=500).flips[0] for queue in queues]
    assert [place for place, _, _ in found] == [2, 3]
    (template,) = qj.hardware.templates(CELL, steps=1)
    queue, rows = Queue(manila()), np.zeros((1, len(template.symbols)))
    for layout in ((2, 1), (3, 4), (2, 1)):
        queue.run(template, rows, 20, key=(1,), layout=layout)
    assert queue.jobs == 2


def test_a_queue_stands_for_the_device_behind_it() -> None:
    device = manila()
    queue = Queue(device)
    assert LinearMitigation.of_backend(queue) == LinearMitigation.of_backend(device)
    inputs = cell_inputs(CELL, 5, steps=2)
    one, other = (qj.hardware.twin(CELL, played, 2)(*inputs) for played in (queue, device))
    np.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError, match="must be a device with a backend"):
        qj.hardware.twin(CELL, Queue(qj.hardware.LocalDevice()), 2)
