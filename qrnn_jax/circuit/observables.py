"""What is read: weighted sums of Pauli strings, and outcome probabilities."""

import abc
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import PAULI_MATRICES, check_wires, pauli_word_matrix
from qrnn_jax.ops import apply_matrix, marginal


class AbstractObservable(abc.ABC):
    """One or several numbers that are linear in the state.

    Example:
        >>> import qrnn_jax as qj
        >>> [isinstance(o, qj.AbstractObservable) for o in (qj.Z(0), qj.Probabilities((0, 1)))]
        [True, True]
    """

    @property
    @abc.abstractmethod
    def wires(self) -> tuple[int, ...]:
        """The wires read, ascending for sums, in the caller's order for probabilities."""

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """How many numbers are read."""

    @property
    def degree(self) -> int:
        """Degree in the mode operators, which shift rules on modes depend on; 1 for qubits."""
        return 1

    @abc.abstractmethod
    def read(self, left: Array, right: Array, probabilities: Array, place: dict[int, int]) -> Array:
        """The values on the state left right^dagger.

        Arguments:
            left: (2**n, columns).
            right: (2**n, columns).
            probabilities: (2**n,), the diagonal of left right^dagger.
            place: the position of each wire among the state's n wires.

        Returns:
            (outputs,), real.
        """

    @abc.abstractmethod
    def matrices(self, place: dict[int, int], count: int) -> np.ndarray:
        """The (outputs, 2**count, 2**count) dense matrices: the oracle, and for small registers."""

    def confused(self, errors: Mapping[int, tuple[float, float]]) -> "AbstractObservable":
        """What is read in its place when outcomes are flipped; here for outcome distributions.

        Equation: p'[b] = sum_c prod_i P(read b_i | true c_i) p[c].

        Arguments:
            errors: for some wires, (P(read 1 | true 0), P(read 0 | true 1)).

        Returns:
            The observable itself where no wire of it has an error.
        """
        if not set(errors) & set(self.wires):
            return self
        return Confused(self, tuple(errors.get(wire, (0.0, 0.0)) for wire in self.wires))


class AbstractPauli(AbstractObservable):
    """The algebra of Pauli words: `@` multiplies words, `+ - *` make real-weighted sums."""

    @abc.abstractmethod
    def as_sum(self) -> "PauliSum":
        """This operator as a sum of weighted words."""

    @property
    def outputs(self) -> int:
        return 1

    def read(self, left: Array, right: Array, probabilities: Array, place: dict[int, int]) -> Array:
        return self.as_sum().read_sum(left, right, probabilities, place)

    def matrices(self, place: dict[int, int], count: int) -> np.ndarray:
        total = np.zeros((2**count, 2**count), complex)
        for coefficient, word in self.as_sum().terms:
            letters = ["I"] * count
            for wire, letter in word:
                letters[place[wire]] = letter
            total += coefficient * pauli_word_matrix("".join(letters))
        return total[None]

    def confused(self, errors: Mapping[int, tuple[float, float]]) -> "AbstractPauli":
        """What is read in its place when outcomes are flipped, in whatever basis.

        Equation: each factor P of a word becomes (1 - p01 - p10) P + (p10 - p01).

        Arguments:
            errors: for some wires, (p01, p10) = (P(read 1 | true 0), P(read 0 | true 1)).

        Returns:
            A sum of words, multiplied out; the observable itself where no wire has an error.
        """
        if not set(errors) & set(self.as_sum().wires):
            return self
        terms: dict[Word, float] = {}
        for coefficient, word in self.as_sum().terms:
            for factor, shorter in _expand(word, errors):
                terms[shorter] = terms.get(shorter, 0.0) + coefficient * factor
        return PauliSum(tuple((coefficient, word) for word, coefficient in terms.items()))

    def __matmul__(self, other: "AbstractPauli") -> "PauliSum":
        products = [
            (left * right, _multiply_words(first, second))
            for left, first in self.as_sum().terms
            for right, second in other.as_sum().terms
        ]
        return PauliSum(tuple(products))

    def __add__(self, other: "AbstractPauli") -> "PauliSum":
        return PauliSum(self.as_sum().terms + other.as_sum().terms)

    def __sub__(self, other: "AbstractPauli") -> "PauliSum":
        return self + (-1.0) * other

    def __neg__(self) -> "PauliSum":
        return (-1.0) * self

    def __mul__(self, factor: float) -> "PauliSum":
        if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
            raise TypeError(
                f"An observable must be weighted by a real number, but got {factor!r}; "
                "try `@` for products of Pauli operators."
            )
        return PauliSum(tuple((float(factor) * c, word) for c, word in self.as_sum().terms))

    __rmul__ = __mul__


Word = tuple[tuple[int, str], ...]


