"""From a cell to its templates: one per measurement setting."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import Circuit, Measure, Reset
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.hardware.lower import FROM_Z, TO_Z, lower_operation, operations_of
from qrnn_jax.hardware.template import Instruction, Template
from qrnn_jax.setup import measurement_settings

Letters = dict[int, str]


def templates(cell: AbstractCell | FeedbackCell, steps: int) -> tuple[Template, ...]:
    """What a device plays for a cell: one circuit per group of observables that commute.

    Equation: all outputs of a group come from the same repetitions; G groups cost G times the
    shots.

    Arguments:
        cell: the model, whose observables a device can read, see `qj.run` under shots. Of a
            `FeedbackCell` that feeds bits, every turn by data is there once for each number that
            the step before may have read, under a condition.
        steps: T, 1 or more.

    Returns:
        One `Template` per measurement setting.

    Raises:
        ValueError: an observable that needs another measurement than the circuit allows; modes; a
            post-selection; a gate without an exact form.

    Example:
        >>> import qrnn_jax as qj
        >>> (template,) = qj.hardware.templates(qj.cells.Takaki(inputs=1, memory=1, depth=1), 5)
        >>> template.steps, template.count()["measure"], template.count()["reset"]
        (5, 5, 4)
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"Argument `steps` must be an integer of 1 or more, but is {steps!r}.")
    circuit, groups = measurement_settings(cell)
    is_fed = isinstance(cell, FeedbackCell) and cell.feed == "bits"
    counts = [len(group.values) if is_fed else 1 for group in groups]
    steps_of = (step_of(circuit, group, count) for group, count in zip(groups, counts))
    return tuple(step.unrolled(steps) for step in steps_of)


@final
@dataclass(frozen=True)
class Step:
    """A template before T is known.

    Arguments:
        wires: as in `Template`.
        columns: as in `Template`.
        measured: as in `Template`.
        before: as in `Template`.
        after: as in `Template`.
        unread: a whole step without its read-out.
        final: `before` where nothing follows: no measured wire is turned back.
    """

    wires: int
    columns: int
    measured: tuple[tuple[int, str], ...]
    before: tuple[Instruction, ...]
    after: tuple[Instruction, ...]
    unread: tuple[Instruction, ...]
    final: tuple[Instruction, ...]

    def unrolled(self, steps: int) -> Template:
        """T steps, all of them read."""
        return Template(self.wires, steps, self.columns, self.measured, self.before, self.after)

    def prefix(self, steps: int) -> Template:
        """T steps, of which the last one alone is read."""
        return Template(self.wires, steps, self.columns, self.measured, self.final, (), self.unread)


def step_of(circuit: Circuit, group: Any, branches: int = 1) -> Step:
    """One step in one measurement setting.

    Equation: the tape column of parameter k in branch v is v K + k.

    Arguments:
        circuit: the step, its read-out errors and its measuring read-out made explicit.
        group: what is measured, from `measurement_settings`.
        branches: how many numbers the step before may have read, each with data of its own; 1 where
            the data do not depend on it.
    """
    if circuit.is_modes:
        raise ValueError("A device must be given a circuit on qubits, but this one acts on modes.")
    word = group.outcomes.word
    found = dict(word)
    before: list[Instruction] = []
    after: list[Instruction] = []
    unread: list[Instruction] = []
    for index, operation, columns in operations_of(circuit):
        made = list(_branched(lower_operation(operation, columns), circuit, branches))
        unread += made
        if index < circuit.read_index:
            before += made
        elif not _is_repeated(operation, found):
            after += made
            for wire in operation.wires:
                found.pop(wire, None)
    read = partial(_read, circuit, word, _flips(group))
    final, before = before + read(back=False), before + read(back=True)
    parts = (tuple(part) for part in (before, after, unread, final))
    return Step(circuit.wires, branches * len(circuit.parameters), tuple(word), *parts)


def _branched(
    instructions: Iterable[Instruction], circuit: Circuit, branches: int
) -> Iterator[Instruction]:
    """Turns by data once for each branch, with angles of their own."""
    width = len(circuit.parameters)
    for instruction in instructions:
        angle = instruction.angle
        if branches == 1 or angle is None or not circuit.parameters[angle.column].data:
            yield instruction
            continue
        for branch in range(branches):
            own = angle._replace(column=branch * width + angle.column)
            yield replace(instruction, angle=own, when=branch)


def _read(
    circuit: Circuit, word: Any, flips: list[tuple[float, float]], *, back: bool
) -> list[Instruction]:
    """Measure every wire in its basis; the basis is changed back unless a reset follows."""
    made = []
    for bit, (wire, letter) in enumerate(word):
        made += [Instruction(name, (wire,)) for name in TO_Z[letter]]
        made.append(Instruction("measure", (wire,), bit=bit, flips=flips[bit]))
        if back and not _is_reset_next(circuit, wire):
            made += [Instruction(name, (wire,)) for name in FROM_Z[letter]]
    return made


def _is_repeated(operation: Any, found: Letters) -> bool:
    """Whether an unrecorded measurement only repeats what the read-out did."""
    forgets = isinstance(operation, Measure) and operation.to is None
    return forgets and found.get(operation.wire) == operation.basis


def _is_reset_next(circuit: Circuit, wire: int) -> bool:
    """Whether the first operation on a wire behind the read-out is a reset."""
    after = circuit.operations[circuit.read_index :]
    touching = (operation for operation in after if wire in operation.wires)
    return isinstance(next(touching, None), Reset)


def _flips(group: Any) -> list[tuple[float, float]]:
    """For every measured wire, P(1 | true 0) and P(0 | true 1), from their joint table."""
    count = len(group.outcomes.word)
    if group.flips is None:
        return [(0.0, 0.0)] * count
    table = np.real(group.flips.value)  # [recorded, true]
    bits = np.arange(2**count)[:, None] >> np.arange(count)[::-1] & 1
    ones = bits.T @ table[:, 0]  # from all true bits 0
    zeros = [(1 - bits[:, j]) @ table[:, 1 << (count - 1 - j)] for j in range(count)]
    return [(float(one), float(zero)) for one, zero in zip(ones, zeros)]
