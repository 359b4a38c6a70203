"""Lowering on modes: neighbouring Gaussian operations become one affine map.

Operations that depend on weights alone are fused, and their product does not depend on time; what
depends on data stands for itself, so that a displacement by data never becomes a matrix. A drawn
outcome is no affine map: it separates what stands before it from what stands behind it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.affine import Affine, embed, homogeneous, product, then
from qrnn_jax.circuit.modes import AbstractModeOperation

if TYPE_CHECKING:
    from qrnn_jax.circuit.circuit import Circuit


@final
@dataclass(frozen=True)
class Member:
    """An operation and its tape columns."""

    operation: AbstractModeOperation
    columns: tuple[int, ...]

    @property
    def varies(self) -> bool:
        """Whether a parameter depends on data."""
        return any(slot.data for slot in self.operation.parameters)


@final
@dataclass(frozen=True)
class Stage:
    """Neighbours that are applied as one affine map; or one drawn outcome, alone."""

    members: tuple[Member, ...]
    varies: bool
    is_conditional: bool

    @property
    def columns(self) -> tuple[int, ...]:
        """The tape columns of all members."""
        return tuple(column for member in self.members for column in member.columns)


def members(circuit: "Circuit", indices: Iterable[int]) -> tuple[Member, ...]:
    """The operations on modes at some places of a step; `Read` is left out."""
    found = []
    for index in indices:
        operation, first = circuit.operations[index], circuit.offsets[index]
        if isinstance(operation, AbstractModeOperation):
            columns = tuple(range(first, first + len(operation.parameters)))
            found.append(Member(operation, columns))
    return tuple(found)


def halves(circuit: "Circuit") -> tuple[tuple[Member, ...], tuple[Member, ...]]:
    """The operations before and after the read-out."""
    read, total = circuit.read_index, len(circuit.operations)
    return members(circuit, range(read)), members(circuit, range(read, total))


def stages(parts: Sequence[Member]) -> tuple[Stage, ...]:
    """Neighbours of one kind together; drawn outcomes alone."""
    found: list[Stage] = []
    for (varies, conditional), run in groupby(
        parts, lambda member: (member.varies, member.operation.is_conditional)
    ):
        together = tuple(run)
        groups = [(member,) for member in together] if conditional else [together]
        found += [Stage(group, varies, conditional) for group in groups]
    return tuple(found)


def fuse(stage: Stage, tape: Array, count: int) -> Affine:
    """The stage's affine map on all `count` modes, at the parameters of a tape row (K,)."""
    if stage.varies:
        return reduce(then, [_placed(member, tape, count) for member in stage.members])
    pieces = []
    for is_gate, run in groupby(stage.members, lambda member: member.operation.is_unitary):
        if is_gate:
            square = product(_in_order(list(run), tape, count))
            pieces.append(Affine(square[:-1, :-1], square[:-1, -1]))
        else:
            pieces += [_placed(member, tape, count) for member in run]
    return reduce(then, pieces)


def by_class(
    parts: Sequence[Member], tape: Array, function: Callable[..., Any]
) -> list[tuple[list[int], Any]]:
    """Evaluate equal kinds of operations by one `vmap`: the program does not grow with gates.

    Arguments:
        parts: operations.
        tape: (K,).
        function: (operation, *parameters) -> arrays; of the operation only its class counts.

    Returns:
        (positions in `parts`, stacked results) pairs.
    """
    groups: dict[type, list[int]] = {}
    for index, part in enumerate(parts):
        groups.setdefault(type(part.operation), []).append(index)
    found = []
    for positions in groups.values():
        first = parts[positions[0]].operation
        columns = np.array([parts[index].columns for index in positions], int)  # (m, parameters)
        if columns.shape[1]:
            evaluate = jax.vmap(lambda *values, first=first: function(first, *values))
            found.append((positions, evaluate(*tape[columns].T)))
        else:
            found += [([index], _stacked(function(first))) for index in positions]
    return found


def _in_order(parts: Sequence[Member], tape: Array, count: int) -> Array:
    """The homogeneous matrices of gates, (m, 2N+1, 2N+1)."""

    def local(operation: AbstractModeOperation, *values: Array) -> Array:
        width = len(operation.wires)
        return homogeneous(operation.affine(*values), width, tape)

    order, blocks = [], []
    for positions, stacked in by_class(parts, tape, local):
        order += positions
        places = [_place(parts[index].operation.wires, count) for index in positions]
        place = jnp.asarray(np.stack(places), tape.dtype)  # (m, 2N+1, 2k+1)
        size = 2 * count + 1
        untouched = np.eye(size) - np.stack([p @ p.T for p in places])
        blocks.append(jnp.asarray(untouched, tape.dtype) + place @ stacked @ place.mT)
    return jnp.concatenate(blocks)[np.argsort(order)]


def _place(modes: Sequence[int], count: int) -> np.ndarray:
    """Where the rows of a homogeneous matrix on some modes stand among those of all modes."""
    rows = [*modes, *(mode + count for mode in modes), 2 * count]
    return np.eye(2 * count + 1)[:, rows]


def _placed(member: Member, tape: Array, count: int) -> Affine:
    operation = member.operation
    local = operation.affine(*(tape[column] for column in member.columns))
    return embed(_astype(local, tape), operation.wires, count)


def _astype(affine: Affine, like: Array) -> Affine:
    return jax.tree.map(lambda part: part.astype(like.dtype), affine)


def _stacked(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[None], tree)