@final
@dataclass(frozen=True)
class PauliSum(AbstractPauli):
    """A real-weighted sum of Pauli words: one number is read.

    Equation: O = sum_m c_m P_m, read as <O> = Tr(O rho).

    Arguments:
        terms: (coefficient, ((wire, letter), ...)) pairs, usually built with `X`, `Y`, `Z`, `@`,
            `+` and `*`.

    Example:
        >>> import qrnn_jax as qj
        >>> 0.5 * qj.Z(0) @ qj.Y(2) + qj.X(1)
        0.5*Z0@Y2 + 1*X1

    Source: Nielsen and Chuang, section 10.5.
    """

    terms: tuple[tuple[float, Word], ...]

    @property
    def wires(self) -> tuple[int, ...]:
        return tuple(sorted({wire for _, word in self.terms for wire, _ in word}))

    def as_sum(self) -> "PauliSum":
        return self

    def read_sum(
        self, left: Array, right: Array, probabilities: Array, place: dict[int, int]
    ) -> Array:
        """See `AbstractObservable.read`; words of Z alone share one pass over the probabilities."""
        count = probabilities.size.bit_length() - 1
        diagonal = [term for term in self.terms if all(letter == "Z" for _, letter in term[1])]
        total = self._diagonal(diagonal, probabilities, place, count)
        for coefficient, word in self.terms:
            if (coefficient, word) in diagonal:
                continue
            image = left
            for wire, letter in word:
                matrix = jnp.asarray(PAULI_MATRICES[letter], left.dtype)
                image = apply_matrix(matrix, image, (place[wire],), count)
            total = total + coefficient * jnp.sum((image * right.conj()).real)
        return total[None]

    @staticmethod
    def _diagonal(
        terms: list[tuple[float, Word]], probabilities: Array, place: dict[int, int], count: int
    ) -> Array:
        wires = sorted({place[wire] for _, word in terms for wire, _ in word})
        bits = np.arange(2 ** len(wires))[:, None] >> np.arange(len(wires))[::-1] & 1
        values = np.zeros(2 ** len(wires))
        for coefficient, word in terms:
            columns = [wires.index(place[wire]) for wire, _ in word]
            values += coefficient * np.prod(1 - 2 * bits[:, columns], axis=1)
        return marginal(probabilities, wires, count) @ jnp.asarray(values, probabilities.dtype)

    def __repr__(self) -> str:
        return " + ".join(
            f"{c:.4g}*" + ("@".join(f"{letter}{wire}" for wire, letter in word) or "I")
            for c, word in self.terms
        )


@final
@dataclass(frozen=True)
class Probabilities(AbstractObservable):
    """The joint outcome distribution of some wires: 2**k numbers are read.

    Equation: p[b] = Tr(|b><b| rho), b = 0..2**k - 1, first wire most significant.

    Arguments:
        wires: k distinct wires.

    Raises:
        ValueError: wires are repeated, negative or missing.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Probabilities((0, 2)).outputs
        4

    Source: Nielsen and Chuang, section 2.2.
    """

    on: tuple[int, ...]

    def __init__(self, wires: int | Sequence[int]) -> None:
        wires = (wires,) if isinstance(wires, int) else tuple(wires)
        check_wires(wires)
        object.__setattr__(self, "on", wires)

    @property
    def wires(self) -> tuple[int, ...]:
        return self.on

    @property
    def outputs(self) -> int:
        return int(2 ** len(self.wires))

    def read(self, left: Array, right: Array, probabilities: Array, place: dict[int, int]) -> Array:
        del left, right
        count = probabilities.size.bit_length() - 1
        return marginal(probabilities, [place[wire] for wire in self.wires], count)

    def matrices(self, place: dict[int, int], count: int) -> np.ndarray:
        index = np.arange(2**count)
        outcome = np.zeros_like(index)
        for wire in self.wires:
            outcome = 2 * outcome + (index >> (count - 1 - place[wire]) & 1)
        return np.array([np.diag(outcome == b).astype(complex) for b in range(self.outputs)])


@final
@dataclass(frozen=True)
class Confused(AbstractObservable):
    """An outcome distribution whose bits are reported wrongly: see `AbstractObservable.confused`.

    Arguments:
        truth: the distribution of the true outcomes, 2**k numbers on k wires.
        flips: for each wire, (P(read 1 | true 0), P(read 0 | true 1)).
    """

    truth: AbstractObservable
    flips: tuple[tuple[float, float], ...]

    @property
    def wires(self) -> tuple[int, ...]:
        return self.truth.wires

    @property
    def outputs(self) -> int:
        return self.truth.outputs

    def read(self, left: Array, right: Array, probabilities: Array, place: dict[int, int]) -> Array:
        return self._mix(self.truth.read(left, right, probabilities, place))

    def matrices(self, place: dict[int, int], count: int) -> np.ndarray:
        return np.asarray(self._mix(jnp.asarray(self.truth.matrices(place, count))))

    def _mix(self, values: Array) -> Array:
        """One stochastic matrix per wire, on the first axis."""
        for position, (p01, p10) in enumerate(self.flips):
            matrix = jnp.asarray([[1 - p01, p10], [p01, 1 - p10]], values.dtype)
            values = apply_matrix(matrix, values, (position,), len(self.flips))
        return values


def _expand(word: Word, errors: Mapping[int, tuple[float, float]]) -> list[tuple[float, Word]]:
    """The product of (1 - p01 - p10) P + (p10 - p01) over a word's factors, multiplied out."""
    products: list[tuple[float, Word]] = [(1.0, ())]
    for wire, letter in word:
        p01, p10 = errors.get(wire, (0.0, 0.0))
        kept = [((1 - p01 - p10) * c, (*rest, (wire, letter))) for c, rest in products]
        lost = [((p10 - p01) * c, rest) for c, rest in products] if p01 != p10 else []
        products = kept + lost
    return products


def _multiply_words(first: Word, second: Word) -> Word:
    clash = {wire for wire, _ in first} & {wire for wire, _ in second}
    if clash:
        raise ValueError(
            f"A Pauli word must act on each wire once, but wire {min(clash)} appears twice; "
            "try simplifying the product by hand (for example X @ Y = iZ on one wire)."
        )
    return tuple(sorted(first + second))
