"""Apply a small matrix to some wires of a vector: the one kernel everything else is made of.

A vector on n wires has shape (2**n, *columns): the first axis is the quantum index (wire 0 is the
most significant bit), every further axis is a free column. A density matrix is a vector on 2n
wires: wires 0..n-1 index its rows, wires n..2n-1 its columns.
"""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def apply_matrix(matrix: Array, vector: Array, wires: Sequence[int], count: int) -> Array:
    """Apply `matrix` to `wires` of a vector on `count` wires.

    Equation: out[..i'..] = sum_i matrix[i', i] vector[..i..], i the bits of `wires`, first wire
    most significant.

    Arguments:
        matrix: (2**k, 2**k), indexed [out, in]; need not be unitary.
        vector: (2**count, *columns).
        wires: k distinct wires, in any order.
        count: number of wires of the vector.

    Returns:
        An array of the shape of `vector`.
    """
    runs = _runs(wires)
    # (gap, run, gap, run, ..., rest): neighbouring wires travel as one axis
    shape, axis_of_run, previous = [], {}, 0
    for run in sorted(runs):
        first, width = run
        shape += [2 ** (first - previous), 2**width]
        axis_of_run[run] = len(shape) - 1
        previous = first + width
    shape.append(2 ** (count - previous) * math.prod(vector.shape[1:]))
    source = list(_LETTERS[: len(shape)])
    incoming = [source[axis_of_run[run]] for run in runs]
    outgoing = list(_LETTERS[len(shape) : len(shape) + len(runs)])
    target = list(source)
    for run, letter in zip(runs, outgoing):
        target[axis_of_run[run]] = letter
    subscripts = f"{''.join(outgoing + incoming)},{''.join(source)}->{''.join(target)}"
    blocks = matrix.reshape([2**width for _, width in runs] * 2)
    return jnp.einsum(subscripts, blocks, vector.reshape(shape)).reshape(vector.shape)


def _runs(wires: Sequence[int]) -> list[tuple[int, int]]:
    """Wires in the given order as runs of neighbours, each its first wire and how many."""
    runs: list[tuple[int, int]] = []
    for wire in wires:
        if runs and wire == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((wire, 1))
    return runs


def apply_diagonal(diagonal: Array, vector: Array, wires: Sequence[int], count: int) -> Array:
    """Multiply by a diagonal matrix on `wires`: out[..i..] = diagonal[i] vector[..i..].

    Arguments:
        diagonal: (2**k,), first wire most significant.
        vector: (2**count, *columns).
        wires: k distinct wires, in any order.
        count: number of wires of the vector.

    Returns:
        An array of the shape of `vector`.
    """
    runs = _runs(wires)
    order = sorted(range(len(runs)), key=lambda position: runs[position])
    factor = diagonal.reshape([2**width for _, width in runs]).transpose(order)
    shape, spread, previous = [], [], 0  # of the vector, and of the factor along it
    for first, width in sorted(runs):
        shape += [2 ** (first - previous), 2**width]
        spread += [1, 2**width]
        previous = first + width
    rest = 2 ** (count - previous) * math.prod(vector.shape[1:])
    product = factor.reshape(*spread, 1) * vector.reshape(*shape, rest)
    return product.reshape(vector.shape)


def apply_superoperator(matrix: Array, rho: Array, wires: Sequence[int], count: int) -> Array:
    """Apply a channel, given as a superoperator matrix, to `wires` of a density matrix.

    Equation: out = sum_m K_m rho K_m^dagger with matrix = sum_m K_m (x) conj(K_m).

    Arguments:
        matrix: (4**k, 4**k), see `superoperator`.
        rho: (2**count, 2**count).
        wires: k distinct wires.
        count: number of wires of the density matrix.

    Returns:
        The new density matrix, (2**count, 2**count).
    """
    both = (*wires, *(wire + count for wire in wires))
    return apply_matrix(matrix, rho.reshape(-1), both, 2 * count).reshape(rho.shape)


def apply_unitary(matrix: Array, rho: Array, wires: Sequence[int], count: int) -> Array:
    """Conjugate a density matrix by a small matrix: out = U rho U^dagger on `wires`.

    Arguments:
        matrix: (2**k, 2**k).
        rho: (2**count, 2**count).
        wires: k distinct wires.
        count: number of wires of the density matrix.

    Returns:
        The new density matrix, (2**count, 2**count).
    """
    left = apply_matrix(matrix, rho, wires, count)
    vector = left.reshape(-1)
    columns = [wire + count for wire in wires]
    return apply_matrix(matrix.conj(), vector, columns, 2 * count).reshape(rho.shape)


def apply_diagonal_unitary(diagonal: Array, rho: Array, wires: Sequence[int], count: int) -> Array:
    """Conjugate a density matrix by phases: out = D rho D^dagger on `wires`.

    Arguments:
        diagonal: (2**k,), first wire most significant.
        rho: (2**count, 2**count).
        wires: k distinct wires.
        count: number of wires of the density matrix.

    Returns:
        The new density matrix, (2**count, 2**count).
    """
    left = apply_diagonal(diagonal, rho, wires, count)
    columns = [wire + count for wire in wires]
    return apply_diagonal(diagonal.conj(), left.reshape(-1), columns, 2 * count).reshape(rho.shape)


def superoperator(kraus: Array) -> Array:
    """The matrix of a channel on row-major density matrices: sum_m K_m (x) conj(K_m).

    Arguments:
        kraus: (m, d, d).

    Returns:
        (d*d, d*d), indexed [out, in].
    """
    size = kraus.shape[-1] ** 2
    return jnp.einsum("mab,mcd->acbd", kraus, kraus.conj()).reshape(size, size)
