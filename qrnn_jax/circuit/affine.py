"""Affine maps of Gaussian states: what a Gaussian operation does to mean and covariance.

The operators of k modes are ordered (x_1 .. x_k, p_1 .. p_k); hbar = 2, vacuum variance 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array


class Affine(NamedTuple):
    """r -> S r + d, V -> S V S^T + Y.

    Arguments:
        matrix: S, (2k, 2k); None stands for 1.
        shift: d, (2k,); None stands for 0.
        noise: Y, (2k, 2k); None stands for 0.

    A part that is None costs nothing, and passes no batch axis on: a displacement by data leaves
    the covariance alone.
    """

    matrix: Array | None = None
    shift: Array | None = None
    noise: Array | None = None


def move(affine: Affine, mean: Array, covariance: Array) -> tuple[Array, Array]:
    """The mean (2N,) and the covariance (2N, 2N) after the map."""
    if affine.matrix is not None:
        mean = affine.matrix @ mean
        covariance = affine.matrix @ covariance @ affine.matrix.T
    if affine.shift is not None:
        mean = mean + affine.shift
    if affine.noise is not None:
        covariance = covariance + affine.noise
    return mean, covariance


def then(first: Affine, second: Affine) -> Affine:
    """One map for two: `first` acts first."""
    shift, noise, matrix = first.shift, first.noise, first.matrix
    if second.matrix is not None:
        shift = None if shift is None else second.matrix @ shift
        noise = None if noise is None else second.matrix @ noise @ second.matrix.T
        matrix = second.matrix if matrix is None else second.matrix @ matrix
    return Affine(matrix, _sum(shift, second.shift), _sum(noise, second.noise))


def embed(affine: Affine, modes: Sequence[int], count: int) -> Affine:
    """The same map on some of `count` modes.

    Arguments:
        affine: on k modes.
        modes: k distinct modes, in the map's order.
        count: N.

    Returns:
        A map on N modes; parts that are None stay None.
    """
    size = 2 * count
    place = np.eye(size)[:, [*modes, *(mode + count for mode in modes)]]  # (2N, 2k)
    matrix, shift, noise = affine
    if matrix is not None:
        rest = jnp.asarray(np.eye(size) - place @ place.T, matrix.dtype)
        matrix = rest + _around(place, matrix)
    if shift is not None:
        shift = jnp.asarray(place, shift.dtype) @ shift
    return Affine(matrix, shift, None if noise is None else _around(place, noise))


def homogeneous(affine: Affine, count: int, like: Array) -> Array:
    """[[S, d], [0, 1]], (2N+1, 2N+1), of a map without noise: products compose such maps."""
    size = 2 * count
    matrix = jnp.eye(size, dtype=like.dtype) if affine.matrix is None else affine.matrix
    shift = jnp.zeros(size, like.dtype) if affine.shift is None else affine.shift
    last = jnp.zeros((1, size + 1), like.dtype).at[0, size].set(1)
    return jnp.concatenate([jnp.concatenate([matrix, shift[:, None]], axis=1), last])


def product(stack: Array) -> Array:
    """The product of matrices (m, d, d), the first one acting first, as a binary tree."""
    while len(stack) > 1:
        if len(stack) % 2:
            one = jnp.eye(stack.shape[1], dtype=stack.dtype)
            stack = jnp.concatenate([stack, one[None]])
        stack = stack[1::2] @ stack[0::2]
    return stack[0]


def _around(place: np.ndarray, matrix: Array) -> Array:
    there = jnp.asarray(place, matrix.dtype)
    return there @ matrix @ there.T


def _sum(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
