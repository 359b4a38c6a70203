"""Modes of light in the photon-number basis, cut off: exact matrix elements, then truncated.

hbar = 2: x = a + a^dagger, vacuum variance 1. A matrix U of a gate is built column by column from
U |n> = (U a^dagger U^-1) U |n-1> / sqrt n; rows beyond the cutoff never feed rows below it, so that
every entry is exact. Truncated like this, a gate is sub-unitary: what leaves the cutoff is lost
from the norm. (An exponential of truncated generators is unitary and wrong near the cutoff.)
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtr

from qrnn_jax.ops.numerics import safe_sqrt

_GRID = 1024  # points of the x axis for outcome distributions


def lowering(cutoff: int) -> np.ndarray:
    """The matrix of a, (cutoff, cutoff): a |n> = sqrt n |n-1>."""
    return np.diag(np.sqrt(np.arange(1.0, cutoff)), 1)


def displacement_matrix(r: Array, phi: Array, cutoff: int) -> Array:
    """D(alpha) = exp(alpha a^dagger - conj(alpha) a), alpha = r exp(i phi).

    Equation: D a^dagger D^-1 = a^dagger - conj(alpha), and
    D(alpha)[m, n] = exp(i phi (m-n)) D(r)[m, n].

    Arguments:
        r: real, of either sign.
        phi: radians.
        cutoff: number of photon numbers kept, 0 .. cutoff - 1.

    Returns:
        (cutoff, cutoff), complex, indexed [out, in].
    """
    roots, up = _roots(cutoff, r), _raising(cutoff, r)
    first = jnp.cumprod(jnp.concatenate([jnp.exp(-(r**2) / 2)[None], r / roots]))

    def column(previous: Array, root: Array) -> tuple[Array, Array]:
        current = (up @ previous - r * previous) / root
        return current, current

    return _with_phase(_columns(first, lax.scan(column, first, roots)[1]), phi, 1)


def squeezing_matrix(r: Array, phi: Array, cutoff: int) -> Array:
    """S(r, phi) = exp((conj(z) a^2 - z a^dagger^2) / 2), z = r exp(i phi).

    Equation: at phi = 0, sqrt(n) S[m, n] = sqrt(n-1) tanh(r) S[m, n-2] + sqrt(m) sech(r)
    S[m-1, n-1]; S(r, phi)[m, n] = exp(i phi (m-n) / 2) S(r, 0)[m, n].

    Arguments:
        r: real; x becomes exp(-r) x at phi = 0.
        phi: radians.
        cutoff: number of photon numbers kept.

    Returns:
        (cutoff, cutoff), complex, indexed [out, in].
    """
    roots, up = _roots(cutoff, r), _raising(cutoff, r)
    even = np.arange(2, cutoff, 2)
    ratios = -jnp.asarray(np.sqrt((even - 1) / even), r.dtype) * jnp.tanh(r)
    pairs = jnp.cumprod(jnp.concatenate([jnp.sqrt(1 / jnp.cosh(r))[None], ratios]))
    first = jnp.stack([pairs, jnp.zeros_like(pairs)], axis=1).reshape(-1)[:cutoff]
    back, forth = jnp.tanh(r), 1 / jnp.cosh(r)

    def column(before: tuple[Array, Array], root: tuple[Array, Array]) -> tuple[tuple, Array]:
        older, previous = before
        current = (root[0] * back * older + forth * (up @ previous)) / root[1]
        return (previous, current), current

    earlier = jnp.concatenate([jnp.zeros_like(roots[:1]), roots[:-1]])
    start = (jnp.zeros_like(first), first)
    rest = lax.scan(column, start, (earlier, roots))[1]
    return _with_phase(_columns(first, rest), phi / 2, 1)


def beamsplitter_matrix(theta: Array, phi: Array, cutoff: int) -> Array:
    """B(theta, phi) = exp(theta (exp(i phi) a1 a2^dagger - h.c.)).

    Equation: with t = cos theta, s = sin theta, at phi = 0: B a1^dagger B^-1 = t a1^dagger + s
    a2^dagger and B a2^dagger B^-1 = t a2^dagger - s a1^dagger; then a factor exp(i phi) for every
    photon that goes from the first to the second mode.

    Arguments:
        theta: radians.
        phi: radians.
        cutoff: number of photon numbers kept, per mode.

    Returns:
        (cutoff**2, cutoff**2), complex, indexed [out, in], first mode most significant.
    """
    t, s = jnp.cos(theta), jnp.sin(theta)
    roots, up = _roots(cutoff, t), _raising(cutoff, t)

    def on_first(previous: Array, root: Array) -> tuple[Array, Array]:
        current = (t * (up @ previous) + s * (previous @ up.T)) / root
        return current, current

    def on_second(previous: Array, root: Array) -> tuple[Array, Array]:
        current = (t * (previous @ up.T) - s * (up @ previous)) / root
        return current, current

    vacuum = jnp.zeros((cutoff, cutoff), t.dtype).at[0, 0].set(1)
    rest = lax.scan(on_first, vacuum, roots)[1]
    one = jnp.concatenate([vacuum[None], rest])  # (p, m, n)
    both = jnp.concatenate([one[None], lax.scan(on_second, one, roots)[1]])  # (q, p, m, n)
    real = both.transpose(2, 3, 1, 0).reshape(cutoff**2, cutoff**2)
    return _with_phase(real, -phi, cutoff)


def loss_superoperator(transmissivity: Array, cutoff: int) -> Array:
    """Every photon is kept with probability T.

    Equation: out[a, b] = sum_l sqrt(C(a+l, l) C(b+l, l)) T^((a+b)/2) (1-T)^l rho[a+l, b+l].

    Arguments:
        transmissivity: T, in [0, 1]; NaN outside.
        cutoff: number of photon numbers kept.

    Returns:
        (cutoff**2, cutoff**2), on row-major density matrices. Exact: photons are never added.
    """
    kept = (transmissivity >= 0) & (transmissivity <= 1)
    share = jnp.where(kept, transmissivity, jnp.nan)
    root = safe_sqrt(share)
    powers = jnp.stack([root**k for k in range(2 * cutoff - 1)])
    lost = jnp.stack([(1 - share) ** k for k in range(cutoff)])
    a, b, c, d = np.indices((cutoff,) * 4)
    missing = c - a
    valid = (missing >= 0) & (missing == d - b)
    count = np.where(valid, missing, 0)
    factor = np.where(valid, np.sqrt(_binomial(c, count) * _binomial(d, count)), 0)
    entries = jnp.asarray(factor, share.dtype) * powers[a + b] * lost[count]
    return entries.reshape(cutoff**2, cutoff**2)


def wave_functions(x: Array, cutoff: int) -> Array:
    """<x|n> for n = 0 .. cutoff - 1, the Hermite functions at hbar = 2.

    Equation: x psi_n = sqrt(n) psi_(n-1) + sqrt(n+1) psi_(n+1), psi_0 = (2 pi)^(-1/4) exp(-x^2/4).

    Arguments:
        x: any shape, real.
        cutoff: how many.

    Returns:
        (*shape of x, cutoff), real.
    """
    older = jnp.zeros_like(x)
    current = jnp.exp(-(x**2) / 4) / (2 * np.pi) ** 0.25
    found = [current]
    for n in range(cutoff - 1):
        older, current = current, (x * current - n**0.5 * older) / (n + 1) ** 0.5
        found.append(current)
    return jnp.stack(found, axis=-1)


def x_outcome(reduced: Array, z: Array) -> Array:
    """The outcome of measuring x that stands at the quantile of a standard normal number.

    Equation: F(outcome) = Phi(z), F the distribution of x in the state, on a grid.

    Arguments:
        reduced: (cutoff, cutoff), the mode's density matrix; its trace need not be 1.
        z: a real number.

    Returns:
        A real number, differentiable in the state and in z; mean + sd z for a Gaussian state.
    """
    cutoff, real = len(reduced), z.dtype
    edge = np.sqrt(4 * cutoff + 2) + 4  # beyond the last turning point nothing is left
    grid = jnp.asarray(np.linspace(-edge, edge, _GRID), real)
    waves = wave_functions(grid, cutoff)
    density = jnp.sum((waves @ reduced.real.astype(real)) * waves, axis=1)
    below = jnp.cumsum((density[1:] + density[:-1]) / 2)
    below = jnp.concatenate([jnp.zeros(1, real), below / below[-1]])
    tiny = jnp.finfo(real).eps
    return jnp.interp(jnp.clip(ndtr(z), tiny, 1 - tiny), below, grid)


def apply_to_axes(matrix: Array, state: Array, axes: Sequence[int]) -> Array:
    """Apply a matrix to some axes of a state, one axis per mode.

    Arguments:
        matrix: (cutoff**k, cutoff**k), first of the axes most significant.
        state: (cutoff,) * n.
        axes: k distinct axes, in any order.

    Returns:
        An array of the shape of `state`.
    """
    front = range(len(axes))
    moved = jnp.moveaxis(state, axes, front)
    product = matrix @ moved.reshape(len(matrix), -1)
    return jnp.moveaxis(product.reshape(moved.shape), front, axes)


def _roots(cutoff: int, like: Array) -> Array:
    """sqrt 1 .. sqrt(cutoff - 1)."""
    return jnp.asarray(np.sqrt(np.arange(1.0, cutoff)), like.dtype)


def _raising(cutoff: int, like: Array) -> Array:
    """The matrix of a^dagger."""
    return jnp.asarray(lowering(cutoff).T, like.dtype)


def _with_phase(matrix: Array, phi: Array, width: int) -> Array:
    """matrix[m, n] exp(i phi (m' - n')), m' = m // width the photon number that counts."""
    number = np.arange(len(matrix)) // width
    turns = phi * jnp.asarray(number[:, None] - number, matrix.dtype)
    return lax.complex(matrix * jnp.cos(turns), matrix * jnp.sin(turns))


def _columns(first: Array, rest: Array) -> Array:
    """Column 0 and the further columns, stacked in front, as a matrix."""
    return jnp.concatenate([first[None], rest]).T


def _binomial(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """n over k, elementwise, by the product formula."""
    result = np.ones(n.shape)
    for step in range(1, int(k.max()) + 1):
        result = np.where(step <= k, result * (n - k + step) / step, result)
    return result
