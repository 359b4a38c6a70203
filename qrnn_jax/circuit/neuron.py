"""The quantum neuron: a rotation of one wire by a nonlinear function of other wires' bits."""

import abc
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import NoReturn, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import AbstractChannel, AbstractGate, AbstractOperation, check_wires
from qrnn_jax.circuit.slots import Slot, as_slot
from qrnn_jax.circuit.spectrum import ShiftTerm, shift_terms
from qrnn_jax.ops import superoperator


def neuron_subsets(sources: int, degree: int) -> tuple[tuple[int, ...], ...]:
    """The subsets S of n sources with |S| <= degree, by size, then lexicographic; () is first."""
    sizes = range(min(sources, degree) + 1)
    return tuple(subset for size in sizes for subset in combinations(range(sources), size))


@lru_cache(maxsize=64)
def monomials(sources: int, degree: int) -> np.ndarray:
    """prod_{i in S} x_i for every bit string x of the sources and subset S: (2**n, m), 0 and 1.

    The first source is the most significant bit of x.
    """
    bits = np.arange(2**sources)[:, None] >> np.arange(sources)[::-1] & 1  # (2**n, n)
    columns = [bits[:, list(subset)].all(axis=1) for subset in neuron_subsets(sources, degree)]
    return np.stack(columns, axis=1).astype(float)


def activation(eta: Array, order: int) -> tuple[Array, Array]:
    """c = cos(eta / 2)^(2^order) and s = sin(eta / 2)^(2^order): what an applied neuron leaves."""
    return jnp.cos(eta / 2) ** (2**order), jnp.sin(eta / 2) ** (2**order)


class AbstractNeuron(AbstractOperation):
    """A real 2 x 2 map of the target for every bit string x of the sources.

    Equation: |0> -> c |0> + s |1>, |1> -> c |1> - s |0>, with (c, s) from `amplitudes` at x.
    """

    sources: tuple[int, ...]
    target: int
    angles: tuple[Slot, ...]
    order: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "angles", tuple(as_slot(a, "angles") for a in self.angles))
        check_wires(self.wires)
        order = self.order
        if isinstance(order, bool) or not isinstance(order, int) or order < 1:
            raise ValueError(
                f"Argument `order` must be an integer of 1 or more, but is {order!r}; "
                "try 2, or `RY` for a linear rotation."
            )
        object.__setattr__(self, "_degree", _degree(len(self.sources), len(self.angles)))

    @property
    def degree(self) -> int:
        """The largest number of source bits multiplied with each other."""
        return int(self.__dict__["_degree"])

    @property
    def wires(self) -> tuple[int, ...]:
        return (*self.sources, self.target)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return self.angles

    @property
    def label(self) -> str:
        return type(self).__name__

    @property
    def static(self) -> object:
        return len(self.sources), len(self.angles), self.order

    def activation_angles(self, *angles: Array) -> Array:
        """eta(x) for every bit string of the sources, (2**n,)."""
        stacked = jnp.stack(angles)
        return jnp.asarray(monomials(len(self.sources), self.degree), stacked.dtype) @ stacked

    @abc.abstractmethod
    def amplitudes(self, *angles: Array) -> tuple[Array, Array]:
        """c and s for every bit string of the sources, (2**n,) each."""

    def block_matrix(self, *angles: Array) -> Array:
        """The block-diagonal matrix on (sources, target), (2**(n+1), 2**(n+1)), complex."""
        c, s = self.amplitudes(*angles)
        turns = jnp.stack([jnp.stack([c, -s], axis=-1), jnp.stack([s, c], axis=-1)], axis=1)
        size = 2 * len(c)
        diagonal = jnp.eye(len(c), dtype=c.dtype)[:, None, :, None]  # (x, 1, x', 1)
        matrix = (diagonal * turns[:, :, None, :]).reshape(size, size)
        return matrix.astype(jnp.result_type(c.dtype, jnp.complex64))


