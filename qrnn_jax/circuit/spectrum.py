"""Shift rules from spectra: the only place where shift coefficients come from.

A gate exp(-i a G) acts on the state as a trigonometric polynomial in a whose frequencies are the
positive differences of G's eigenvalues (the gaps). An expectation value that is linear in the
state therefore obeys, exactly,

    df/da = sum_j c_j [f(a + s_j) - f(a - s_j)],   with   sum_j 2 c_j sin(w_k s_j) = w_k

for each frequency w_k. For equally spaced frequencies w_k = k D, k = 1..R (Wierichs et al.,
Quantum 6, 677 (2022)):  s_j = (2j - 1) pi / (2 R D),  c_j = D (-1)^(j-1) / (2 R (1 - cos D s_j)).
R = 1 is the two-term rule; frequencies 1/2 and 1 (controlled rotations) give the four-term rule.
"""

from typing import NamedTuple

import numpy as np

_MAX_FREQUENCIES = 32


class ShiftTerm(NamedTuple):
    """One evaluation of a shift rule: coefficient * f(angle + shift)."""

    coefficient: float
    shift: float


def frequencies(generator: np.ndarray) -> np.ndarray:
    """The distinct positive eigenvalue differences of a Hermitian generator, ascending.

    Arguments:
        generator: (d, d), Hermitian, in exp(-i a G).

    Returns:
        (R,), in units of 1 / angle.
    """
    eigenvalues = np.linalg.eigvalsh(generator)
    gaps = np.sort(np.abs(eigenvalues[:, None] - eigenvalues[None, :]).ravel())
    scale = max(1.0, float(gaps[-1]))
    gaps = gaps[gaps > 1e-9 * scale]
    if gaps.size == 0:
        return gaps
    return gaps[np.concatenate([[True], np.diff(gaps) > 1e-9 * scale])]


def shift_terms(generator: np.ndarray) -> tuple[ShiftTerm, ...]:
    """The exact shift rule of exp(-i a G), from G's spectrum.

    Arguments:
        generator: (d, d), Hermitian.

    Returns:
        Two terms per distinct frequency; empty when the gate is a global phase.

    Raises:
        ValueError: too many frequencies for a usable rule; try decomposing the gate, or `Backprop`.
    """
    gaps = frequencies(generator)
    if gaps.size > _MAX_FREQUENCIES:
        raise ValueError(
            f"A shift rule must have at most {_MAX_FREQUENCIES} frequencies to be usable, but this "
            f"generator has {gaps.size}; try decomposing the gate into rotations, or `Backprop()`."
        )
    if gaps.size == 0:
        return ()
    spacing, count = gaps[0], gaps.size
    if np.allclose(gaps, spacing * np.arange(1, count + 1), rtol=1e-9):
        order = np.arange(1, count + 1)
        shifts = (2 * order - 1) * np.pi / (2 * count * spacing)
        signs = (-1.0) ** (order - 1)
        # cos D s_j as the sine of the complement: exactly 0 for one frequency, so c_1 = D / 2
        cosines = np.sin((count + 1 - 2 * order) * np.pi / (2 * count))
        coefficients = spacing * signs / (2 * count * (1 - cosines))
    else:
        shifts, coefficients = _general_rule(gaps)
    pairs = [
        (ShiftTerm(float(c), float(s)), ShiftTerm(-float(c), -float(s)))
        for c, s in zip(coefficients, shifts)
    ]
    return tuple(term for pair in pairs for term in pair)


def _general_rule(gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shifts and coefficients for any frequencies, from a well-conditioned linear system."""
    order = np.arange(1, gaps.size + 1)
    best = None
    for stretch in np.linspace(0.5, 2.0, 61):
        shifts = stretch * (2 * order - 1) * np.pi / (2 * gaps[-1])
        system = 2 * np.sin(np.outer(gaps, shifts))
        condition = np.linalg.cond(system)
        if best is None or condition < best[0]:
            best = (condition, shifts, system)
    assert best is not None
    return best[1], np.linalg.solve(best[2], gaps)
