"""The feed-forward cell by hand: NumPy, pure states, an explicit sum over measured outcomes.

Nothing here uses the library's circuits, engines or rules. A branch is a list of outcomes; its
vector is not normalised, so that its squared norm is the probability of the branch. Each vector is
carried together with its derivatives in the four weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PAULIS = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]], complex),
}
ZERO, ONE = np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex)
LOWER = np.array([[0, 1], [0, 0]], complex)  # |0><1|
Vectors = NDArray[np.complex128]  # (1 + 4, 4): a vector of two qubits, and its four derivatives


def enumerate_feed_forward(
    weights: ArrayLike, xs: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outputs and Jacobian of `cells.feed_forward_cell` for a short series.

    Equation: y_t = sum over outcomes of <psi|O|psi>, dy_t = 2 Re sum over outcomes of <psi|O|dpsi>.

    Arguments:
        weights: (4,), radians.
        xs: (T,), radians; the number of branches is 4^T.

    Returns:
        (T, 2) outputs, (T, 2, 4) their derivatives.

    Example:
        >>> from qrnn_jax.validation.branches import enumerate_feed_forward
        >>> enumerate_feed_forward([0.0, 0.0, 0.0, 0.0], [0.0])[0].round(6).tolist()
        [[1.0, 1.0]]
    """
    start = np.zeros((5, 4), complex)
    start[0, 0] = 1
    branches = [start]
    outputs, jacobian = [], []
    for x in np.asarray(xs, float):
        measured = [end for state in branches for end in _step(state, np.asarray(weights), x)]
        reads = [(_read(state, _on(0, PAULIS["Z"])), _bit(state, bit)) for state, bit in measured]
        totals = np.sum(reads, axis=0)  # (2, 5)
        outputs.append(totals[:, 0])
        jacobian.append(totals[:, 1:])
        branches = [state @ _on(0, kraus).T for state, _ in measured for kraus in (ZERO, LOWER)]
    return np.stack(outputs), np.stack(jacobian)


def _step(state: Vectors, weights: NDArray, x: float) -> list[tuple[Vectors, int]]:
    """One step up to the reset: the vectors of both outcomes of the measurement."""
    state = _rotate(state, "Y", 0, x, None)
    state = _rotate(state, "X", 1, weights[0], 0)
    state = _flip(state, control=1)
    state = _rotate(state, "X", 0, weights[1], 1)
    ends = []
    for bit, projector in enumerate((ZERO, ONE)):
        branch = state @ _on(0, projector).T
        if bit:
            branch = _rotate(branch, "Y", 1, weights[2], 2)
        branch = _rotate(branch, "Z", 1, 0.4, None)
        branch = _rotate(branch, "Y", 0, weights[3], 3)
        ends.append((_flip(branch, control=0), bit))
    return ends


def _rotate(state: Vectors, letter: str, wire: int, angle: float, weight: int | None) -> Vectors:
    """exp(-i angle P / 2), by the product rule: its own derivative is -i P / 2 times itself."""
    pauli = PAULIS[letter]
    gate = np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * pauli
    turned = state @ _on(wire, gate).T
    if weight is not None:
        turned[1 + weight] += turned[0] @ _on(wire, -0.5j * pauli).T
    return turned


def _flip(state: Vectors, control: int) -> Vectors:
    """CNOT from one of the two qubits to the other."""
    other = 1 - control
    return state @ (_on(control, ZERO) + _on(control, ONE) @ _on(other, PAULIS["X"])).T


def _on(wire: int, matrix: NDArray) -> NDArray:
    return np.kron(matrix, np.eye(2)) if wire == 0 else np.kron(np.eye(2), matrix)


def _read(state: Vectors, observable: NDArray) -> NDArray[np.float64]:
    """<O> of one branch and its derivatives, (5,)."""
    overlaps = (state @ observable.T @ state[0].conj()).real
    return overlaps * np.array([1, 2, 2, 2, 2])


def _bit(state: Vectors, bit: int) -> NDArray[np.float64]:
    return (-1) ** bit * _read(state, np.eye(4))
