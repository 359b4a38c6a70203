"""Post-selection: only the runs with a wanted outcome are kept."""

from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import AbstractChannel, check_wires
from qrnn_jax.circuit.slots import Slot
from qrnn_jax.ops import superoperator


@final
@dataclass(frozen=True)
class Postselect(AbstractChannel):
    """Measure a wire and keep the run only where the outcome is `value`: not trace preserving.

    Equation: rho -> P rho P, P = |value><value|; the trace drops to the probability of success.

    Output t is conditioned on the successes up to t only: conditioning on later ones would let the
    future change the past. Engines renormalise the state after every step. The result is a ratio,
    so a shift rule must treat numerator and denominator apart; shifting the ratio itself is wrong.
    A wire that is merely emptied wants `Reset`, which keeps every run.

    Arguments:
        wire: the measured wire; it is left in |value>.
        value: 0 or 1.

    Raises:
        ValueError: the value is no bit, the wire no non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Circuit(2, (qj.CRX(0, 1, 0.3), qj.Postselect(1))).is_postselected
        True

    Source: Bausch, Recurrent Quantum Neural Networks, NeurIPS 33 (2020), arXiv 2006.14619.
    """

    is_selective = True

    wire: int
    value: int = 0

    def __post_init__(self) -> None:
        check_wires(self.wires)
        check_bit(self.value)

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def label(self) -> str:
        return f"keep {self.value}"

    @property
    def static(self) -> object:
        return self.value

    def kraus(self, *strengths: Array) -> Array:
        del strengths
        bit = np.eye(2, dtype=complex)[self.value]
        return jnp.asarray(np.outer(bit, bit)[None])

    def superoperator(self, *strengths: Array) -> Array:
        return superoperator(self.kraus(*strengths))


def check_bit(value: object) -> None:
    """Refuse what is neither 0 nor 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value not in (0, 1):
        raise ValueError(f"Argument `value` must be 0 or 1, but is {value!r}.")
