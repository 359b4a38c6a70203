"""What a backend says about its errors, as plain numbers, and as our channels."""

import math
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from qrnn_jax.circuit import NoiseProfile
from qrnn_jax.hardware import channels

Qubits = tuple[int, ...]


@final
@dataclass(frozen=True)
class Gate:
    """The calibration of one gate on some qubits.

    Arguments:
        name: as the backend calls it.
        qubits: in the gate's order.
        error: 1 - average gate fidelity, relaxation included; 0 where the backend says nothing.
        seconds: its duration.
    """

    name: str
    qubits: Qubits
    error: float
    seconds: float


@final
@dataclass(frozen=True)
class Qubit:
    """The calibration of one qubit.

    Arguments:
        t1: seconds; infinite where unknown.
        t2: seconds, at most 2 t1.
        flips: P(read 1 | true 0) and P(read 0 | true 1).
        seconds: what its read-out takes.
    """

    t1: float
    t2: float
    flips: tuple[float, float]
    seconds: float


@final
@dataclass(frozen=True)
class Calibration:
    """A device in numbers: gate errors and durations, T1, T2, read-out errors.

    Equation: behind a gate of error e and duration t on n qubits stand depolarising noise of
    parameter p and, on each of its qubits, relaxation for t:

        p = d (e - r) / (d (1 - r) - 1),  d = 2^n,  r = 1 - average fidelity of the relaxation
        amplitude damping 1 - exp(-t / T1), then phase damping 1 - exp(t / T1 - 2 t / T2)

    so that the whole has the error e. A wait of t is relaxation alone, at zero temperature.

    Arguments:
        gates: one `Gate` for each gate and its qubits.
        qubits: one `Qubit` for each qubit.

    Example:
        >>> from qrnn_jax.hardware.calibration import Calibration, Gate, Qubit
        >>> qubit = Qubit(t1=1e-4, t2=1e-4, flips=(0.01, 0.03), seconds=5e-6)
        >>> device = Calibration((Gate("sx", (0,), 5e-4, 4e-8),), (qubit,))
        >>> device.channel("sx", (0,)).shape  # Kraus matrices
        (4, 2, 2)
        >>> round(device.profile(("sx",)).readout, 6)
        0.02

    Source: Nielsen, Phys. Lett. A 303, 249 (2002), for the average fidelity of a channel.
    """

    gates: tuple[Gate, ...]
    qubits: tuple[Qubit, ...]

    def gate(self, name: str, qubits: Qubits) -> Gate:
        """The calibration of a gate; without errors where the backend says nothing."""
        for gate in self.gates:
            if (gate.name, gate.qubits) == (name, qubits):
                return gate
        return Gate(name, qubits, 0.0, 0.0)

    def channel(self, name: str, qubits: Qubits) -> np.ndarray:
        """The Kraus matrices (m, d, d) behind a gate.

        Arguments:
            name: as the backend calls it.
            qubits: the device's; the first one is most significant.
        """
        gate = self.gate(name, qubits)
        waits = channels.side_by_side([self.wait(qubit, gate.seconds) for qubit in qubits])
        mixed = channels.depolarising(self.depolarising(gate), len(qubits))
        return channels.composed(mixed, waits)

    def wait(self, qubit: int, seconds: float) -> np.ndarray:
        """The Kraus matrices (m, 2, 2) of a qubit that waits."""
        return channels.shortest(channels.relaxation(*relaxation(self.qubits[qubit], seconds)))

    def depolarising(self, gate: Gate) -> float:
        """p of rho -> (1-p) rho + p Tr(rho) 1/d behind a gate; 0 where relaxation explains all."""
        size = 2 ** len(gate.qubits)
        overlap = 1.0  # |Tr K_0|^2 + ..: the entanglement fidelity of the relaxation
        for qubit in gate.qubits:
            damping, dephasing = relaxation(self.qubits[qubit], gate.seconds)
            kept = math.sqrt((1 - damping) * (1 - dephasing))
            overlap *= (2 - damping + 2 * kept) / 4
        fidelity = (size * overlap + 1) / (size + 1)
        error = min(gate.error, size / (size + 1))
        if error <= 1 - fidelity:
            return 0.0
        return min(size * (error - 1 + fidelity) / (size * fidelity - 1), size**2 / (size**2 - 1))

    def without_readout(self) -> "Calibration":
        """The same device with perfect read-outs: what mitigated counts should be."""
        qubits = tuple(replace(qubit, flips=(0.0, 0.0)) for qubit in self.qubits)
        return replace(self, qubits=qubits)

    def profile(self, names: tuple[str, ...] | None = None) -> NoiseProfile:
        """The means of all numbers as a profile for `cells.Noisy`: for training under noise.

        A rotation of the cell is taken as two gates on one qubit, a gate on two wires as one gate
        on two; the memory waits once per step for a read-out. Gates of error 1 are broken and left
        out. What a transpiler adds is not in it: for counts of one circuit use `twin`.

        Arguments:
            names: the device's gate on one qubit and, if any, the one on two, such as
                `("sx", "ecr")`; None takes all gates on one and on two qubits, but for those that
                take neither time nor errors.

        Raises:
            ValueError: a name of which the device has no working gate on so many qubits.
        """
        kinds = [_named(self, names, wires) for wires in (1, 2)]
        losses = [float(np.mean([_loss(gate) for gate in kind] or [0])) for kind in kinds]
        waits = [relaxation(qubit, qubit.seconds) for qubit in self.qubits]
        damping, dephasing = np.mean(waits, axis=0)
        return NoiseProfile(
            gate1=2 * losses[0],
            gate2=losses[1],
            idle=float(damping),
            dephasing=float(dephasing),
            readout=float(np.mean([qubit.flips for qubit in self.qubits])),
        )


