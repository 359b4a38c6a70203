"""Noise profiles: numbers about a device that turn a circuit into its noisy twin."""

from dataclasses import dataclass, fields
from typing import final

from qrnn_jax.circuit.channels import (
    AbstractStrengthChannel,
    AmplitudeDamping,
    BitFlip,
    Depolarizing,
    PhaseDamping,
    Reset,
)
from qrnn_jax.circuit.circuit import Circuit
from qrnn_jax.circuit.measure import Measure
from qrnn_jax.circuit.operation import AbstractGate, AbstractOperation
from qrnn_jax.circuit.read import Read
from qrnn_jax.circuit.readout_error import ReadoutError, check_probability

_PRESETS: dict[str, dict[str, float]] = {
    "laboratory": {"gate1": 0.002, "gate2": 0.002, "damping": 0.005, "readout": 0.02},
}


@final
@dataclass(frozen=True, kw_only=True)
class NoiseProfile:
    """What a device does besides the circuit, as seven probabilities; all are 0 by default.

    Equation: a step E becomes E' = (idle, imperfect resets) o read o (damping, dephasing) o (gates,
    each followed by depolarising noise).

    No strength depends on an angle, so every gradient rule that is exact for the circuit is exact
    for its twin. For noise that grows with the angle use `AngleNoise`; for noise that differs from
    wire to wire write the channels into the circuit. Wires that hold a recorded bit are classical:
    only its recording can fail.

    Arguments:
        gate1: `Depolarizing` behind each gate on one wire. A gate under `If` counts without its
            bits, and its noise strikes in both branches: the pulse's time passes either way.
        gate2: `Depolarizing` behind each gate on two wires or more, on each of its wires.
        damping: `AmplitudeDamping` of every wire once per step, just before the read-out.
        dephasing: `PhaseDamping` of every wire, at the same place.
        idle: `AmplitudeDamping` just behind the read-out, of the wires that the step does not
            reset at its end: they wait while the others are read.
        reset: `BitFlip` behind each `Reset`: it leaves |1> with this probability. The wire then no
            longer ends in a reset, so the engine carries it as memory: the state grows.
        readout: at most 1/2; `ReadoutError` of every wire that has none yet, and `BitFlip` behind
            each recorded outcome.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RX(0, qj.Data(0)), qj.CNOT(0, 1), qj.Reset(0)))
        >>> qj.NoiseProfile(gate2=0.01, readout=0.02).noisy(circuit).count()
        {'Depolarizing': 2, 'ReadoutError': 2, 'RX': 1, 'CNOT': 1, 'Read': 1, 'Reset': 1}

    Source: Nielsen and Chuang, section 8.3, for the channels.
    """

    gate1: float = 0.0
    gate2: float = 0.0
    damping: float = 0.0
    dephasing: float = 0.0
    idle: float = 0.0
    reset: float = 0.0
    readout: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            most = 0.5 if field.name == "readout" else 1.0
            check_probability(getattr(self, field.name), field.name, most)
            object.__setattr__(self, field.name, float(getattr(self, field.name)))

    @staticmethod
    def preset(name: str) -> "NoiseProfile":
        """A profile by name.

        "laboratory" is the mild noise of this library's gradient experiments: depolarising 0.002
        per gate, damping 0.005 per step, 2 percent read-out error. It describes no machine.

        Arguments:
            name: "laboratory".

        Returns:
            The profile.

        Raises:
            ValueError: unknown name.

        Example:
            >>> import qrnn_jax as qj
            >>> qj.NoiseProfile.preset("laboratory").readout
            0.02
        """
        if name not in _PRESETS:
            raise ValueError(
                f"Argument `name` must be one of {sorted(_PRESETS)}, but is {name!r}; "
                "try `NoiseProfile(gate1=..., readout=...)` with numbers of your own."
            )
        return NoiseProfile(**_PRESETS[name])

    def scaled(self, factor: float) -> "NoiseProfile":
        """The profile with every number multiplied by `factor`: for sweeps and extrapolation.

        Arguments:
            factor: 0 or more.

        Returns:
            A profile.

        Raises:
            ValueError: a number leaves its range.

        Example:
            >>> import qrnn_jax as qj
            >>> qj.NoiseProfile(damping=0.01, readout=0.02).scaled(2.0).readout
            0.04
        """
        return NoiseProfile(**{f.name: factor * getattr(self, f.name) for f in fields(self)})

    def noisy(self, circuit: Circuit) -> Circuit:
        """The noisy twin of a step.

        Arguments:
            circuit: the step; its own channels, `AngleNoise` included, stay as they are.

        Returns:
            A circuit with the same weights, data and operations in the same order, and channels in
            between; the read-out is written out where it was implied. The tape has further
            columns for the channels' strengths; those of the gates keep their order.

        Raises:
            ValueError: the step acts on modes.

        Example:
            >>> import qrnn_jax as qj
            >>> circuit = qj.Circuit(1, (qj.H(0), qj.Reset(0)))
            >>> print(qj.NoiseProfile(gate1=0.01, reset=0.02).noisy(circuit).draw())
            0: ─H─Depolarizing(0.01)─┤Read├─|0⟩─BitFlip(0.02)─
        """
        if circuit.is_modes:
            raise ValueError(
                "A noise profile must meet a circuit on qubits, but this one acts on modes; "
                "try `Loss` in the circuit."
            )
        operations: list[AbstractOperation] = []
        for index, operation in enumerate([*circuit.operations, None]):
            if index == circuit.read_index:
                operations += self._around_read(circuit, operation)
            if operation is not None and not isinstance(operation, Read):
                operations += [operation, *self._after(circuit, operation)]
        return Circuit(circuit.wires, operations)

    def _around_read(
        self, circuit: Circuit, operation: AbstractOperation | None
    ) -> list[AbstractOperation]:
        quantum = [wire for wire in range(circuit.wires) if wire not in circuit.bit_wires]
        waiting = [wire for wire in circuit.memory_wires if wire in quantum]
        silent = [wire for wire in quantum if wire not in circuit.readout_errors]
        read = operation if isinstance(operation, Read) else Read()
        errors = [ReadoutError(wire, self.readout) for wire in silent if self.readout]
        return [
            *_on(AmplitudeDamping, quantum, self.damping),
            *_on(PhaseDamping, quantum, self.dephasing),
            *errors,
            read,
            *_on(AmplitudeDamping, waiting, self.idle),
        ]

    def _after(self, circuit: Circuit, operation: AbstractOperation) -> list[AbstractOperation]:
        wires = [wire for wire in operation.wires if wire not in circuit.bit_wires]
        if isinstance(operation, AbstractGate):
            return _on(Depolarizing, wires, self.gate1 if len(wires) == 1 else self.gate2)
        if isinstance(operation, Reset):
            return _on(BitFlip, wires, self.reset)
        if isinstance(operation, Measure) and operation.to is not None:
            return _on(BitFlip, [operation.to], self.readout)
        return []


def _on(
    channel: type[AbstractStrengthChannel], wires: list[int], strength: float
) -> list[AbstractOperation]:
    """A channel on each wire; none at all where the strength is 0."""
    return [channel(wire, strength) for wire in wires] if strength else []  # type: ignore[call-arg]
