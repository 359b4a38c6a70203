"""Expectation values and outcome probabilities of vectors and density matrices."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from qrnn_jax.ops.apply import apply_matrix


def vector_expectation(matrix: Array, vector: Array, wires: Sequence[int], count: int) -> Array:
    """<psi| O |psi> for a Hermitian O on `wires`.

    Arguments:
        matrix: (2**k, 2**k), Hermitian.
        vector: (2**count,).
        wires: k distinct wires.
        count: number of wires.

    Returns:
        A real scalar.
    """
    image = apply_matrix(matrix, vector, wires, count)
    return jnp.sum(vector.real * image.real + vector.imag * image.imag)


def density_expectation(matrix: Array, rho: Array, wires: Sequence[int], count: int) -> Array:
    """Tr(O rho) for a Hermitian O on `wires`.

    Arguments:
        matrix: (2**k, 2**k), Hermitian.
        rho: (2**count, 2**count).
        wires: k distinct wires.
        count: number of wires.

    Returns:
        A real scalar.
    """
    return jnp.trace(apply_matrix(matrix, rho, wires, count)).real


def marginal(probabilities: Array, wires: Sequence[int], count: int) -> Array:
    """The joint distribution of `wires` (first wire most significant).

    Arguments:
        probabilities: (2**count,).
        wires: k distinct wires.
        count: number of wires.

    Returns:
        (2**k,).
    """
    rest = [wire for wire in range(count) if wire not in wires]
    tensor = probabilities.reshape((2,) * count).transpose([*wires, *rest])
    return tensor.reshape(2 ** len(wires), -1).sum(axis=1)
