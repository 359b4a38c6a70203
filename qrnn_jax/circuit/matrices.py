"""The numbers of a lowered circuit: block matrices from angles, and how blocks act on vectors."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.lower import Block, Placed
from qrnn_jax.circuit.operation import AbstractChannel
from qrnn_jax.ops import apply_matrix


def operation_matrices(placed: Sequence[Placed], angles: Array) -> list[Array]:
    """The matrix (superoperator for a channel) of each operation.

    Operations of one class are evaluated together by one `vmap`, so the program grows with the
    number of gate kinds, not of gates.

    Arguments:
        placed: operations with their tape columns.
        angles: (K,), the step's tape.

    Returns:
        One matrix per operation.
    """
    groups: dict[object, list[int]] = {}
    for index, item in enumerate(placed):
        groups.setdefault((type(item.operation), item.operation.static), []).append(index)
    matrices: dict[int, Array] = {}
    for members in groups.values():
        first = placed[members[0]].operation
        evaluate = first.superoperator if isinstance(first, AbstractChannel) else first.matrix
        if not first.parameters:
            constant = evaluate()
            matrices.update(dict.fromkeys(members, constant))
            continue
        columns = np.array([placed[member].columns for member in members])  # (members, parameters)
        stacked = jax.vmap(evaluate)(*jnp.moveaxis(angles[columns], -1, 0))
        matrices.update({member: stacked[row] for row, member in enumerate(members)})
    dtype = jnp.result_type(angles, jnp.complex64)
    return [matrices[index].astype(dtype) for index in range(len(placed))]


def block_matrices(blocks: Sequence[Block], angles: Array) -> tuple[Array, ...]:
    """The matrix of each block: the product of its members on the block's wires.

    Arguments:
        blocks: from `lower`.
        angles: (K,), the step's tape.

    Returns:
        (2**k, 2**k) per unitary block, (4**k, 4**k) per channel.
    """
    members = [item for block in blocks for item in block.members]
    queue = iter(operation_matrices(members, angles))
    return tuple(_product(block, [next(queue) for _ in block.members]) for block in blocks)


def _product(block: Block, matrices: list[Array]) -> Array:
    if len(matrices) == 1 and block.members[0].wires == block.wires:
        return matrices[0]
    count = len(block.wires)
    total = jnp.eye(2**count, dtype=matrices[0].dtype)
    for item, matrix in zip(block.members, matrices):
        wires = [block.wires.index(wire) for wire in item.wires]
        total = apply_matrix(matrix, total, wires, count)
    return total


def apply_blocks(
    blocks: Sequence[Block], matrices: Sequence[Array], vector: Array, count: int
) -> Array:
    """Apply unitary blocks in order to a vector (2**count, *columns)."""
    for block, matrix in zip(blocks, matrices):
        vector = apply_matrix(matrix, vector, block.wires, count)
    return vector
