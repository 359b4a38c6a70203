"""What happens to modes besides gates: loss, and homodyne measurement."""

from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.affine import Affine
from qrnn_jax.circuit.modes import AbstractModeChannel
from qrnn_jax.circuit.operation import check_wires
from qrnn_jax.circuit.slots import Slot, as_slot
from qrnn_jax.ops import loss_superoperator, safe_sqrt


@final
@dataclass(frozen=True)
class Loss(AbstractModeChannel):
    """Photons are lost to the surroundings.

    Equation: r -> sqrt(T) r, V -> T V + (1-T) 1: each photon is kept with probability T.

    Arguments:
        mode: the mode acted on.
        transmissivity: T, of energy, in [0, 1]; a number or a slot. Not trainable by shift rules.

    Raises:
        ValueError: the constant transmissivity is outside [0, 1].

    Example:
        >>> import qrnn_jax as qj
        >>> qj.Loss(0, 0.8).is_unitary
        False

    Source: Weedbrook et al., Rev. Mod. Phys. 84, 621 (2012), the pure-loss channel.
    """

    mode: int
    transmissivity: Slot | float

    symbol = "Loss"

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.mode,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return (as_slot(self.transmissivity, "transmissivity"),)

    def __post_init__(self) -> None:
        check_wires(self.wires)
        slot = as_slot(self.transmissivity, "transmissivity")
        if not slot.terms and not 0 <= slot.constant <= 1:
            raise ValueError(
                f"Argument `transmissivity` must be in [0, 1], but is {slot.constant}."
            )
        object.__setattr__(self, "transmissivity", slot)

    def affine(self, *parameters: Array) -> Affine:
        (share,) = parameters
        share = jnp.where((share >= 0) & (share <= 1), share, jnp.nan)
        one = jnp.eye(2, dtype=share.dtype)
        return Affine(safe_sqrt(share) * one, noise=(1 - share) * one)

    def fock_superoperator(self, cutoff: int, *parameters: Array) -> Array:
        (share,) = parameters
        return loss_superoperator(share, cutoff)


@final
@dataclass(frozen=True)
class Homodyne(AbstractModeChannel):
    """Measure x of a mode; the mode is left empty, in the vacuum. To read it, put `Read()` before.

    Equation: without `draw`, the average over all outcomes: rho -> |0><0| (x) Tr_mode(rho), exact.
    With `draw` = z, the outcome m has F(m) = Phi(z), F its distribution in the present state (for
    Gaussian states m = <x> + sd z), and rho -> |0><0| (x) <m| rho |m> / Tr(...).

    With z from a standard normal distribution this samples the measurement: a plain function of
    weights and data, differentiated by `Backprop()` with the noise z held fixed. A conditional
    state is normalised, so it is not linear in the state before, and no shift rule holds there;
    average instead, which is what many runs of a device do.

    Arguments:
        mode: the measured mode.
        draw: None to average; else the standard normal number z, a slot, usually `Data(j)`.

    Raises:
        ValueError: the mode is no non-negative integer, or the number is not finite.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> operations = (qj.Squeezing(0, 0.5), qj.Beamsplitter(0, 1, 0.6, 0.0))
        >>> circuit = qj.Circuit(2, (*operations, qj.Homodyne(0, draw=qj.Data(0))))
        >>> cell = qj.CircuitCell(circuit, qj.QuadX(1))
        >>> qj.run(cell, jnp.zeros(0), jnp.array([[0.3], [-1.2]])).shape
        (2, 1)

    Source: Siemaszko et al., Quantum Mach. Intell. 5 (2023), arXiv 2207.00378, between two cells.
    """

    mode: int
    draw: Slot | float | None = None

    symbol = "Homodyne"

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.mode,)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return () if self.draw is None else (as_slot(self.draw, "draw"),)

    @property
    def is_conditional(self) -> bool:
        return self.draw is not None

    @property
    def shift_obstacle(self) -> str | None:
        if self.draw is None:
            return None
        return (
            "the state after a drawn outcome is normalised, so it is not linear in the state "
            "before (`Homodyne(mode)`, the average, has a rule)"
        )

    def __post_init__(self) -> None:
        check_wires(self.wires)
        if self.draw is not None:
            object.__setattr__(self, "draw", as_slot(self.draw, "draw"))

    def affine(self, *parameters: Array) -> Affine:
        del parameters
        return Affine(jnp.zeros((2, 2)), noise=jnp.eye(2))

    def fock_superoperator(self, cutoff: int, *parameters: Array) -> Array:
        del parameters
        matrix = np.zeros((cutoff,) * 4)
        matrix[0, 0] = np.eye(cutoff)
        return jnp.asarray(matrix.reshape(cutoff**2, cutoff**2))
