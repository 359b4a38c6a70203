"""Steps of rotations and CZ gates on Pauli coordinates: real numbers, forwards and backwards.

A state of n qubits is r_P = Tr(P rho) over the D = 4^n Pauli words, an observable sum_P a_P P is a
row a, and Tr(A rho) = sum a r. Every gate here is one signed permutation, partly followed:

    r'_P = cos r_P + sin s_P r_{pi(P)}  for the words it moves,   r'_P = r_P  for the others,

with cos, sin of a rotation's angle, and 0, 1 for CZ. So a shift by +- pi / 2 right behind a
rotation changes a . r into

    still +- swing:   still = sum of a_P r_P over the other words,   swing = sum a_P s_P r_{pi(P)}.

That gives every shifted circuit of a step for two passes through it, and each one apart, as the
variances of a device need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

import qrnn_jax as qj

PAULIS = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]),
          "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}  # fmt: skip
BY_DATA, BY_NOTHING = -1, -2  # the angle of a gate without weight: the input, a quarter turn


class Gates(NamedTuple):
    """The G gates of a step up to its read-out.

    Arguments:
        angle: (G,), index of the weight, or `BY_DATA`, or `BY_NOTHING`.
        place: (G, D), pi.
        sign: (G, D), s where a word is moved, else 0.
    """

    angle: np.ndarray
    place: np.ndarray
    sign: np.ndarray


@final
@dataclass(frozen=True)
class PauliSteps:
    """A cell of Viqueira et al. with one exchange qubit, on Pauli coordinates.

    Arguments:
        cell: with `exchange=1`; each weight is the angle of one rotation of a step.

    Raises:
        ValueError: more than one exchange qubit.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.pauli_steps import PauliSteps
        >>> PauliSteps(qj.cells.Viqueira(1, 2, layers=3, uploads=3)).gates.angle.tolist()[:6]
        [-1, 0, 1, -1, 2, 3]
    """

    cell: qj.cells.Viqueira

    def __post_init__(self) -> None:
        if self.cell.exchange != 1:
            raise ValueError(
                f"Argument `cell` must have one exchange qubit, but has {self.cell.exchange}; "
                "try `qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)`."
            )

    @cached_property
    def gates(self) -> Gates:
        """What each gate moves where."""
        circuit = self.cell.circuit
        found = [_gate(op, circuit.wires) for op in circuit.operations[: circuit.read_index]]
        return Gates(*(np.stack(part) for part in zip(*found)))

    @cached_property
    def weighted(self) -> np.ndarray:
        """Which gate has weight 0, 1, .., (K,)."""
        return np.array([np.flatnonzero(self.gates.angle == k)[0]
                         for k in range(self.cell.circuit.weight_count)])  # fmt: skip

    @cached_property
    def start(self) -> np.ndarray:
        """The memory in |0..0>, (D / 4,): its words of I and Z are 1."""
        words = product("IXYZ", repeat=self.cell.memory)
        return np.array([float(set(word) <= {"I", "Z"}) for word in words])

    def forwards(self, weights: Array, x: Array, memory: Array) -> tuple[Array, Array]:
        """One step from a memory (D / 4,), the exchange qubit in |0>.

        Returns:
            The state behind the last gate, (4, D / 4), and behind every gate, (G, D). The next
            memory is `state[0]`, the output `state[3, 0]`.
        """
        nothing = jnp.zeros_like(memory)

        def follow(state: Array, gate: Any) -> tuple[Array, Array]:
            cos, sin, place = gate
            state = cos * state + sin * state[place]
            return state, state

        begin = jnp.concatenate([memory, nothing, nothing, memory])
        state, seen = lax.scan(follow, begin, self._turns(weights, x))
        return state.reshape(4, -1), seen

    def backwards(
        self, weights: Array, x: Array, rows: Array, seen: Array
    ) -> tuple[Array, Array, Array]:
        """R rows behind the last gate as rows on the memory in front of the step.

        Arguments:
            weights, x: of the step.
            rows: (R, 4, D / 4).
            seen: what `forwards` saw, (G, D).

        Returns:
            The rows (R, D / 4), then `still` and `swing` of every weight, (K, R).
        """
        sign = jnp.asarray(self.gates.sign, rows.dtype)

        def follow(rows: Array, gate: Any) -> tuple[Array, tuple[Array, Array]]:
            (cos, sin, place), sign, state = gate
            still, swing = rows @ jnp.where(sign == 0, state, 0), rows @ (sign * state[place])
            # the transpose: pi is an involution, and s_pi(P) = -s_P for rotations
            return cos * rows + (sin * rows)[:, place], (still, swing)

        gates = self._turns(weights, x), sign, seen
        flat = rows.reshape(len(rows), -1)
        flat, found = lax.scan(follow, flat, gates, reverse=True)
        still, swing = (part[self.weighted] for part in found)
        front = flat.reshape(rows.shape)
        return front[:, 0] + front[:, 3], still, swing

    def _turns(self, weights: Array, x: Array) -> tuple[Array, Array, Array]:
        """cos, s sin and pi of every gate, (G, D) each."""
        gates, quarter = self.gates, jnp.full(1, jnp.pi / 2, weights.dtype)
        angles = jnp.concatenate([weights, quarter, x[None]])[gates.angle, None]
        sign = jnp.asarray(gates.sign, weights.dtype)
        cos = jnp.where(sign == 0, 1, jnp.cos(angles))
        return cos, sign * jnp.sin(angles), jnp.asarray(gates.place)


def _gate(operation: Any, wires: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Index of the angle, pi and s, from the Heisenberg picture of a quarter turn."""
    if isinstance(operation, qj.CZ):
        angle, matrix = BY_NOTHING, np.diag([1, 1, 1, -1])
    else:
        (slot,) = operation.parameters
        angle = next(iter(slot.weights), BY_DATA)
        matrix = (np.eye(2) - 2j * operation.generator) / np.sqrt(2)
    place, sign = _moves(matrix, operation.wires, wires)
    return angle, place, sign


def _moves(matrix: np.ndarray, on: tuple[int, ...], wires: int) -> tuple[np.ndarray, np.ndarray]:
    """U^dagger P U = s_P pi(P): (D,) each; s = 0 where nothing moves."""
    words = list(product("IXYZ", repeat=wires))
    index = {word: place for place, word in enumerate(words)}
    local = {word: _dense(word) for word in product("IXYZ", repeat=len(on))}
    place, sign = np.arange(len(words)), np.zeros(len(words))
    for number, word in enumerate(words):
        own = tuple(word[wire] for wire in on)
        turned = matrix.conj().T @ local[own] @ matrix
        for other, pauli in local.items():
            overlap = np.trace(pauli @ turned).real / len(matrix)
            if abs(overlap) > 0.5 and other != own:
                letters = list(word)
                for wire, letter in zip(on, other):
                    letters[wire] = letter
                place[number], sign[number] = index[tuple(letters)], round(overlap)
    return place, sign


def _dense(word: tuple[str, ...]) -> np.ndarray:
    matrix = np.eye(1)
    for letter in word:
        matrix = np.kron(matrix, PAULIS[letter])
    return matrix
