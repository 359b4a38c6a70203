"""What a backend really plays: a transpiled circuit of Qiskit in words of our own."""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

_TURNS = ("rx", "ry", "rz", "rxx", "ryy", "rzz")
_SILENT = ("barrier",)
_AFFINE = 1e-9


class Affine(NamedTuple):
    """offset + sum of coefficient * symbol, symbols by their place in `Template.symbols`."""

    offset: float
    terms: tuple[tuple[int, float], ...]


@final
@dataclass(frozen=True)
class Played:
    """One instruction on physical qubits.

    Arguments:
        name: as the backend calls it.
        qubits: in the instruction's order.
        angle: of a turn.
        matrix: of any other gate, first qubit most significant.
        seconds: of a delay.
        target: (step, bit) that a measurement writes; None for scratch.
    """

    name: str
    qubits: tuple[int, ...]
    angle: Affine | None = None
    matrix: np.ndarray | None = None
    seconds: float = 0.0
    target: tuple[int, int] | None = None


def played(circuit: Any, symbols: tuple[str, ...], tick: float | None) -> tuple[Played, ...]:
    """The instructions of a transpiled circuit, in order.

    Arguments:
        circuit: a `QuantumCircuit` from `to_qiskit`, transpiled for a backend.
        symbols: the template's.
        tick: seconds of the backend's unit of time; None where it has none.

    Raises:
        ValueError: an instruction that has no such form.
    """
    place = {name: column for column, name in enumerate(symbols)}
    number = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    found = []
    for entry in circuit.data:
        operation = entry.operation
        qubits = tuple(number[qubit] for qubit in entry.qubits)
        if operation.name == "measure":
            target = _target(circuit, entry.clbits[0])
            found.append(Played("measure", qubits, target=target))
        elif operation.name == "delay":
            found.append(Played("delay", qubits, seconds=_seconds(operation, tick)))
        elif operation.name not in _SILENT:
            found.append(_gate(operation, qubits, place))
    return tuple(found)


def _gate(operation: Any, qubits: tuple[int, ...], place: dict[str, int]) -> Played:
    if operation.name == "reset":
        return Played("reset", qubits)
    if operation.name in _TURNS:
        return Played(operation.name, qubits, _affine(operation.params[0], place))
    try:
        matrix = np.asarray(operation.to_matrix(), complex)
    except Exception as error:
        raise ValueError(
            "A twin must know every gate that the device plays, but does not know "
            f"{operation.name!r} on qubits {qubits}; try another backend."
        ) from error
    count = len(qubits)
    axes = [*range(count)[::-1], *range(count, 2 * count)[::-1]]  # Qiskit's first is the lowest
    turned = matrix.reshape([2] * (2 * count)).transpose(axes).reshape(matrix.shape)
    return Played(operation.name, qubits, matrix=turned)


def _target(circuit: Any, bit: Any) -> tuple[int, int] | None:
    """(step, bit) of a classical bit: registers are called y0, y1, .., and scratch."""
    register, index = circuit.find_bit(bit).registers[0]
    return (int(register.name[1:]), index) if register.name[1:].isdigit() else None


def _seconds(operation: Any, tick: float | None) -> float:
    if operation.unit == "dt":
        if tick is None:
            raise ValueError("A twin must know how long a delay takes, but the backend has no dt.")
        return float(operation.duration) * tick
    return float(operation.duration) * {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[operation.unit]


def _affine(angle: Any, place: dict[str, int]) -> Affine:
    """Values at 0 and at the unit vectors; a third point shows whether it is affine."""
    names = sorted(getattr(angle, "parameters", ()), key=lambda symbol: place[symbol.name])
    if not names:
        return Affine(float(angle), ())

    def at(values: np.ndarray) -> float:
        return float(angle.bind(dict(zip(names, values.tolist()))))

    offset = at(np.zeros(len(names)))
    slopes = [at(row) - offset for row in np.eye(len(names))]
    probe = 0.7 + 1.3 * np.arange(len(names))
    if not abs(at(probe) - offset - probe @ slopes) < _AFFINE:
        raise ValueError(f"A twin must have angles affine in the symbols, but one is {angle}.")
    return Affine(offset, tuple((place[s.name], slope) for s, slope in zip(names, slopes)))
