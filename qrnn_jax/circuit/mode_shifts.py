"""Shift rules on modes: from how a gate's affine action depends on a parameter.

The mean of an observable of degree 1 (x, p) is linear in the entries of a Gaussian gate's affine
map, whatever Gaussian map follows; that of degree 2 (x^2, photon number) is quadratic. With entries
in the span of known functions of the parameter a, d/da = sum_j c_j (shift by s_j) is exact:

    linear       1, a                 c [f(a+s) - f(a-s)], c = 1/(2s), for both degrees
    hyperbolic   cosh a, sinh a       degree 1: c = 1/(2 sinh s); degree 2: two pairs of shifts with
                                      sum_j 2 c_j sinh(k s_j) = k for k = 1, 2
    angle        cos a, sin a         the trigonometric rule with the frequencies 1 .. degree

Any s would do for the first two; s = 1 keeps the noise of a device small.
"""

from enum import Enum

import numpy as np

from qrnn_jax.circuit.spectrum import ShiftTerm, shift_terms

_SHIFT = 1.0


class Entries(Enum):
    """How the entries of a gate's affine map depend on a parameter."""

    LINEAR = "1, a"
    HYPERBOLIC = "cosh a, sinh a"
    ANGLE = "cos a, sin a"


def mode_shift_terms(entries: Entries, degree: int) -> tuple[ShiftTerm, ...]:
    """The exact shift rule for one parameter of a Gaussian gate.

    Arguments:
        entries: how the affine map depends on the parameter.
        degree: of the observable in the mode operators, 1 or 2.

    Returns:
        Two terms per frequency.

    Raises:
        ValueError: another degree.
    """
    if degree not in (1, 2):
        raise ValueError(
            "A shift rule on modes must meet an observable of degree 1 or 2, but this one has "
            f"degree {degree}; try `Backprop()`."
        )
    if entries is Entries.ANGLE:
        return shift_terms(np.diag(np.arange(degree + 1.0)))
    if entries is Entries.LINEAR:
        return _pairs(np.array([1 / (2 * _SHIFT)]), np.array([_SHIFT]))
    order = np.arange(1, degree + 1)
    shifts = _SHIFT / order
    return _pairs(np.linalg.solve(2 * np.sinh(np.outer(order, shifts)), order), shifts)


def _pairs(coefficients: np.ndarray, shifts: np.ndarray) -> tuple[ShiftTerm, ...]:
    return tuple(
        ShiftTerm(float(sign * c), float(sign * s))
        for c, s in zip(coefficients, shifts)
        for sign in (1, -1)
    )
