"""Functions that stay differentiable where the textbook formula does not."""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_jvp
def safe_arccos(x: Array) -> Array:
    """arccos with an exact value on [-1, 1] and a finite derivative everywhere on it.

    Equation: y = arccos x; dy = -dx / sqrt(1 - c^2), c = x clipped to 1 - eps, eps the machine
    epsilon of the type. Outside [-1, 1] the value is NaN.

    Arguments:
        x: any shape, real, in [-1, 1].

    Returns:
        Angles in [0, pi], radians.

    Example:
        >>> import jax
        >>> from qrnn_jax.ops import safe_arccos
        >>> bool(jax.numpy.isfinite(jax.grad(safe_arccos)(1.0)))
        True
    """
    return jnp.arccos(x)


@safe_arccos.defjvp
def _safe_arccos_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (x_dot,) = primals, tangents
    limit = 1 - jnp.finfo(jnp.result_type(x)).eps
    inside = jnp.clip(x, -limit, limit)
    return safe_arccos(x), -x_dot / jnp.sqrt(1 - inside**2)


@jax.custom_jvp
def safe_sqrt(x: Array) -> Array:
    """The square root with an exact value and a finite derivative at 0.

    Equation: y = sqrt x; dy = dx / (2 sqrt c), c = x but at least eps, the machine epsilon of the
    type. Below 0 the value is NaN.

    Arguments:
        x: any shape, real, 0 or more.

    Returns:
        An array of the shape of `x`.

    Example:
        >>> import jax
        >>> from qrnn_jax.ops import safe_sqrt
        >>> bool(jax.numpy.isfinite(jax.grad(safe_sqrt)(0.0)))
        True
    """
    return jnp.sqrt(x)


@safe_sqrt.defjvp
def _safe_sqrt_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (x_dot,) = primals, tangents
    inside = jnp.maximum(x, jnp.finfo(jnp.result_type(x)).eps)
    return safe_sqrt(x), x_dot / (2 * jnp.sqrt(inside))
