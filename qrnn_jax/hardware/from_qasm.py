"""OpenQASM 3 text read back: checked, and one step of it as a `Circuit`."""

from typing import Any

from qrnn_jax.circuit import Circuit, Reset
from qrnn_jax.hardware.expression import to_slot
from qrnn_jax.hardware.gates import NAMED
from qrnn_jax.hardware.one_step import Choice, Item, Measured, one_step, symbols_of
from qrnn_jax.hardware.program import read_program


def check_openqasm3(text: str) -> dict[str, Any]:
    """What a flat OpenQASM 3 program holds; anything else is refused, quickly.

    It reads what `to_openqasm3` writes and flat programs of others, without any other package, in
    time and memory in proportion to the text. So it may stand before a parser: a program that it
    passes has no loops, no conditions, no definitions, no foreign files and no oversized registers.

    Arguments:
        text: the program, ASCII, at most 512 KiB.

    Returns:
        `qubits`, `bits`, `inputs` (names), `operations` (name -> how often).

    Raises:
        ProgramError: with the line, and what is wrong there.

    Example:
        >>> import qrnn_jax as qj
        >>> text = qj.hardware.to_openqasm3(qj.cells.Takaki(inputs=1, memory=1, depth=1), steps=2)
        >>> found = qj.hardware.check_openqasm3(text)
        >>> found["qubits"], found["bits"], found["operations"]["measure"]
        (2, 2, 2)

    Source: Cross et al., ACM Trans. Quantum Comput. 3, 12 (2022), for the language.
    """
    program = read_program(text)
    operations: dict[str, int] = {}
    for statement in program.statements:
        operations[statement.name] = operations.get(statement.name, 0) + 1
    return {
        "qubits": program.count["qubit"],
        "bits": program.count["bit"],
        "inputs": list(program.inputs),
        "operations": operations,
    }


def from_openqasm3(text: str, *, data: Choice = (), weights: Choice | None = None) -> Circuit:
    """One step, given as a flat OpenQASM 3 program, as a `Circuit`.

    Equation: qubit k, counted over all registers, is wire k; up to a global phase.

    Arguments:
        text: the program, see `check_openqasm3`; angles affine in its inputs, products of a weight
            and a data value included.
        data: names of inputs, in the order of `Data(0)`, `Data(1)`, ..; or a function of a name.
        weights: the same for `Weight`; None for all that is no data, in the program's order.

    Returns:
        One step. Where the program measures, it is read: `Read()` where all measured wires are
        reset next, `Read(measure=True)` otherwise.

    Raises:
        ProgramError: no flat program.
        ValueError: a name that is no input; measurements at several points.
        TypeError: a product of two weights or of two data values.

    Example:
        >>> import qrnn_jax as qj
        >>> text = \"\"\"OPENQASM 3.0; include "stdgates.inc"; input float turn; input float drive;
        ... qubit[2] q; bit[1] c; ry(2 * drive) q[0]; crx(turn * drive + 0.1) q[0], q[1];
        ... c[0] = measure q[0]; reset q[0];\"\"\"
        >>> circuit = qj.hardware.from_openqasm3(text, data=["drive"])
        >>> circuit.operations[1], circuit.memory_wires
        (CRX(control=0, target=1, angle=w0*x0+0.1), (1,))

    Source: Cross et al., ACM Trans. Quantum Comput. 3, 12 (2022), for the language.
    """
    program = read_program(text)
    symbols = symbols_of(list(program.inputs), data, weights)
    items: list[Item] = []
    for statement in program.statements:
        if statement.name == "measure":
            items.append(Measured(statement.qubits[0]))
        elif statement.name == "reset":
            items.append(Reset(statement.qubits[0]))
        else:
            angles = [to_slot(angle, symbols) for angle in statement.angles]
            items.extend(NAMED[statement.name].build(*statement.qubits, *angles))
    return one_step(program.count["qubit"], items, "text")