@final
@dataclass(frozen=True)
class Neuron(AbstractNeuron, AbstractChannel):
    """Bausch's neuron, applied where its ancillas succeed: not trace preserving.

    Equation: |x>|0> -> |x>(c |0> + s |1>), |x>|1> -> |x>(c |1> - s |0>), with
    c = cos(eta/2)^(2^order), s = sin(eta/2)^(2^order) and eta(x) = sum_S theta_S prod_{i in S} x_i
    over the subsets S of the sources, |S| <= degree, ordered by size, then lexicographic: the bias
    theta_() first. A run survives with probability c^2 + s^2, at least 2^(1 - 2^order): 1/2, 1/8,
    1/128 for order 1, 2, 3.

    This is what the paper simulates. It scales branch x by sqrt(c^2 + s^2), so on superposed
    sources it is no rotation; ideal amplification would give `UnitaryNeuron`. A device plays
    `order` ancillas instead: `cells.Bausch.explicit_circuit`. The shift rule has 2^(order+1) terms
    (the frequencies are 1 .. 2^order) and holds for what is not yet divided by the survival.

    Arguments:
        sources: n distinct wires that control; may be empty.
        target: the wire that is turned.
        angles: theta_S, radians, sum_{k <= degree} binom(n, k) numbers or slots, which fix the
            degree. A fixed mean of the bias is written `Weight(i) + mean`.
        order: 1 or more; the larger, the more step-like.

    Raises:
        ValueError: no degree has as many angles; repeated wires; an order below 1.

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> neuron = qj.Neuron((0, 1), 2, (qj.Weight(0) + np.pi / 2, qj.Weight(1), qj.Weight(2)))
        >>> neuron.degree, len(neuron.shift_terms(0))
        (1, 8)

    Source: Bausch, arXiv 2006.14619, section 2; Cao, Guerreschi and Aspuru-Guzik, arXiv 1711.11240.
    """

    is_selective = True

    sources: tuple[int, ...]
    target: int
    angles: tuple[Slot, ...]
    order: int = 2

    @property
    def has_shift_rule(self) -> bool:
        return True

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """The frequencies 1 .. 2^order, as those of a generator diag(0 .. 2^order)."""
        del parameter, observable_degree
        return shift_terms(np.diag(np.arange(2**self.order + 1.0)))

    def amplitudes(self, *angles: Array) -> tuple[Array, Array]:
        return activation(self.activation_angles(*angles), self.order)

    def kraus(self, *strengths: Array) -> Array:
        return self.block_matrix(*strengths)[None]

    def superoperator(self, *strengths: Array) -> Array:
        return superoperator(self.kraus(*strengths))


@final
@dataclass(frozen=True)
class UnitaryNeuron(AbstractNeuron, AbstractGate):
    """Bausch's neuron after ideal amplification: every branch succeeds, so it is a rotation.

    Equation: as `Neuron`, with (c, s) divided by sqrt(c^2 + s^2): branch x is turned by
    arctan(tan(eta(x)/2)^(2^order)). Smooth everywhere, as c and s never vanish together.

    It equals `Neuron` where the sources hold a definite word, and differs on superpositions. It has
    infinitely many frequencies, so no finite shift rule: use `Backprop`.

    Arguments:
        sources: as in `Neuron`.
        target: as in `Neuron`.
        angles: as in `Neuron`.
        order: as in `Neuron`.

    Raises:
        ValueError: as `Neuron`; when asked for a shift rule.

    Example:
        >>> import numpy as np, qrnn_jax as qj
        >>> steep = qj.UnitaryNeuron((), 0, (2.4,), order=3)
        >>> bool(abs(qj.Circuit(1, (steep,)).matrix()[1, 0]) > 0.99)
        True

    Source: the amplification that Bausch, arXiv 2006.14619, describes; reasoned, not simulated.
    """

    sources: tuple[int, ...]
    target: int
    angles: tuple[Slot, ...]
    order: int = 2

    @property
    def has_shift_rule(self) -> bool:
        return False

    def amplitudes(self, *angles: Array) -> tuple[Array, Array]:
        c, s = activation(self.activation_angles(*angles), self.order)
        length = jnp.sqrt(c**2 + s**2)
        return c / length, s / length

    def matrix(self, *angles: Array) -> Array:
        return self.block_matrix(*angles)

    def generators(self) -> tuple[np.ndarray, ...]:
        self._refuse()

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        del parameter, observable_degree
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            f"A shift rule must have finitely many frequencies, but {self} turns by an arctan of "
            "its angles, which has no end of them; try `Neuron`, or `Backprop()`."
        )


def _degree(sources: int, count: int) -> int:
    """The degree with that many subsets."""
    sizes = np.cumsum([comb(sources, size) for size in range(sources + 1)]).tolist()
    if count not in sizes:
        raise ValueError(
            f"Argument `angles` must have one entry per subset of the sources up to some size, "
            f"{sizes} for {sources} sources, but has {count}; try one of these numbers."
        )
    return sizes.index(count)
