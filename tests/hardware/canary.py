"""Every gate and channel of the library in a circuit that shows it: for all devices alike."""

import numpy as np
from scipy import stats

import qrnn_jax as qj
from qrnn_jax.hardware.jobs import seed_from
from tests import oracle
from tests.helpers import random_isometry

W = qj.Weight
WEIGHTS = np.array([0.9, -0.7, 1.7])
RNG = np.random.default_rng(11)
SHOTS = 10_000

GATES: dict[str, tuple] = {
    **{name: (getattr(qj, name)(1),) for name in ("X", "Y", "Z", "H", "S", "T")},
    **{name: (getattr(qj, name)(2, 0),) for name in ("CNOT", "CZ", "SWAP")},
    **{name: (getattr(qj, name)(1, 2 * W(0) + 0.3),) for name in ("RX", "RY", "RZ")},
    **{name: (getattr(qj, name)(2, 0, W(0)),) for name in ("RXX", "RYY", "RZZ")},
    **{name: (getattr(qj, name)(2, 0, W(0)),) for name in ("CRX", "CRY", "CRZ")},
    "U3": (qj.U3(1, W(0), W(1), W(2)),),
    "Unitary": (qj.Unitary((2, 0), random_isometry(RNG, 4, 4)),),
    "Evolution": (qj.Evolution(0.4 * qj.X(1) + 0.7 * (qj.Z(0) @ qj.Y(1)), W(0)),),
    "Evolution, commuting": (
        qj.Evolution(0.4 * (qj.X(0) @ qj.X(2)) - 0.9 * (qj.Z(0) @ qj.Y(1) @ qj.Z(2)), W(0)),
    ),
    "Flip": (qj.Flip(1, 1.0),),
    "Controlled": (qj.Controlled(qj.RY(2, W(0)), (1, 0)),),
    "Controlled, fixed": (qj.Controlled(qj.S(2), (0,)),),
    "If": (qj.Measure(0, to=3), qj.If(3, qj.RX(1, W(0))), qj.If(3, qj.X(2), value=0)),
    "If, U3": (qj.Measure(0, to=3, basis="Y"), qj.If(3, qj.U3(1, W(0), W(1), W(2)))),
}
MEASURED: dict[str, tuple] = {
    "Reset": (qj.Reset(1),),
    **{f"Measure {letter}": (qj.Measure(1, basis=letter),) for letter in "XYZ"},
    **{f"Measure {letter}, kept": (qj.Measure(1, to=3, basis=letter),) for letter in "XYZ"},
}
NOISE: dict[str, tuple] = {
    "Depolarizing": (qj.Depolarizing(1, 0.3),),
    "BitFlip": (qj.BitFlip(1, 0.3),),
    "AmplitudeDamping": (qj.AmplitudeDamping(1, 0.6),),
    "PhaseDamping": (qj.PhaseDamping(1, 0.6),),
    "Kraus": (qj.Kraus((2, 0), random_isometry(RNG, 12, 4).reshape(3, 4, 4)),),
    "ReadoutError": (qj.ReadoutError(0, 0.3, 0.1), qj.ReadoutError(2, 0.0, 0.25)),
}
REFUSED: dict[str, tuple] = {
    "UnitaryNeuron": (qj.UnitaryNeuron((0,), 1, (W(0), W(1))),),
    "Neuron": (qj.Neuron((0,), 1, (W(0), W(1))),),
    "Postselect": (qj.Postselect(1),),
    "AngleNoise": (qj.AngleNoise(qj.RX(1, W(0)), 0.1),),
    "BitFlip of a weight": (qj.BitFlip(1, W(0)),),
}


def cell_of(operations: tuple) -> qj.CircuitCell:
    """The operations between two layers of turns, so that phases count, on wires of their own."""
    first = [gate(w, 0.9 + 0.4 * w) for w in range(3) for gate in (qj.RY, qj.RZ)]
    last = [gate(w, 1.3 - 0.3 * w) for w in range(3) for gate in (qj.RX, qj.RY)]
    errors = [op for op in operations if isinstance(op, qj.ReadoutError)]
    rest = [op for op in operations if op not in errors]
    bits = any(isinstance(op, qj.Measure) and op.to is not None for op in operations)
    wires = 4 if bits else 3
    resets = [qj.Reset(wire) for wire in range(wires)]
    circuit = qj.Circuit(wires, [*errors, *first, *rest, *last, qj.Read(), *resets])
    return qj.CircuitCell(circuit, (qj.Probabilities(tuple(range(wires))),))


def exact(operations: tuple) -> np.ndarray:
    """The probabilities of all outcomes, by dense matrices."""
    cell = cell_of(operations)
    weights = WEIGHTS[: cell.circuit.weight_count]
    return oracle.run(cell.circuit, cell.observables, weights, np.zeros((1, 0)))[0][0]


def seen(device: qj.hardware.AbstractDevice, name: str, operations: tuple) -> np.ndarray:
    """How often a device returns each outcome."""
    cell = cell_of(operations)
    weights = WEIGHTS[: cell.circuit.weight_count]
    (template,) = qj.hardware.templates(cell, steps=1)
    row = [oracle.value(slot, weights, np.zeros(0)) for slot in cell.circuit.parameters]
    seed = seed_from(tuple(name.encode()))
    shots = min(SHOTS, device.capabilities.max_shots)
    bits = device.run(template, np.array([row], float), shots, seed)[0, :, 0]
    outcomes = bits @ (1 << np.arange(bits.shape[-1])[::-1])
    return np.bincount(outcomes, minlength=2 ** bits.shape[-1])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation: the largest difference in the chance of any event."""
    return float(np.abs(one / one.sum() - other / other.sum()).sum() / 2)


def p_value(device: qj.hardware.AbstractDevice, name: str, operations: tuple) -> float:
    """How likely counts as far from the exact probabilities as the device's are."""
    counts, chances = seen(device, name, operations), exact(operations)
    possible = chances > 1e-12
    assert not counts[~possible].any(), "an impossible outcome"
    wanted = chances[possible] * counts.sum()
    return float(stats.chisquare(counts[possible], wanted * counts.sum() / wanted.sum()).pvalue)
