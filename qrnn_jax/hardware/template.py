"""The circuit as a device gets it: unrolled over T, one symbol per gate occurrence, plain gates.

A template knows no vendor. Its instructions are few, so that every adapter can be complete:

    x y z h s sdg t cx cz swap        fixed gates; the first wire of cx is the control
    rx ry rz rxx ryy rzz              exp(-i angle P / 2), angle affine in one symbol
    unitary                           a constant matrix, first wire most significant
    reset measure                     measure writes a bit of its step's register, or a scratch bit
    kraus                             a constant channel: for simulators
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

FIXED = ("x", "y", "z", "h", "s", "sdg", "t", "cx", "cz", "swap")
ROTATIONS = ("rx", "ry", "rz", "rxx", "ryy", "rzz")
READOUT_ERROR = "readout error"  # what a device must offer to flip outcomes
CONDITION = "if"  # what it must offer to play a turn for some outcomes only


class Angle(NamedTuple):
    """scale * symbol + offset, the symbol of this step's tape column.

    Example:
        >>> from qrnn_jax import hardware
        >>> hardware.Angle(3, scale=0.5)  # half the symbol a_t_3 of step t
        Angle(column=3, scale=0.5, offset=0.0)
    """

    column: int
    scale: float = 1.0
    offset: float = 0.0


def reversed_bits(number: int, count: int) -> int:
    """A register's number for languages whose bit 0 is the least significant."""
    return sum((number >> place & 1) << (count - 1 - place) for place in range(count))


@final
@dataclass(frozen=True)
class Instruction:
    """One instruction of one step.

    Arguments:
        name: see the module's text.
        wires: what it acts on.
        angle: of a rotation.
        data: the complex128 bytes of a `unitary` (d, d) or a `kraus` (m, d, d).
        bit: the place in the step's register that a `measure` writes; None for the scratch bit.
        flips: P(1 | true 0) and P(0 | true 1) of a `measure`.
        when: the number that the register of the step before must hold for this turn to be played,
            its first bit most significant; None: always.

    Example:
        >>> from qrnn_jax import hardware
        >>> hardware.Instruction("cx", (0, 1)).name
        'cx'
    """

    name: str
    wires: tuple[int, ...]
    angle: Angle | None = None
    data: bytes = b""
    bit: int | None = None
    flips: tuple[float, float] = (0.0, 0.0)
    when: int | None = None

    @cached_property
    def matrices(self) -> np.ndarray:
        """`data` as (m, d, d); m = 1 for a `unitary`."""
        size = 2 ** len(self.wires)
        return np.frombuffer(self.data, complex).reshape(-1, size, size)


@final
@dataclass(frozen=True)
class Template:
    """T steps of one circuit with one measurement setting, ready for a device.

    Equation: the value of symbol (t, k) is the entry [t, k] of the occurrence tape; a row of angles
    is the tape, row by row. Wire k is qubit k. Measuring step t writes the register y_t, whose bit
    j belongs to the j-th of `measured`.

    Arguments:
        wires: number of qubits.
        steps: T.
        columns: K, the parameters of one step.
        measured: ((wire, letter), ...), the outputs of every step.
        before: the instructions of a step up to its read-out, measurements included.
        after: what follows; the last step does without, because nothing is read behind it.
        unread: where only the last step is read, all instructions of the steps before it; None
            where every step is read.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> (template,) = qj.hardware.templates(qj.CircuitCell(circuit, (qj.Z(0),)), steps=3)
        >>> template.symbols, template.count()
        (('a_0_0', 'a_1_0', 'a_2_0'), {'rx': 3, 'measure': 3, 'reset': 2})
    """

    wires: int
    steps: int
    columns: int
    measured: tuple[tuple[int, str], ...]
    before: tuple[Instruction, ...]
    after: tuple[Instruction, ...]
    unread: tuple[Instruction, ...] | None = None

    @property
    def outputs(self) -> int:
        """Bits per step."""
        return len(self.measured)

    @property
    def read_steps(self) -> range:
        """The steps that are read; the bits of others are 0."""
        return range(0 if self.unread is None else self.steps - 1, self.steps)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The names of the columns of a table of angles: plain words, so no exporter renames."""
        return tuple(f"a_{t}_{k}" for t in range(self.steps) for k in range(self.columns))

    def instructions(self) -> Iterator[tuple[int, Instruction]]:
        """(step, instruction) of the whole run, in order. Before the first step, 0 was read."""
        early = self.before + self.after if self.unread is None else self.unread
        for step in range(self.steps):
            for instruction in self.before if step == self.steps - 1 else early:
                if step or instruction.when is None:
                    yield step, instruction
                elif instruction.when == 0:
                    yield step, replace(instruction, when=None)

    def count(self) -> dict[str, int]:
        """How often each instruction occurs in the whole run."""
        found: dict[str, int] = {}
        for _, instruction in self.instructions():
            found[instruction.name] = found.get(instruction.name, 0) + 1
        return found

    @cached_property
    def needs(self) -> frozenset[str]:
        """The names of all instructions, `readout error` where outcomes are flipped, and `if`."""
        found = {instruction.name for _, instruction in self.instructions()}
        if any(any(instruction.flips) for instruction in self.before):
            found.add(READOUT_ERROR)
        if any(instruction.when is not None for _, instruction in self.instructions()):
            found.add(CONDITION)
        return frozenset(found)

    @cached_property
    def reuses_wires(self) -> bool:
        """Whether a wire is used again after it was measured."""
        seen: set[int] = set()
        for _, instruction in self.instructions():
            if seen & set(instruction.wires):
                return True
            if instruction.name == "measure":
                seen |= set(instruction.wires)
        return False

    @cached_property
    def digest(self) -> bytes:
        """A hash of everything that the template says."""
        parts: tuple[object, ...] = (self.wires, self.steps, self.columns, self.measured)
        parts += (self.before, self.after) if self.unread is None else (self.before, self.unread, 1)
        return hashlib.sha256(repr(parts).encode()).digest()
