"""Partial trace, embedding, and the real coordinates of Hermitian matrices."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array


def partial_trace(rho: Array, traced: Sequence[int], count: int) -> Array:
    """Trace out `traced` wires; the others keep their order.

    Equation: out[b, b'] = sum_a rho[(a, b), (a, b')].

    Arguments:
        rho: (2**count, 2**count).
        traced: wires to trace out.
        count: number of wires.

    Returns:
        (2**m, 2**m), m the number of remaining wires.
    """
    kept = [wire for wire in range(count) if wire not in traced]
    order = [*traced, *kept]
    tensor = rho.reshape((2,) * (2 * count))
    tensor = tensor.transpose([*order, *(wire + count for wire in order)])
    outer, inner = 2 ** len(traced), 2 ** len(kept)
    return jnp.einsum("abac->bc", tensor.reshape(outer, inner, outer, inner))


def tensor_density(outer: Array, inner: Array, wires: Sequence[int], count: int) -> Array:
    """Place the density matrix `outer` on `wires` and `inner` on the remaining wires.

    Equation: rho = outer (x) inner, with the wires brought back to their order.

    Arguments:
        outer: (2**k, 2**k), for `wires` in the order given.
        inner: (2**m, 2**m), for the other wires in ascending order, m = count - k.
        wires: k distinct wires.
        count: number of wires.

    Returns:
        (2**count, 2**count).
    """
    product = jnp.einsum("ij,kl->ikjl", outer, inner).reshape((2,) * (2 * count))
    order = [*wires, *(wire for wire in range(count) if wire not in wires)]
    place = [order.index(wire) for wire in range(count)]
    axes = [*place, *(axis + count for axis in place)]
    return product.transpose(axes).reshape(2**count, 2**count)


def hermitian_to_real(rho: Array) -> Array:
    """The d*d real coordinates of a Hermitian matrix.

    Equation: r[i, j] = Re rho[i, j] for i <= j, Im rho[i, j] for i > j. Linear; inverted by
    `real_to_hermitian`.

    Arguments:
        rho: (d, d), Hermitian.

    Returns:
        (d*d,), real.
    """
    size = rho.shape[-1]
    upper = jnp.triu(jnp.ones((size, size), bool))
    return jnp.where(upper, rho.real, rho.imag).reshape(size * size)


def real_to_hermitian(coordinates: Array) -> Array:
    """The Hermitian matrix with the given real coordinates, see `hermitian_to_real`.

    Arguments:
        coordinates: (d*d,), real.

    Returns:
        (d, d), complex.
    """
    size = round(coordinates.shape[-1] ** 0.5)
    square = coordinates.reshape(size, size)
    upper, lower = jnp.triu(square), jnp.tril(square, -1)
    real = upper + jnp.triu(square, 1).T
    return real + 1j * (lower - lower.T)
