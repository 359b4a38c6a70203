"""Templates as OpenQASM 3 text: flat, without loops, named angles as inputs.

Two dialects say the same. `standard` is what Qiskit, IBM and the language's own tools read.
`braket` is what the simulator of Amazon Braket plays (1.41.2):

    it opens included files on the disk, gates are built in      no include
    cnot, si                                                     instead of cx, sdg
    results come from a single register                          bits[t * outputs + j], scratch last
    reset adds the amplitudes of |0> and |1>                      measured before it is reset
    matrices have a pragma                                       used on two wires or more
"""

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np

from qrnn_jax.cell import AbstractCell
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.hardware.build import templates
from qrnn_jax.hardware.lower import expanded
from qrnn_jax.hardware.synthesis import plain
from qrnn_jax.hardware.template import Instruction, Template, reversed_bits

DIALECTS = ("standard", "braket")
_BRAKET = {"cx": "cnot", "sdg": "si"}
_ZERO = 1e-12


def to_openqasm3(
    cell: AbstractCell | FeedbackCell,
    steps: int,
    *,
    setting: int = 0,
    angles: np.ndarray | None = None,
    dialect: str = "standard",
) -> str:
    """A cell as an OpenQASM 3 program: T steps unrolled, one input per gate occurrence.

    Equation: `a_t_k` is the entry [t, k] of the occurrence tape; bit j of register `y_t` belongs to
    the j-th measured wire; wire k is `q[k]`.

    Only gates of `stdgates.inc`, `measure` and `reset`: no loops, no definitions, so that services
    which support no more of the language can run it; conditions only where a `FeedbackCell` feeds
    bits. Constant matrices on up to 4 wires are taken apart, into 6, 36 or 168 CNOTs.
    `check_openqasm3` reads the program back, unless it has conditions.

    Arguments:
        cell: the model, as for `templates`; a `FeedbackCell` must feed bits.
        steps: T, 1 or more.
        setting: which measurement setting, of those that `templates` returns.
        angles: (T, K) or (T * K,), the occurrence tape as `hardware.angles` returns it: numbers are
            written in the place of inputs. None leaves them open.
        dialect: "standard", or "braket" for the simulator of Amazon Braket.

    Returns:
        The program.

    Raises:
        ValueError: as `templates`; noise, which a device has of its own; a constant matrix on
            more than 4 wires, which needs a compiler; no such setting; angles of another shape; a
            controller that is fed expectation values, which no single program can know.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0)))
        >>> print(qj.hardware.to_openqasm3(qj.CircuitCell(circuit, (qj.X(0),)), steps=2))
        OPENQASM 3.0;
        include "stdgates.inc";
        input float[64] a_0_0;
        input float[64] a_1_0;
        qubit[1] q;
        bit[1] y_0;
        bit[1] y_1;
        rx(a_0_0) q[0];
        h q[0];
        y_0[0] = measure q[0];
        reset q[0];
        rx(a_1_0) q[0];
        h q[0];
        y_1[0] = measure q[0];

    Source: Cross et al., ACM Trans. Quantum Comput. 3, 12 (2022).
    """
    if isinstance(cell, FeedbackCell) and cell.feed != "bits":
        raise ValueError(
            "Argument `cell` must be one program, but is a `FeedbackCell` that feeds expectation "
            "values: its angles follow the counts of programs before; try `cell.cell` for its "
            'circuit alone, or `feed="bits"`.'
        )
    found = templates(cell, steps)
    if isinstance(setting, bool) or not isinstance(setting, int) or not 0 <= setting < len(found):
        raise ValueError(
            f"Argument `setting` must be one of 0 .. {len(found) - 1}, but is {setting!r}."
        )
    if dialect not in DIALECTS:
        raise ValueError(f"Argument `dialect` must be one of {DIALECTS}, but is {dialect!r}.")
    return template_text(found[setting], dialect=dialect, row=angles)


def template_text(
    template: Template, *, dialect: str = "standard", row: np.ndarray | None = None
) -> str:
    """The program of one template, its angles open or from one row of a table."""
    if row is not None:
        row = _checked(template, row)
    writer = Writer(template, dialect == "braket", row)
    body = [line for step, whole in template.instructions() for line in writer.lines(step, whole)]
    lines = ["OPENQASM 3.0;"]
    lines += [] if writer.braket else ['include "stdgates.inc";']
    lines += [f"input float[64] a_{step}_{column};" for step, column in sorted(writer.used)]
    return "\n".join([*lines, f"qubit[{template.wires}] q;", *writer.registers(), *body]) + "\n"


