"""Templates for PennyLane (extra `pennylane`): a function to call, or the text of a module."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from qrnn_jax.hardware.template import Instruction, Template

_CALLS = {"x": "PauliX", "y": "PauliY", "z": "PauliZ", "h": "Hadamard", "s": "S", "t": "T"}
_CALLS |= {"cx": "CNOT", "cz": "CZ", "swap": "SWAP", "rx": "RX", "ry": "RY", "rz": "RZ"}
_CALLS |= {"rxx": "IsingXX", "ryy": "IsingYY", "rzz": "IsingZZ"}
_NEEDED = '`to_pennylane` needs the package pennylane; try `pip install "qrnn_jax[pennylane]"`.'


class _Call(NamedTuple):
    """One instruction, its angle's place in a row of the table, and whether it resets, too."""

    step: int
    instruction: Instruction
    column: int | None
    reset: bool = False


def to_pennylane(template: Template) -> Callable[[Any], list[list[Any]]]:
    """A template as a quantum function of PennyLane: T steps unrolled.

    Equation: wire k is PennyLane's wire k; `bits[t][j]` is the mid-circuit measurement of the j-th
    measured wire at step t.

    Use it as a judge: its simulators and its own shift rule share nothing with ours. When PennyLane
    defers measurements it needs a wire for each; `mcm_method="tree-traversal"` does not.

    Arguments:
        template: from `templates(cell, steps)`.

    Returns:
        A function of one row of angles (T * K,), as from `hardware.angles`, to be called in a
        QNode; it returns a list of T lists of measurements, whose `qml.expval` may be returned.

    Raises:
        ValueError: noise.
        ImportError: the extra is not installed; when it is called.

    Example:
        >>> import qrnn_jax as qj
        >>> (template,) = qj.hardware.templates(qj.cells.Takaki(inputs=1, memory=1, depth=1), 2)
        >>> program = qj.hardware.to_pennylane(template)
        >>> def outputs(row):  # with the extra `pennylane`
        ...     import pennylane as qml
        ...     @qml.qnode(qml.device("default.qubit"))
        ...     def circuit(row):
        ...         return [qml.expval(bit) for step in program(row) for bit in step]
        ...     return circuit(row)

    Source: PennyLane's `measure(reset=True)`.
    """
    calls = list(_calls(template))

    def program(angles: Any) -> list[list[Any]]:
        try:
            import pennylane as qml
        except ImportError as error:
            raise ImportError(_NEEDED) from error
        bits: list[list[Any]] = [[None] * template.outputs for _ in range(template.steps)]
        for call in calls:
            _play(qml, call, angles, bits)
        return bits

    return program


def pennylane_module(template: Template, *, angles: np.ndarray | None = None) -> str:
    """The same as the text of a Python module that needs only NumPy and PennyLane.

    Equation: `program(angles)` of the module queues the circuit and returns `bits[t][j]`.

    Arguments:
        template: from `templates(cell, steps)`.
        angles: (T, K) or (T * K,), the row that is taken when none is given; or None.

    Raises:
        ValueError: noise; angles of another number.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=1)
        >>> for line in qj.hardware.pennylane_module(template).splitlines()[-4:]:
        ...     print(line.strip())
        bits = [[None] * 1 for _ in range(1)]
        qml.RX(angles[0], wires=[0])
        bits[0][0] = qml.measure(0, reset=False)
        return bits

    Source: PennyLane's `measure(reset=True)`.
    """
    lines = [_line(call) for call in _calls(template)]
    default = ""
    if angles is not None:
        row = np.asarray(angles, float).reshape(-1)
        if row.size != len(template.symbols) or not np.isfinite(row).all():
            raise ValueError(
                f"Argument `angles` must be {len(template.symbols)} finite numbers, but has "
                f"{row.size}, finite: {np.isfinite(row).all()}."
            )
        default = f"={row.tolist()!r}"
    head = _HEAD.format(symbols=" ".join(template.symbols), default=default)
    start = f"    bits = [[None] * {template.outputs} for _ in range({template.steps})]"
    return "\n".join([head + start, *lines, "    return bits", ""])