def relaxation(qubit: Qubit, seconds: float) -> tuple[float, float]:
    """Strengths of amplitude and phase damping after some time."""
    decay, dephase = seconds / qubit.t1, seconds / qubit.t2
    return -math.expm1(-decay), max(0.0, -math.expm1(decay - 2 * dephase))


def calibration(backend: Any) -> Calibration:
    """Read a backend of Qiskit.

    Arguments:
        backend: a `BackendV2`, such as `snapshot("fake_manila")`.

    Returns:
        Its numbers; what it does not say counts as no error.

    Example:
        >>> import qrnn_jax as qj
        >>> def read():  # with the extra `qiskit`
        ...     return qj.hardware.calibration(qj.hardware.snapshot("fake_manila"))

    Source: Qiskit's `Target`.
    """
    target = backend.target
    gates = []
    for name in target.operation_names:
        if name in ("measure", "delay"):
            continue
        for qubits, said in dict(target[name] or {}).items():
            if qubits is not None and said is not None:
                error = 0.0 if name == "reset" else float(said.error or 0)
                gates.append(Gate(name, tuple(qubits), error, float(said.duration or 0)))
    count = range(target.num_qubits)
    return Calibration(tuple(gates), tuple(_qubit(target, place) for place in count))


def _qubit(target: Any, place: int) -> Qubit:
    known = target.qubit_properties
    said = known[place] if known else None
    t1 = getattr(said, "t1", None) or math.inf
    t2 = min(getattr(said, "t2", None) or math.inf, 2 * t1)
    read = target["measure"].get((place,)) if "measure" in target.operation_names else None
    error = getattr(read, "error", None) or 0.0
    flips = (
        float(getattr(read, "prob_meas1_prep0", error)),
        float(getattr(read, "prob_meas0_prep1", error)),
    )
    return Qubit(float(t1), float(t2), flips, float(getattr(read, "duration", None) or 0))


def _named(device: Calibration, names: tuple[str, ...] | None, wires: int) -> list[Gate]:
    """The working gates on so many qubits that a profile is the mean of."""
    gates = [gate for gate in device.gates if len(gate.qubits) == wires and gate.error < 1]
    if names is None:
        return [g for g in gates if g.name != "reset" and (g.error > 0 or g.seconds > 0)]
    if len(names) < wires:
        return []
    found = [gate for gate in gates if gate.name == names[wires - 1]]
    if not found:
        known = sorted({gate.name for gate in gates})
        raise ValueError(
            f"Argument `names` must name a gate of the device on {wires} qubits, but names "
            f"{names[wires - 1]!r}, of which none works; try one of {known}."
        )
    return found


def _loss(gate: Gate) -> float:
    """The error of a gate as a Pauli error of each of its qubits."""
    size = 2 ** len(gate.qubits)
    error = min(gate.error * (size + 1) / size, 1 - 1e-9)  # of all Pauli words
    return 1 - (1 - error) ** (1 / len(gate.qubits))
