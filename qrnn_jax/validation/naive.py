"""The two-term shift rule used as if a shared weight were one gate, beside the rule that holds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

import qrnn_jax as qj

from .pilot import pilot_inputs
from .quick_jit import quick_jit

ANGLE = 0.37  # of cos(R w), away from all zeros


def naive_rule(cell: qj.AbstractCell, weights: Array, xs: Array) -> Array:
    """The two-term rule on each shared weight: exact only where every weight occurs once.

    Equation: [y_T(w + pi/2 e_p) - y_T(w - pi/2 e_p)] / 2.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.naive import cosine_cell, naive_rule
        >>> abs(naive_rule(cosine_cell(), jnp.array([0.3]), jnp.zeros((2, 0)))[0]) < 1e-6
        Array(True, dtype=bool)
    """
    shifts = jnp.pi / 2 * jnp.eye(len(weights), dtype=weights.dtype)
    value = jax.vmap(lambda moved: qj.run(cell, moved, xs)[-1, 0])
    return (value(weights + shifts) - value(weights - shifts)) / 2


def exact_rule(cell: qj.AbstractCell, weights: Array, xs: Array) -> Array:
    """The derivative of the last output by `ParameterShift`: shifts of every occurrence."""
    return jax.grad(lambda w: qj.run(cell, w, xs, gradient=qj.ParameterShift())[-1, 0])(weights)


def cosine_cell() -> qj.CircuitCell:
    """One qubit, one rotation per step, never reset: after R steps y = cos(R w).

    Example:
        >>> from qrnn_jax.validation.naive import cosine_cell
        >>> cosine_cell().circuit.is_unitary
        True
    """
    return qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)),)), qj.Z(0))


def cosine_rows(most: int) -> list[dict[str, float]]:
    """For each R up to `most`: the derivative of cos(R w), and what both rules return."""
    cell, weights = cosine_cell(), jnp.array([ANGLE])
    rows = []
    for count in range(1, most + 1):
        xs = jnp.zeros((count, 0))
        both = quick_jit(lambda w, xs=xs: (naive_rule(cell, w, xs), exact_rule(cell, w, xs)))
        naive, shift = both(weights)
        truth = float(-count * np.sin(count * ANGLE))
        rows.append(
            {
                "occurrences": count,
                "true": truth,
                "naive": float(naive[0]),
                "shift": float(shift[0]),
                "predicted": float(truth * np.sin(count * np.pi / 2) / count),
            }
        )
    return rows


def naive_errors(cell: qj.AbstractCell, steps: int, seeds: range) -> dict[str, Any]:
    """Relative L2 errors of the naive gradient for several seeds, and the exact rule's largest."""

    @quick_jit
    def all_three(weights: Array, xs: Array) -> tuple[Array, ...]:
        return tuple(rule(cell, weights, xs) for rule in (naive_rule, exact_rule, autodiff))

    naive, exact = [], []
    for seed in seeds:
        wrong, right, truth = map(np.asarray, all_three(*pilot_inputs(steps, seed)))
        naive.append(relative(wrong, truth))
        exact.append(relative(right, truth))
    return {"naive": naive, "exact": max(exact)}


def autodiff(cell: qj.AbstractCell, weights: Array, xs: Array) -> Array:
    """The derivative of the last output, by autodiff of the density matrix."""

    def last(weights: Array) -> Array:
        return qj.run(cell, weights, xs, engine=qj.DensityMatrix(), gradient=qj.Backprop())[-1, 0]

    return jax.grad(last)(weights)


def relative(found: NDArray, truth: NDArray) -> float:
    """|found - truth| / |truth|, Euclidean norms.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.validation.naive import relative
        >>> relative(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
        1.0
    """
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))
