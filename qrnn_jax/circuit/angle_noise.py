"""A gate whose noise grows with its angle: the one kind of noise that breaks the shift rule."""

import math
import numbers
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import PAULI_MATRICES, AbstractChannel, complex_like
from qrnn_jax.circuit.rotations import AbstractOneWireRotation
from qrnn_jax.circuit.slots import Slot
from qrnn_jax.circuit.spectrum import ShiftTerm
from qrnn_jax.ops import safe_sqrt


@final
@dataclass(frozen=True)
class AngleNoise(AbstractChannel):
    """A rotation followed by depolarising noise that grows with the length of its pulse.

    Equation: rho -> e U(a) rho U(a)^dagger + (1 - e) 1/2, e = exp(-rate |a|): expectation values of
    Pauli matrices on the wire shrink by e.

    Because the noise depends on the angle, the map is no trigonometric polynomial in a and no shift
    rule is exact. `Backprop` and `Checkpointed` are. `ParameterShift` refuses this channel unless
    told to proceed; it then returns what a device would report, which is biased: by -1.7, -8.2 and
    -15.3 percent at a = 0.8 for rates 0.01, 0.05 and 0.1. The derivative jumps at a = 0, where the
    mean of both sides is returned. For noise of constant strength put `Depolarizing` behind the
    gate: then every rule is exact.

    Arguments:
        gate: `RX`, `RY` or `RZ`; its angle is the only parameter.
        rate: per radian, a number of 0 or more.

    Raises:
        TypeError: the gate is no rotation of one wire.
        ValueError: the rate is negative or not finite.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.AngleNoise(qj.RX(0, qj.Weight(0)), 0.1),))
        >>> cell = qj.CircuitCell(circuit, qj.Z(0))
        >>> y = qj.run(cell, jnp.array([0.8]), jnp.zeros((1, 0)))
        >>> print(f"{y[0, 0]:.4f}")  # exp(-0.08) cos 0.8
        0.6431

    Source: the model is our own; depolarising noise as in Nielsen and Chuang, section 8.3.4.
    """

    gate: AbstractOneWireRotation
    rate: float

    def __post_init__(self) -> None:
        if not isinstance(self.gate, AbstractOneWireRotation):
            raise TypeError(
                f"Argument `gate` must be `RX`, `RY` or `RZ`, but is {type(self.gate).__name__}; "
                "try `Depolarizing` behind any other gate."
            )
        number = isinstance(self.rate, numbers.Real) and not isinstance(self.rate, bool)
        if not number or not math.isfinite(self.rate) or self.rate < 0:
            raise ValueError(
                f"Argument `rate` must be a finite number of 0 or more, but is {self.rate!r}."
            )
        object.__setattr__(self, "rate", float(self.rate))

    @property
    def wires(self) -> tuple[int, ...]:
        return self.gate.wires

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return self.gate.parameters

    @property
    def label(self) -> str:
        return f"{self.gate.label}~"

    @property
    def static(self) -> object:
        return type(self.gate), self.rate

    def shift_terms(self, parameter: int, observable_degree: int = 1) -> tuple[ShiftTerm, ...]:
        """The rule of the noiseless gate: what a device that shifts the angle evaluates, biased."""
        return self.gate.shift_terms(parameter, observable_degree)

    def kraus(self, *strengths: Array) -> Array:
        (angle,) = strengths
        kept = self._kept(angle)
        unitary = self.gate.matrix(angle)
        weights = [safe_sqrt((1 + 3 * kept) / 4), *[safe_sqrt((1 - kept) / 4)] * 3]
        return jnp.stack(
            [w * complex_like(PAULI_MATRICES[p], w) @ unitary for w, p in zip(weights, "IXYZ")]
        )

    def superoperator(self, *strengths: Array) -> Array:
        (angle,) = strengths
        kept = self._kept(angle)
        unitary = self.gate.matrix(angle)
        mixed = complex_like(np.outer(np.eye(2).ravel(), np.eye(2).ravel()) / 2, angle)
        return kept * jnp.kron(unitary, unitary.conj()) + (1 - kept) * mixed

    def _kept(self, angle: Array) -> Array:
        return jnp.exp(-self.rate * jnp.abs(angle))
