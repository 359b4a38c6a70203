"""Which observables one measurement setting delivers: groups that commute wire by wire.

A device measures every wire in one Pauli basis per circuit. All words of a group are read from the
same outcomes and keep their correlation; G groups are G different circuits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.constants import FrozenArray
from qrnn_jax.circuit.observables import AbstractObservable, AbstractPauli, Probabilities, Word
from qrnn_jax.circuit.operation import PAULI_MATRICES
from qrnn_jax.ops import apply_matrix, marginal

# rows are <+|, <-| of the letter's eigenvectors: after this change of basis, bits are outcomes
_ROOT = 2**-0.5
BASIS_CHANGE = {
    "X": _ROOT * np.array([[1, 1], [1, -1]], complex),
    "Y": _ROOT * np.array([[1, -1j], [1, 1j]], complex),
    "Z": np.eye(2, dtype=complex),
}


@final
@dataclass(frozen=True)
class Outcomes(AbstractObservable):
    """The joint outcome distribution of some wires, each measured in its own Pauli basis.

    Equation: p[b] = <b| R rho R^dagger |b>, R the change to the basis of the letters.

    Arguments:
        word: ((wire, letter), ...), ascending; the first wire is the most significant bit.
    """

    word: Word

    @property
    def wires(self) -> tuple[int, ...]:
        return tuple(wire for wire, _ in self.word)

    @property
    def outputs(self) -> int:
        return int(2 ** len(self.word))

    def rotate(self, vectors: Array, place: Mapping[int, int], count: int) -> Array:
        """R on the quantum index of (2**count, columns)."""
        for wire, letter in self.word:
            if letter != "Z":
                change = jnp.asarray(BASIS_CHANGE[letter], vectors.dtype)
                vectors = apply_matrix(change, vectors, (place[wire],), count)
        return vectors

    def rotate_back(self, vectors: Array, place: Mapping[int, int], count: int) -> Array:
        """The inverse of `rotate`."""
        for wire, letter in self.word:
            if letter != "Z":
                change = jnp.asarray(BASIS_CHANGE[letter].conj().T, vectors.dtype)
                vectors = apply_matrix(change, vectors, (place[wire],), count)
        return vectors

    def read(self, left: Array, right: Array, probabilities: Array, place: dict[int, int]) -> Array:
        count = probabilities.size.bit_length() - 1
        if any(letter != "Z" for _, letter in self.word):
            left, right = (self.rotate(side, place, count) for side in (left, right))
            probabilities = jnp.sum(left.real * right.real + left.imag * right.imag, axis=1)
        return marginal(probabilities, [place[wire] for wire in self.wires], count)

    def matrices(self, place: dict[int, int], count: int) -> np.ndarray:
        found = np.zeros((self.outputs, 2**count, 2**count), complex)
        for outcome in range(self.outputs):
            factors = [np.eye(2, dtype=complex)] * count
            for position, (wire, letter) in enumerate(self.word):
                bit = outcome >> (len(self.word) - 1 - position) & 1
                factors[place[wire]] = (np.eye(2) + (1 - 2 * bit) * PAULI_MATRICES[letter]) / 2
            product = np.eye(1, dtype=complex)
            for factor in factors:
                product = np.kron(product, factor)
            found[outcome] = product
        return found

    def bits(self) -> np.ndarray:
        """The bit of every wire in every outcome, (2**k, k)."""
        return spelled_bits(len(self.word))


@final
@dataclass(frozen=True)
class Group:
    """One measurement setting: what is measured, and what each outcome says about the reads.

    Arguments:
        outcomes: the wires and their bases.
        table: (2**k, M), the value that an outcome contributes to each of the M reads.
        flips: (2**k, 2**k), P(recorded | true) of the read-out's errors, or None.
    """

    outcomes: Outcomes
    table: FrozenArray
    flips: FrozenArray | None = None

    @property
    def values(self) -> np.ndarray:
        """`table` as real numbers."""
        return self.table.value.real


def spelled_bits(count: int) -> np.ndarray:
    """The bits of 0 .. 2**count - 1, most significant first, (2**count, count)."""
    return np.arange(2**count)[:, None] >> np.arange(count)[::-1] & 1


def measurement_groups(
    observables: Sequence[AbstractObservable],
    errors: Mapping[int, tuple[float, float]] | None = None,
) -> tuple[Group, ...]:
    """Sort Pauli words into groups that commute wire by wire, first fit.

    Arguments:
        observables: what is read.
        errors: for each wire, P(read 1 | true 0) and P(read 0 | true 1).

    Returns:
        One `Group` per setting; the reads are the sum over groups.
    """
    parts = [part for item in _with_column(observables) for part in _parts(*item)]
    bases: list[dict[int, str]] = []
    members: list[list[int]] = []
    for index, (word, _, _) in enumerate(parts):
        letters = dict(word)
        for basis, inside in zip(bases, members):
            if all(basis.get(wire, letter) == letter for wire, letter in letters.items()):
                basis.update(letters)
                inside.append(index)
                break
        else:
            bases.append(letters)
            members.append([index])
    total = sum(observable.outputs for observable in observables)
    return tuple(
        _group(tuple(sorted(basis.items())), [parts[i] for i in inside], total, errors or {})
        for basis, inside in zip(bases, members)
    )


Part = tuple[Word, int, np.ndarray]  # what is measured, first column, (2**k, columns) values


def _with_column(
    observables: Sequence[AbstractObservable],
) -> list[tuple[AbstractObservable, int]]:
    columns = np.cumsum([0, *(observable.outputs for observable in observables)])
    return [(observable, int(column)) for observable, column in zip(observables, columns)]


def _parts(observable: AbstractObservable, column: int) -> list[Part]:
    """A Pauli sum is measured word by word; outcome probabilities all at once."""
    if not isinstance(observable, AbstractPauli | Probabilities):
        raise ValueError(
            "Under `shots` an observable must be a Pauli sum or `Probabilities`, but is "
            f"{observable}; try a sum of Pauli words."
        )
    if isinstance(observable, Probabilities):
        word = tuple((wire, "Z") for wire in observable.wires)
        return [(word, column, np.eye(observable.outputs))]
    return [
        (word, column, coefficient * np.prod(1 - 2 * spelled_bits(len(word)), axis=1)[:, None])
        for coefficient, word in observable.as_sum().terms
    ]


def _group(
    word: Word, parts: Sequence[Part], total: int, errors: Mapping[int, tuple[float, float]]
) -> Group:
    wires = [wire for wire, _ in word]
    bits = spelled_bits(len(wires))
    table = np.zeros((len(bits), total))
    for letters, column, values in parts:
        places = [wires.index(wire) for wire, _ in letters]
        row = bits[:, places] @ (1 << np.arange(len(places))[::-1]) if places else 0
        table[:, column : column + values.shape[1]] += values[row]
    flips = np.eye(1)
    for wire in wires:
        p01, p10 = errors.get(wire, (0.0, 0.0))
        flips = np.kron(flips, np.array([[1 - p01, p10], [p01, 1 - p10]]))
    wrong = any(wire in errors for wire in wires)
    return Group(Outcomes(word), FrozenArray(table), FrozenArray(flips) if wrong else None)
