"""Templates as OpenQASM 3 text: flat, without loops, named angles as inputs."""

import cmath
import math

import numpy as np

from qrnn_jax.cell import AbstractCell
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.hardware.build import templates
from qrnn_jax.hardware.lower import expanded
from qrnn_jax.hardware.template import Instruction, Template, reversed_bits

_ZERO = 1e-12


def to_openqasm3(cell: AbstractCell | FeedbackCell, steps: int, *, setting: int = 0) -> str:
    """A cell as an OpenQASM 3 program: T steps unrolled, one input per gate occurrence.

    Equation: `a_t_k` is the entry [t, k] of the occurrence tape; bit j of register `y_t` belongs to
    the j-th measured wire; wire k is `q[k]`.

    Only gates of `stdgates.inc`, `measure` and `reset`: no loops, no definitions, so that services
    which support no more of the language can run it; conditions only where a `FeedbackCell` feeds
    bits.

    Arguments:
        cell: the model, as for `templates`.
        steps: T, 1 or more.
        setting: which measurement setting, of those that `templates` returns.

    Returns:
        The program.

    Raises:
        ValueError: as `templates`; noise, which a device has of its own; a constant matrix on two
            wires or more, which needs a compiler; no such setting.

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
    found = templates(cell, steps)
    if isinstance(setting, bool) or not isinstance(setting, int) or not 0 <= setting < len(found):
        raise ValueError(
            f"Argument `setting` must be one of 0 .. {len(found) - 1}, but is {setting!r}."
        )
    return template_text(found[setting])


def template_text(template: Template) -> str:
    """The program of one template."""
    body, used, scratch = [], set(), False
    for step, whole in template.instructions():
        for instruction in expanded(whole):
            scratch |= instruction.name == "measure" and instruction.bit is None
            if instruction.angle is not None:
                used.add((step, instruction.angle.column))
            body += _conditioned(template, step, instruction)
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += [f"input float[64] a_{step}_{column};" for step, column in sorted(used)]
    lines.append(f"qubit[{template.wires}] q;")
    if template.outputs:
        lines += [f"bit[{template.outputs}] y_{step};" for step in template.read_steps]
    return "\n".join([*lines, *["bit[1] scratch;"] * scratch, *body]) + "\n"


def _conditioned(template: Template, step: int, instruction: Instruction) -> list[str]:
    lines = _statements(step, instruction)
    if instruction.when is None:
        return lines
    number = reversed_bits(instruction.when, template.outputs)
    return [f"if (y_{step - 1} == {number}) {{ {line} }}" for line in lines]


def _statements(step: int, instruction: Instruction) -> list[str]:
    name = instruction.name
    wires = ", ".join(f"q[{wire}]" for wire in instruction.wires)
    if name == "kraus" or any(instruction.flips):
        raise ValueError(
            "A program must be free of noise, but this cell has noise; try the cell without it: a "
            "device has its own."
        )
    if name == "measure":
        target = "scratch[0]" if instruction.bit is None else f"y_{step}[{instruction.bit}]"
        return [f"{target} = measure {wires};"]
    if name == "unitary":
        return [f"U({', '.join(map(repr, _euler(instruction)))}) {wires};"]
    if instruction.angle is None:
        return [f"{name} {wires};"]
    column, scale, offset = instruction.angle
    value = f"a_{step}_{column}"
    value = value if scale == 1 else f"{scale!r} * {value}"
    value = value if not offset else f"{value} + {offset!r}"
    return [f"{name}({value}) {wires};"]


def _euler(instruction: Instruction) -> tuple[float, float, float]:
    """The angles of U for a constant matrix on one wire, up to a phase."""
    if len(instruction.wires) > 1:
        raise ValueError(
            "A program must be made of plain gates, but this cell has a constant matrix on "
            f"{len(instruction.wires)} wires, which only a compiler takes apart; try "
            "`to_qiskit(template)`."
        )
    (a, b), (c, d) = np.array(instruction.matrices[0])
    theta = 2 * math.atan2(abs(c), abs(a))
    if abs(a) < _ZERO:  # only phi - lam matters
        return theta, cmath.phase(c / -b), 0.0
    phi = cmath.phase(c / a) if abs(c) > _ZERO else 0.0
    lam = cmath.phase(d / a) - phi if abs(d) > _ZERO else 0.0
    return theta, phi, lam
