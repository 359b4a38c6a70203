"""The numbers of a lowered circuit: block matrices from angles, and how blocks act on vectors.

The program built here does not grow with the number of gates. Gates of one class are evaluated by
one `vmap`; every gate is embedded into its block's wires by one static gather; and all blocks of
one size are multiplied out together, factor by factor in one loop.
"""

from collections.abc import Hashable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qrnn_jax.circuit.lower import Block, Kind, Placed
from qrnn_jax.circuit.operation import AbstractChannel
from qrnn_jax.ops import apply_diagonal, apply_matrix


def block_matrices(blocks: Sequence[Block], angles: Array) -> tuple[Array, ...]:
    """The numbers of each block: the product of its members on the block's wires.

    Arguments:
        blocks: from `lower`.
        angles: (K,), the step's tape.

    Returns:
        One array per block, what its `kind` says.
    """
    found: dict[int, Array] = {}
    for group in _groups([(block.kind, len(block.wires)) for block in blocks]):
        stacked = _stack([blocks[index] for index in group], angles)
        products = _multiply(stacked, blocks[group[0]].kind)
        found.update({index: products[row] for row, index in enumerate(group)})
    return tuple(found[index] for index in range(len(blocks)))


def apply_blocks(
    blocks: Sequence[Block], matrices: Sequence[Array], vector: Array, count: int
) -> Array:
    """Apply unitary blocks in order to a vector (2**count, *columns)."""
    for block, matrix in zip(blocks, matrices):
        apply = apply_diagonal if block.kind is Kind.DIAGONAL else apply_matrix
        vector = apply(matrix, vector, block.wires, count)
    return vector


def _stack(blocks: Sequence[Block], angles: Array) -> Array:
    """The members of equally large blocks, embedded: (blocks, length, *size), ones behind the last.

    `length` is that of the longest block.
    """
    members = [item for block in blocks for item in block.members]
    places = [
        tuple(block.wires.index(wire) for wire in item.wires)
        for block in blocks
        for item in block.members
    ]
    kind, count = blocks[0].kind, len(blocks[0].wires)
    parts, order = [], []
    for same in _groups([(type(item.operation), item.operation.static) for item in members]):
        matrices = class_matrices([members[index] for index in same], angles)
        parts.append(_embed(matrices, [places[index] for index in same], kind, count))
        order += same
    one = jnp.ones(2**count) if kind is Kind.DIAGONAL else jnp.eye(len(parts[0][0]))
    everything = jnp.concatenate([*parts, one[None].astype(parts[0].dtype)])
    return everything[_rows(blocks, order)]


def _rows(blocks: Sequence[Block], order: list[int]) -> np.ndarray:
    """For each block and place, the row of its member among the embedded ones; the last is 1."""
    row = {member: position for position, member in enumerate(order)}
    longest = max(len(block.members) for block in blocks)
    rows = np.full((len(blocks), longest), len(order))
    members = iter(range(len(order)))
    for index, block in enumerate(blocks):
        rows[index, : len(block.members)] = [row[next(members)] for _ in block.members]
    return rows


def class_matrices(placed: Sequence[Placed], angles: Array) -> Array:
    """The matrices (superoperators of channels) of operations of one class, (m, d, d).

    Arguments:
        placed: operations of one type and one `static`.
        angles: (K,), the step's tape.
    """
    first = placed[0].operation
    evaluate = first.superoperator if isinstance(first, AbstractChannel) else first.matrix
    if first.parameters:
        columns = np.array([item.columns for item in placed])  # (m, parameters)
        matrices = jax.vmap(evaluate)(*jnp.moveaxis(angles[columns], -1, 0))
    else:
        constant = evaluate()
        matrices = jnp.broadcast_to(constant, (len(placed), *constant.shape))
    return matrices.astype(jnp.result_type(angles, jnp.complex64))


def _embed(matrices: Array, places: Sequence[tuple[int, ...]], kind: Kind, count: int) -> Array:
    """Each matrix on its places among `count` wires: (m, 2**count, 2**count), or the diagonals."""
    if kind is Kind.DIAGONAL:
        inside = np.stack([_inside(place, count) for place in places])  # (m, 2**count)
        return jnp.take_along_axis(jnp.diagonal(matrices, axis1=1, axis2=2), inside, axis=1)
    if all(place == tuple(range(count)) for place in places):
        return matrices
    inside = np.stack([_inside(place, count) for place in places])
    outside = np.stack([_outside(place, count) for place in places])
    untouched = outside[:, :, None] == outside[:, None, :]
    member = np.arange(len(places))[:, None, None]
    entries = matrices[member, inside[:, :, None], inside[:, None, :]]
    return jnp.where(untouched, entries, 0)


def _inside(place: tuple[int, ...], count: int) -> np.ndarray:
    """For each basis state of `count` wires, the number that the bits at `place` spell."""
    index = np.arange(2**count)
    spelt = np.zeros_like(index)
    for wire in place:
        spelt = 2 * spelt + (index >> (count - 1 - wire) & 1)
    return spelt


def _outside(place: tuple[int, ...], count: int) -> np.ndarray:
    """The same for all other bits."""
    return _inside(tuple(wire for wire in range(count) if wire not in place), count)


def _multiply(stacked: Array, kind: Kind) -> Array:
    """The product over axis 1, the first factor acting first."""

    def times(earlier: Array, later: Array) -> tuple[Array, None]:
        return later * earlier if kind is Kind.DIAGONAL else later @ earlier, None

    if stacked.shape[1] == 1:
        return stacked[:, 0]
    return lax.scan(times, stacked[:, 0], jnp.moveaxis(stacked[:, 1:], 1, 0))[0]


def _groups(keys: Sequence[Hashable]) -> list[list[int]]:
    """The positions of equal keys, together."""
    found: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return list(found.values())