_HEAD = '''"""A recurrent circuit, unrolled: written by qrnn_jax, made to be read and changed.

    @qml.qnode(qml.device("default.qubit"))
    def outputs(angles):
        return [qml.expval(bit) for step in program(angles) for bit in step]
"""

import numpy as np
import pennylane as qml

SYMBOLS = "{symbols}".split()  # the places of `angles`


def program(angles{default}):
    """Queue all steps; bits[t][j] is the j-th measurement of step t."""
'''


def _calls(template: Template) -> Iterator[_Call]:
    """Every instruction; a measurement takes the reset that follows it along."""
    instructions = list(template.instructions())
    merged: set[int] = set()
    for place, (step, instruction) in enumerate(instructions):
        if place in merged:
            continue
        if instruction.name == "kraus" or any(instruction.flips):
            raise ValueError(
                "A circuit for PennyLane must be free of noise, but this one has noise; try the "
                "cell without it."
            )
        if instruction.when is not None:
            raise ValueError(
                "A circuit for PennyLane must be free of conditions, but recorded bits steer this "
                "one; try `to_openqasm3`, or the cell without its controller."
            )
        column = None
        if instruction.angle is not None:
            column = step * template.columns + instruction.angle.column
        follower = _follower(instructions, place) if instruction.name == "measure" else None
        merged |= {follower} if follower is not None else set()
        yield _Call(step, instruction, column, follower is not None)


def _follower(instructions: Sequence[tuple[int, Instruction]], place: int) -> int | None:
    """Where the next instruction on the measured wire is, if that is a reset."""
    wire = instructions[place][1].wires[0]
    for later in range(place + 1, len(instructions)):
        if wire in instructions[later][1].wires:
            return later if instructions[later][1].name == "reset" else None
    return None


def _play(qml: Any, call: _Call, angles: Any, bits: list[list[Any]]) -> None:
    name, wires = call.instruction.name, list(call.instruction.wires)
    if name == "reset":
        qml.measure(wires[0], reset=True)
    elif name == "measure":
        found = qml.measure(wires[0], reset=call.reset)
        if call.instruction.bit is not None:
            bits[call.step][call.instruction.bit] = found
    elif name == "unitary":
        qml.QubitUnitary(np.array(call.instruction.matrices[0]), wires=wires)
    elif name == "sdg":
        qml.adjoint(qml.S(wires))
    elif call.instruction.angle is not None:
        _, scale, offset = call.instruction.angle
        getattr(qml, _CALLS[name])(scale * angles[call.column] + offset, wires=wires)
    else:
        getattr(qml, _CALLS[name])(wires=wires)


def _line(call: _Call) -> str:
    name, wires = call.instruction.name, list(call.instruction.wires)
    if name == "reset":
        return f"    qml.measure({wires[0]}, reset=True)"
    if name == "measure":
        bit = call.instruction.bit
        target = "" if bit is None else f"bits[{call.step}][{bit}] = "
        return f"    {target}qml.measure({wires[0]}, reset={call.reset})"
    if name == "unitary":
        matrix = np.array(call.instruction.matrices[0]).tolist()
        return f"    qml.QubitUnitary(np.array({matrix!r}), wires={wires})"
    if name == "sdg":
        return f"    qml.adjoint(qml.S({wires}))"
    if call.instruction.angle is None:
        return f"    qml.{_CALLS[name]}(wires={wires})"
    _, scale, offset = call.instruction.angle
    value = f"angles[{call.column}]"
    value = value if scale == 1 else f"{scale!r} * {value}"
    value = value if not offset else f"{value} + {offset!r}"
    return f"    qml.{_CALLS[name]}({value}, wires={wires})"
