"""Constant channels as stacks of Kraus matrices (m, d, d), in NumPy: made, composed, shortened."""

from collections.abc import Sequence
from functools import reduce
from itertools import product

import numpy as np

from qrnn_jax.circuit.operation import pauli_word_matrix

_SMALLEST = 1e-9  # singular values below it are rounding: their squares are probabilities

RESET = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], complex)
DEPHASED = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]], complex)


def relaxation(damping: float, dephasing: float) -> np.ndarray:
    """Amplitude damping, then phase damping, (3, 2, 2)."""
    coherence = np.sqrt((1 - damping) * (1 - dephasing))
    return np.array(
        [
            [[1, 0], [0, coherence]],
            [[0, np.sqrt(damping)], [0, 0]],
            [[0, 0], [0, np.sqrt((1 - damping) * dephasing)]],
        ],
        complex,
    )


def depolarising(p: float, wires: int) -> np.ndarray:
    """rho -> (1-p) rho + p 1/d: all Pauli words alike, (4**wires, d, d)."""
    weights = np.full(4**wires, np.sqrt(p / 4**wires))
    weights[0] = np.sqrt(1 - p + p / 4**wires)
    words = [pauli_word_matrix("".join(letters)) for letters in product("IXYZ", repeat=wires)]
    return weights[:, None, None] * np.array(words)


def composed(*channels: np.ndarray) -> np.ndarray:
    """The channels one after the other, the first one first, in at most d**2 matrices."""
    return reduce(lambda done, then: shortest(_after(then, done)), channels)


def side_by_side(channels: Sequence[np.ndarray]) -> np.ndarray:
    """The channels on wires of their own, the first one most significant."""
    return reduce(lambda left, right: shortest(_products(left, right)), channels)


def shortest(kraus: np.ndarray) -> np.ndarray:
    """The same channel in as few matrices as it takes.

    Equation: K'_i = s_i V_i, from the singular values of the matrices written as rows.
    """
    size = kraus.shape[-1]
    _, values, rows = np.linalg.svd(kraus.reshape(-1, size * size), full_matrices=False)
    kept = values > _SMALLEST
    return (values[kept, None] * rows[kept]).reshape(-1, size, size)


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """All Kronecker products."""
    size = left.shape[-1] * right.shape[-1]
    return np.einsum("aij,bkl->abikjl", left, right).reshape(-1, size, size)


def turn(name: str, angle: float) -> np.ndarray:
    """exp(-i angle P / 2), P the letters behind the r of `rx`, .., `rzz`."""
    pauli = pauli_word_matrix(name[1:].upper())
    return np.cos(angle / 2) * np.eye(len(pauli)) - 1j * np.sin(angle / 2) * pauli


def _after(then: np.ndarray, done: np.ndarray) -> np.ndarray:
    """All matrix products."""
    size = done.shape[-1]
    return np.einsum("aij,bjk->abik", then, done).reshape(-1, size, size)
