"""Any gate under coherent control of other wires."""

from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.conditional import If
from qrnn_jax.circuit.operation import AbstractGate, check_wires
from qrnn_jax.circuit.slots import Slot


@final
@dataclass(frozen=True)
class Controlled(AbstractGate):
    """A gate applied on the condition that all control wires are 1.

    Equation: (1 - P) (x) 1 + P (x) U(a) on (*controls, *gate.wires), P = |1..1><1..1|.

    The generators are those of the gate, filled up with zeros. The eigenvalue 0 brings in new
    frequencies: a controlled RY has the four-term rule of `CRY`. For a recorded outcome as the
    condition use `If`, which keeps the gate's own rule.

    Arguments:
        gate: any gate but an `If`.
        controls: wires that the gate does not act on, at least one.

    Raises:
        TypeError: the first argument is no gate, or an `If`.
        ValueError: no control, a repeated wire, or one that the gate acts on.

    Example:
        >>> import qrnn_jax as qj
        >>> gate = qj.Controlled(qj.RY(2, qj.Weight(0)), (0, 1))
        >>> gate.wires, len(gate.shift_terms(0))
        ((0, 1, 2), 4)

    Source: Nielsen and Chuang, section 4.3; Anselmetti et al., New J. Phys. 23, 113010 (2021).
    """

    gate: AbstractGate
    condition: tuple[int, ...]

    def __init__(self, gate: AbstractGate, controls: int | tuple[int, ...]) -> None:
        if not isinstance(gate, AbstractGate) or isinstance(gate, If):
            raise TypeError(
                f"Argument `gate` must be a gate and no `If`, but is {type(gate).__name__}; "
                "try `qj.Controlled(qj.RY(wire, angle), controls)`, an `If` around it."
            )
        controls = (controls,) if isinstance(controls, int) else tuple(controls)
        check_wires(controls)
        object.__setattr__(self, "gate", gate)
        object.__setattr__(self, "condition", controls)
        check_wires(self.wires)

    @property
    def wires(self) -> tuple[int, ...]:
        return (*self.condition, *self.gate.wires)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return self.gate.parameters

    @property
    def controls(self) -> tuple[int, ...]:
        return (*self.condition, *self.gate.controls)

    @property
    def label(self) -> str:
        return self.gate.label

    @property
    def is_diagonal(self) -> bool:
        return self.gate.is_diagonal

    @property
    def has_shift_rule(self) -> bool:
        return self.gate.has_shift_rule

    @property
    def static(self) -> object:
        return type(self.gate), self.gate.static, len(self.condition)

    @property
    def _idle(self) -> int:
        """How many basis states do not meet the condition."""
        return 2 ** len(self.wires) - 2 ** len(self.gate.wires)

    def matrix(self, *angles: Array) -> Array:
        inner = self.gate.matrix(*angles)
        idle = jnp.zeros((self._idle, len(inner)), inner.dtype)
        left = jnp.concatenate([jnp.eye(self._idle, dtype=inner.dtype), idle.T])
        return jnp.concatenate([left, jnp.concatenate([idle, inner])], axis=1)

    def generators(self) -> tuple[np.ndarray, ...]:
        return tuple(np.pad(generator, (self._idle, 0)) for generator in self.gate.generators())
