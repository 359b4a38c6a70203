"""A reader of flat OpenQASM 3 programs that is safe to give any text.

It needs no other package, takes time and memory in proportion to the text, of at most 512 KiB, and
raises nothing but `ProgramError`. It knows what `to_openqasm3` writes and what a flat program by
others holds: declarations of qubits, bits and real inputs, gates of the standard library,
measurements, resets and barriers. Loops, conditions, definitions, modifiers and other files are
refused by name: a few words of them can keep a parser busy for ever.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, final

from qrnn_jax.hardware.errors import ProgramError
from qrnn_jax.hardware.expression import CONSTANTS, Polynomial, parse
from qrnn_jax.hardware.gates import NAMED, STANDARD
from qrnn_jax.hardware.statements import MAX_STATEMENT, statements_of

MAX_QUBITS = 1000
MAX_BITS = 100_000
MAX_OPERATIONS = 50_000

_WORD = re.compile(r"#?[A-Za-z_]\w{0,63}")
_VERSION = re.compile(r"OPENQASM\s+3(?:\.[0-9])?")
_INCLUDE = re.compile(r"include\s+(?:\"([^\"]*)\"|'([^']*)')")
_INPUT = re.compile(r"input\s+(?:float|angle)\s*(?:\[\s*[0-9]{1,4}\s*\])?\s+([A-Za-z_]\w{0,63})")
_DECLARATION = re.compile(r"(qubit|bit)\s*(?:\[\s*([0-9]{1,12})\s*\])?\s+([A-Za-z_]\w{0,63})")
_OPERAND = re.compile(r"([A-Za-z_]\w{0,63})\s*(?:\[\s*([0-9]{1,12})\s*\])?")
_GATE = re.compile(r"([A-Za-z_]\w{0,63})(?:\s*\((.*)\))?\s*([A-Za-z_][^()]*)", re.DOTALL)
_FLOW = ("for", "while", "if", "else", "switch", "break", "continue", "end")
_MORE = ("gate", "def", "defcal", "extern", "cal", "box", "let", "const", "ctrl", "negctrl", "inv")


class Statement(NamedTuple):
    """A gate, `measure` or `reset`.

    Arguments:
        name: of the gate, or `measure`, or `reset`.
        qubits: what it acts on.
        angles: of a gate.
        line: where it begins in the text.
    """

    name: str
    qubits: tuple[int, ...]
    angles: tuple[Polynomial, ...]
    line: int


@final
@dataclass
class Program:
    """What a program holds.

    Arguments:
        inputs: names, in order.
        registers: of `qubit`s and of `bit`s: name -> (first, size).
        count: all declared `qubit`s and `bit`s.
        statements: in order.
    """

    inputs: dict[str, None] = field(default_factory=dict)
    registers: dict[str, dict[str, tuple[int, int]]] = field(
        default_factory=lambda: {"qubit": {}, "bit": {}}
    )
    count: dict[str, int] = field(default_factory=lambda: {"qubit": 0, "bit": 0})
    statements: list[Statement] = field(default_factory=list)
    angles: dict[str, Polynomial] = field(default_factory=dict)  # by their text: often the same


def read_program(text: str) -> Program:
    """A flat program, checked.

    Arguments:
        text: OpenQASM 3, ASCII, at most 512 KiB.

    Raises:
        ProgramError: with the line, whatever is wrong.
    """
    program, line = Program(), 0
    statements = statements_of(text)
    try:
        for number, (line, statement) in enumerate(statements):
            _read(program, statement, line, is_first=number == 0)
    except ProgramError as error:
        raise ProgramError(f"Line {line} {error}.") from None
    if not program.count["qubit"]:
        raise ProgramError('A program must declare qubits, but has none; try "qubit[2] q;".')
    return program


def _read(program: Program, text: str, line: int, *, is_first: bool) -> None:
    """One statement."""
    if len(text) > MAX_STATEMENT:
        raise ProgramError(f"must have at most {MAX_STATEMENT} characters, but has more")
    if is_first:
        if not _VERSION.fullmatch(text):
            raise ProgramError(f'must be "OPENQASM 3.0;", but is {text[:40]!r}')
        return
    found = _WORD.match(text)
    word = found.group() if found else ""
    if "{" in text or "}" in text or word in _FLOW or word in _MORE:
        kind = "loops and conditions" if word in _FLOW else "definitions, blocks and modifiers"
        raise ProgramError(
            f"must be a declaration, gate, measurement or reset, but begins with {text[:20]!r}: "
            f"{kind} are not read; try unrolling them"
        )
    if word == "include":
        _include(text)
    elif word == "input":
        _input(program, text)
    elif word in ("qubit", "bit"):
        _declare(program, text)
    else:
        program.statements += _acts(program, text, word, line)
        if len(program.statements) > MAX_OPERATIONS:
            raise ProgramError(f"must be one of {MAX_OPERATIONS} operations, but there are more")


def _include(text: str) -> None:
    found = _INCLUDE.fullmatch(text)
    if found is None or (found[1] or found[2]) != "stdgates.inc":
        raise ProgramError(f'must include nothing but "stdgates.inc", but is {text[:60]!r}')


def _input(program: Program, text: str) -> None:
    found = _INPUT.fullmatch(text)
    if found is None:
        raise ProgramError(f'must be an input as "input float[64] a;", but is {text[:60]!r}')
    _check_new(program, found[1])
    program.inputs[found[1]] = None


def _declare(program: Program, text: str) -> None:
    found = _DECLARATION.fullmatch(text)
    if found is None:
        raise ProgramError(f'must declare as "qubit[2] q;" does, but is {text[:60]!r}')
    kind, size, name = found[1], int(found[2] or 1), found[3]
    _check_new(program, name)
    first, most = program.count[kind], MAX_QUBITS if kind == "qubit" else MAX_BITS
    if not 1 <= size <= most - first:
        raise ProgramError(
            f"must declare 1 .. {most} {kind}s in all, but declares {size} after {first}"
        )
    program.registers[kind][name] = first, size
    program.count[kind] += size


def _check_new(program: Program, name: str) -> None:
    registers = program.registers
    if (
        name in registers["qubit"]
        or name in registers["bit"]
        or name in program.inputs
        or name in STANDARD
        or name in CONSTANTS
    ):
        raise ProgramError(f"must declare a new name, but {name!r} is taken")


def _acts(program: Program, text: str, word: str, line: int) -> Iterator[Statement]:
    """Gates, measurements, resets, on single qubits or on whole registers."""
    if word == "measure" or "=" in text or "->" in text:
        for qubit in _measured(program, text):
            yield Statement("measure", (qubit,), (), line)
    elif word == "reset":
        for qubit in _operand(program.registers["qubit"], text[5:]):
            yield Statement("reset", (qubit,), (), line)
    elif word == "barrier":
        for operand in text[7:].split(",") if text[7:].strip() else ():
            _operand(program.registers["qubit"], operand)
    else:
        yield from _gate(program, text, line)


def _measured(program: Program, text: str) -> range:
    """The qubits of a measurement, whose bits are checked."""
    arrow = re.fullmatch(r"measure\s(.*?)(?:->(.*))?", text, re.DOTALL)
    assigned = re.fullmatch(r"(.*?)=\s*measure\s(.*)", text, re.DOTALL)
    source, target = (arrow[1], arrow[2]) if arrow else (None, None)
    if assigned:
        source, target = assigned[2], assigned[1]
    if source is None:
        raise ProgramError(f'must be a measurement as "c[0] = measure q[0];", but is {text[:60]!r}')
    qubits = _operand(program.registers["qubit"], source)
    bits = qubits if target is None else _operand(program.registers["bit"], target)
    if len(bits) != len(qubits):
        raise ProgramError(f"must have a bit for every qubit, but has {len(bits)}:{len(qubits)}")
    return qubits


def _operand(known: dict[str, tuple[int, int]], text: str) -> range:
    """The places that `q[3]` or `q` names."""
    found = _OPERAND.fullmatch(text.strip())
    if found is None or found[1] not in known:
        raise ProgramError(f"must name declared registers, but names {text.strip()[:40]!r}")
    first, size = known[found[1]]
    if found[2] is None:
        return range(first, first + size)
    if int(found[2]) >= size:
        raise ProgramError(f"must stay in its register of {size}, but names {found.group()!r}")
    return range(first + int(found[2]), first + int(found[2]) + 1)


def _angle(program: Program, text: str) -> Polynomial:
    if text not in program.angles:
        program.angles[text] = parse(text, program.inputs)
    return program.angles[text]


def _gate(program: Program, text: str, line: int) -> Iterator[Statement]:
    found = _GATE.fullmatch(text)
    if found is None or found[1] not in STANDARD:
        raise ProgramError(f"must be a known gate, but is {text[:40]!r}")
    known = NAMED[found[1]]
    parts = found[2].split(",") if found[2] is not None else ()
    angles = tuple(_angle(program, part) for part in parts)
    operands = [_operand(program.registers["qubit"], part) for part in found[3].split(",")]
    if len(angles) != known.angles or len(operands) != known.wires:
        raise ProgramError(
            f"must give `{found[1]}` {known.angles} angles and {known.wires} qubits, but gives "
            f"{len(angles)} and {len(operands)}"
        )
    if any(len(operand) != 1 for operand in operands) and known.wires > 1:
        raise ProgramError("must name single qubits of larger gates, but names registers")
    for qubit in operands[0]:
        qubits = (qubit, *(operand[0] for operand in operands[1:]))
        if len(set(qubits)) != len(qubits):
            raise ProgramError(f"must act on distinct qubits, but acts on {found[3][:40]!r}")
        yield Statement(found[1], qubits, angles, line)
