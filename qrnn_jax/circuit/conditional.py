"""Gates under classical control: applied where a recorded bit has a value."""

from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import AbstractGate, check_wires
from qrnn_jax.circuit.postselect import check_bit
from qrnn_jax.circuit.slots import Slot


@final
@dataclass(frozen=True)
class If(AbstractGate):
    """A gate applied where a recorded bit has a value: feed-forward.

    Equation: |v><v| (x) U(a) + |1-v><1-v| (x) 1 on (bit, *gate.wires), v the value.

    The shift rule is the inner gate's own: two terms for RX, the shift made inside the branch. The
    bit's wire is diagonal (a check of `Circuit` guarantees it), so the map on states is U rho_v
    U^dagger in one branch and constant in the other, and only the frequencies of U occur. `CRX` is
    the coherent cousin: there the control may be in superposition, coherences between the branches
    bring in the frequency 1/2, and the rule has four terms.

    Arguments:
        bit: a wire that a `Measure(..., to=bit)` of the circuit writes, in this step or the last.
        gate: any gate on other wires; another `If` for a condition on several bits.
        value: 0 or 1.

    Raises:
        TypeError: the second argument is no gate.
        ValueError: the gate acts on the bit's wire, or the value is no bit.

    Example:
        >>> import qrnn_jax as qj
        >>> gate = qj.If(1, qj.RX(0, qj.Weight(0)))
        >>> len(gate.shift_terms(0)), len(qj.CRX(1, 0, qj.Weight(0)).shift_terms(0))
        (2, 4)
        >>> qj.Circuit(2, (qj.H(0), qj.Measure(0, to=1), gate)).bit_wires
        (1,)

    Source: Nielsen and Chuang, section 4.4, exercise 4.35, for the equivalence with a control.
    """

    bit: int
    gate: AbstractGate
    value: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.gate, AbstractGate):
            raise TypeError(
                f"Argument `gate` must be a gate, but is {type(self.gate).__name__}; "
                "try `qj.If(bit, qj.X(wire))`."
            )
        check_wires(self.wires)
        check_bit(self.value)

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.bit, *self.gate.wires)

    @property
    def bits(self) -> tuple[int, ...]:
        """The wires of all conditions, the outermost first."""
        inner = self.gate.bits if isinstance(self.gate, If) else ()
        return (self.bit, *inner)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return self.gate.parameters

    @property
    def controls(self) -> tuple[int, ...]:
        own = (self.bit,) if self.value == 1 else ()
        return (*own, *self.gate.controls)

    @property
    def label(self) -> str:
        return f"If{self.value}:{self.gate.label}"

    @property
    def is_diagonal(self) -> bool:
        return self.gate.is_diagonal

    @property
    def static(self) -> object:
        return type(self.gate), self.gate.static, self.value

    def matrix(self, *angles: Array) -> Array:
        branch = self.gate.matrix(*angles)
        here, there = np.diag([1 - self.value, self.value]), np.diag([self.value, 1 - self.value])
        return jnp.kron(here, branch) + jnp.kron(there, jnp.eye(len(branch), dtype=branch.dtype))

    def generators(self) -> tuple[np.ndarray, ...]:
        return self.gate.generators()