def _checked(template: Template, angles: np.ndarray) -> np.ndarray:
    """The tape as one row of finite numbers."""
    tape, shape = np.asarray(angles, float), (template.steps, template.columns)
    if tape.shape not in (shape, (len(template.symbols),)):
        raise ValueError(
            f"Argument `angles` must have shape {shape} or ({len(template.symbols)},), one for "
            f"every step and column, but has shape {tape.shape}; try "
            "`qj.hardware.angles(cell, params, xs)`."
        )
    if not np.isfinite(tape).all():
        raise ValueError(
            "Argument `angles` must be finite numbers, but holds others; try "
            "`qj.hardware.angles(cell, params, xs)`."
        )
    return tape.reshape(-1)


@final
@dataclass
class Writer:
    """Statements of one program, one instruction after the other.

    Arguments:
        template: what is written.
        braket: the dialect.
        row: the tape (T * K,), or None for open angles.
    """

    template: Template
    braket: bool
    row: np.ndarray | None
    used: set[tuple[int, int]] = field(default_factory=set)  # angles that became inputs
    scratch: bool = False  # whether an outcome was thrown away
    known: set[int] = field(default_factory=set)  # wires just measured

    def registers(self) -> list[str]:
        """The declarations of bits."""
        steps, outputs = self.template.steps, self.template.outputs
        if self.braket:
            size = steps * outputs + self.scratch
            return [f"bit[{size}] bits;"] * (size > 0)
        read = self.template.read_steps if outputs else ()
        made = [f"bit[{outputs}] y_{step};" for step in read]
        return made + ["bit[1] scratch;"] * self.scratch

    def lines(self, step: int, whole: Instruction) -> Iterator[str]:
        """The statements of one instruction."""
        parts = [whole] if self.braket else plain(whole)
        for instruction in (made for part in parts for made in expanded(part)):
            name, wires = instruction.name, instruction.wires
            if self.braket and name == "reset" and wires[0] not in self.known:
                yield f"{self._bit(step, None)} = measure q[{wires[0]}];"
            yield self._conditioned(step, instruction.when, self._statement(step, instruction))
            self.known -= set(wires)
            if name == "measure":
                self.known.add(wires[0])

    def _conditioned(self, step: int, when: int | None, line: str) -> str:
        if when is None:
            return line
        if self.braket:
            raise ValueError(
                "Argument `dialect` must be 'standard' where recorded bits steer gates, but is "
                "'braket'; try `dialect=\"standard\"`."
            )
        number = reversed_bits(when, self.template.outputs)
        return f"if (y_{step - 1} == {number}) {{ {line} }}"

    def _statement(self, step: int, instruction: Instruction) -> str:
        name = instruction.name
        wires = ", ".join(f"q[{wire}]" for wire in instruction.wires)
        if name == "kraus" or any(instruction.flips):
            raise ValueError(
                "A program must be free of noise, but this cell has noise; try the cell without "
                "it: a device has its own."
            )
        if name == "measure":
            return f"{self._bit(step, instruction.bit)} = measure {wires};"
        if name == "unitary" and self.braket and len(instruction.wires) > 1:
            return f"#pragma braket unitary({_entries(instruction)}) {wires}"
        if name == "unitary":
            return f"U({', '.join(map(repr, _euler(instruction)))}) {wires};"
        word = _BRAKET.get(name, name) if self.braket else name
        if instruction.angle is None:
            return f"{word} {wires};"
        return f"{word}({self._angle(step, instruction)}) {wires};"

    def _bit(self, step: int, place: int | None) -> str:
        self.scratch |= place is None
        outputs = self.template.outputs
        if not self.braket:
            return "scratch[0]" if place is None else f"y_{step}[{place}]"
        return f"bits[{self.template.steps * outputs if place is None else step * outputs + place}]"

    def _angle(self, step: int, instruction: Instruction) -> str:
        assert instruction.angle is not None
        column, scale, offset = instruction.angle
        if self.row is not None:
            return repr(float(self.row[step * self.template.columns + column]) * scale + offset)
        self.used.add((step, column))
        value = f"a_{step}_{column}"
        value = value if scale == 1 else f"{scale!r} * {value}"
        return value if not offset else f"{value} + {offset!r}"


def _entries(instruction: Instruction) -> str:
    """A constant matrix as Braket writes it."""
    rows = instruction.matrices[0]
    texts = [", ".join(f"{z.real!r} + {z.imag!r}im" for z in map(complex, row)) for row in rows]
    return f"[{', '.join(f'[{text}]' for text in texts)}]"


def _euler(instruction: Instruction) -> tuple[float, float, float]:
    """The angles of U for a constant matrix on one wire, up to a phase."""
    (a, b), (c, d) = np.array(instruction.matrices[0])
    theta = 2 * math.atan2(abs(c), abs(a))
    if abs(a) < _ZERO:  # only phi - lam matters
        return theta, cmath.phase(c / -b), 0.0
    phi = cmath.phase(c / a) if abs(c) > _ZERO else 0.0
    lam = cmath.phase(d / a) - phi if abs(d) > _ZERO else 0.0
    return theta, phi, lam
