"""A wire flipped by a bit: how words of classical data are written onto wires, and removed."""

from dataclasses import dataclass
from typing import NoReturn, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import PAULI_MATRICES, AbstractGate, check_wires, complex_like
from qrnn_jax.circuit.slots import Slot, as_slot
from qrnn_jax.circuit.spectrum import ShiftTerm


@final
@dataclass(frozen=True)
class Flip(AbstractGate):
    """X on a wire where a classical bit is 1: writes the bit onto an empty wire.

    Equation: X^b, b in {0, 1}; NaN for any other b.

    A bit cannot be moved a little, so there is no derivative in it: shift rules refuse, autodiff
    returns 0. For an angle that can be trained use `RX` or `RY`; for a recorded outcome, `If`.

    Arguments:
        wire: the wire acted on.
        bit: 0, 1, or a slot that takes these values, usually `Data(j)`.

    Raises:
        ValueError: a constant bit that is neither 0 nor 1; when asked for a shift rule.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(1, (qj.Flip(0, qj.Data(0)),)).matrix(data=[1.0]).real.tolist()
        [[0.0, 1.0], [1.0, 0.0]]

    Source: the input of Bausch, arXiv 2006.14619, section 2.
    """

    wire: int
    bit: Slot | float

    def __post_init__(self) -> None:
        check_wires(self.wires)
        slot = as_slot(self.bit, "bit")
        if not slot.terms and slot.constant not in (0, 1):
            raise ValueError(f"Argument `bit` must be 0 or 1, but is {slot.constant:g}.")
        object.__setattr__(self, "bit", slot)

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.bit, "bit"),)

    @property
    def label(self) -> str:
        return "Flip"

    @property
    def has_shift_rule(self) -> bool:
        return False

    def matrix(self, *angles: Array) -> Array:
        (bit,) = angles
        flipped = complex_like(PAULI_MATRICES["X"], bit)
        other = jnp.where(bit == 0, complex_like(np.eye(2), bit), jnp.nan)
        return jnp.where(bit == 1, flipped, other)

    def generators(self) -> tuple[np.ndarray, ...]:
        self._refuse()

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        del parameter, observable_degree
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(
            f"A shift rule must have an angle to shift, but {self} takes a bit; "
            "try differentiating the weights alone."
        )
