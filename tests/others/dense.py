"""The same gradients once more, with nothing but NumPy: density matrices and their derivatives.

A rotation U = exp(-i a G / 2) moves the pair (rho, d rho / d a) to

    (U rho U^dagger,  U (d rho / d a) U^dagger - (i / 2) [G, U rho U^dagger]);

a channel acts on both parts alike. No shift, no step, no automatic differentiation.
"""

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import numpy as np

X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1.0 + 0j, -1.0])
ZERO, ONE = np.diag([1.0 + 0j, 0.0]), np.diag([0.0, 1.0 + 0j])
LOWER = np.array([[0, 1], [0, 0]], complex)  # |0><1|


class State(NamedTuple):
    """rho (d, d) and its derivative in every angle (P, d, d)."""

    rho: np.ndarray
    derivatives: np.ndarray


def at(wires: int, **matrices: np.ndarray) -> np.ndarray:
    """One-wire matrices on their wires (`w0=X`), the identity elsewhere."""
    return reduce(np.kron, [matrices.get(f"w{wire}", np.eye(2)) for wire in range(wires)])


def start(wires: int, angles: int) -> State:
    rho = np.zeros((2**wires, 2**wires), complex)
    rho[0, 0] = 1
    return State(rho, np.zeros((angles, *rho.shape), complex))


def channel(state: State, *kraus: np.ndarray) -> State:
    return State(*(sum(k @ part @ k.conj().T for k in kraus) for part in state))


def rotate(state: State, generator: np.ndarray, angle: float, index: int | None = None) -> State:
    """exp(-i angle G / 2); `index` says which of the angles this is, None for a constant."""
    unitary = np.cos(angle / 2) * np.eye(len(generator)) - 1j * np.sin(angle / 2) * generator
    state = channel(state, unitary)
    if index is not None:
        state.derivatives[index] -= 0.5j * (generator @ state.rho - state.rho @ generator)
    return state


def gradient(state: State, observable: np.ndarray) -> np.ndarray:
    return np.trace(observable @ state.derivatives, axis1=1, axis2=2).real


CNOT_01 = at(2, w0=ZERO) + at(2, w0=ONE, w1=X)
CNOT_10 = at(2, w1=ZERO) + at(2, w0=X, w1=ONE)
RESET_0 = (at(2, w0=ZERO), at(2, w0=LOWER))
MEASURE_0 = (at(2, w0=ZERO), at(2, w0=ONE))


def _shared(angles: tuple[float, ...], steps: int) -> np.ndarray:
    state = start(1, 1)
    for _ in range(steps):
        state = rotate(state, X, angles[0], 0)
    return gradient(state, Z)


def _recurrent(angles: tuple[float, ...]) -> np.ndarray:
    state = start(2, 2)
    for step in range(4):
        state = channel(state, *RESET_0) if step else state
        state = channel(rotate(state, at(2, w0=X), angles[0], 0), CNOT_01)
        state = channel(rotate(state, at(2, w1=Y), angles[1], 1), CNOT_10)
    return gradient(state, at(2, w0=Z))


def _reset(angles: tuple[float, ...]) -> np.ndarray:
    state = start(2, 3)
    for index, angle in enumerate(angles):
        state = channel(rotate(state, at(2, w0=X), angle, index), CNOT_01)
        state = channel(rotate(state, at(2, w1=Y), 0.4), *RESET_0)
    return gradient(state, at(2, w1=Z))


def _conditional(angles: tuple[float, ...]) -> np.ndarray:
    """The two branches of the bit, with the gate in one of them."""
    state = rotate(start(2, 2), at(2, w1=Y), 0.4)
    state = rotate(state, at(2, w0=X), angles[0], 0)
    without = channel(state, at(2, w0=ZERO))
    gated = rotate(channel(state, at(2, w0=ONE)), at(2, w1=Y), angles[1], 1)
    return gradient(without, at(2, w1=Z)) + gradient(gated, at(2, w1=Z))


def _post_selection(angles: tuple[float, ...]) -> np.ndarray:
    """n / d with n = tr(P Z_1 rho), d = tr(P rho): (n' d - n d') / d^2."""
    state = rotate(start(2, 2), at(2, w0=X), angles[0], 0)
    state = channel(rotate(state, at(2, w1=Y), angles[1], 1), CNOT_10)
    above, below = at(2, w0=ONE, w1=Z), at(2, w0=ONE)
    n, d = (np.trace(o @ state.rho).real for o in (above, below))
    return (gradient(state, above) * d - n * gradient(state, below)) / d**2


def _sampled_outcome(angles: tuple[float, ...]) -> np.ndarray:
    state = channel(rotate(start(2, 2), at(2, w0=X), angles[0], 0), CNOT_01)
    state = rotate(channel(state, *MEASURE_0), at(2, w1=Y), angles[1], 1)
    return gradient(state, at(2, w1=Z))


GRADIENTS: dict[str, Callable[[tuple[float, ...]], np.ndarray]] = {
    "shared-2": lambda angles: _shared(angles, 2),
    "shared-3": lambda angles: _shared(angles, 3),
    "recurrent": _recurrent,
    "reset": _reset,
    "conditional": _conditional,
    "post-selection": _post_selection,
    "sampled-outcome": _sampled_outcome,
    "finite-difference": lambda angles: _shared(angles, 2),
}
"""Name of a case -> its exact gradient."""
