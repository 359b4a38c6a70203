"""Classical bits that a step knows: exclusive ors of data bits, and what they do to amplitudes."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
from jax import Array, lax


@final
@dataclass(frozen=True)
class Bit:
    """constant xor (the data bits of some tape columns)."""

    constant: int = 0
    columns: frozenset[int] = frozenset()

    def __xor__(self, other: "Bit") -> "Bit":
        return Bit(self.constant ^ other.constant, self.columns ^ other.columns)

    def __bool__(self) -> bool:
        """Whether it can be 1."""
        return self != Bit()

    def value(self, tape: Array) -> Array:
        """0 or 1; NaN where a column holds anything else. It has no derivative."""
        sign = jnp.full((), 1 - 2 * self.constant, tape.dtype)
        for column in sorted(self.columns):
            data = lax.stop_gradient(tape[column])
            sign *= jnp.where((data == 0) | (data == 1), 1 - 2 * data, jnp.nan)
        return (1 - sign) / 2


def word_weights(bits: Sequence[Bit], tape: Array) -> Array:
    """1 at the word that the bits spell, else 0: (2**k,), first bit most significant."""
    weights = jnp.ones(1, tape.dtype)
    for bit in bits:
        value = bit.value(tape)
        weights = jnp.kron(weights, jnp.stack([1 - value, value]))
    return weights


class AbstractInstruction(abc.ABC):
    """One thing done to the amplitudes of the wires that hold no known bit."""

    @property
    def prepared_columns(self) -> frozenset[int]:
        """The tape columns that `fixed` looks at."""
        return frozenset()

    def fixed(self, tape: Array) -> Any:
        """What depends on weights alone, made once per call."""
        del tape

    def moving(self, tape: Array) -> Any:
        """What depends on data, made for every step."""
        del tape

    @abc.abstractmethod
    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        """The new amplitudes."""


class AbstractBitInstruction(AbstractInstruction):
    """An instruction that a bit decides."""

    bit: Bit

    def moving(self, tape: Array) -> Any:
        return self.bit.value(tape)


@final
@dataclass(frozen=True)
class Grow(AbstractBitInstruction):
    """A wire with a known bit joins the vector, as its first wire."""

    bit: Bit
    wire: int

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        return jnp.concatenate([(1 - moving) * psi, moving * psi])


@final
@dataclass(frozen=True)
class Exchange(AbstractBitInstruction):
    """X on the wire at `position` where the bit is 1."""

    bit: Bit
    position: int

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        pairs = psi.reshape(2**self.position, 2, -1)
        return ((1 - moving) * pairs + moving * pairs[:, ::-1]).reshape(psi.shape)


@final
@dataclass(frozen=True)
class Pick(AbstractBitInstruction):
    """The wire at `position` is found to hold the bit, and leaves the vector."""

    bit: Bit
    position: int

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        pairs = psi.reshape(2**self.position, 2, -1)
        return ((1 - moving) * pairs[:, 0] + moving * pairs[:, 1]).reshape(-1)


@final
@dataclass(frozen=True)
class Keep(AbstractBitInstruction):
    """Runs where the bit is 0 are kept: the post-selection of a known bit."""

    bit: Bit

    def apply(self, psi: Array, fixed: Any, moving: Any) -> Array:
        return (1 - moving) * psi
