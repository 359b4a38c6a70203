"""Measurement in the middle of a step."""

from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit.operation import PAULI_MATRICES, AbstractChannel, check_wires
from qrnn_jax.circuit.slots import Slot
from qrnn_jax.ops import superoperator


@final
@dataclass(frozen=True)
class Measure(AbstractChannel):
    """Measure a wire in a Pauli basis; write the outcome on another wire, or forget it.

    Equation: with P_b = (1 + (-1)^b P) / 2 on `wire`, P the Pauli matrix of `basis`:

        without `to`   rho -> sum_b P_b rho P_b                            the outcome is forgotten
        with `to`      rho -> sum_bj (P_b (x) |b><j|) rho (P_b (x) |j><b|)  bit b replaces `to`

    A recorded bit lives on an ordinary wire in the computational basis, so that every engine runs
    it: `Z(to)` reads it (bit 0 is +1), `If(to, gate)` acts on it, and it lasts from step to step
    until it is overwritten or `Reset(to)`. Nothing else may touch that wire, see
    `Circuit.bit_wires`. To read an expectation value once per step, use `Read` instead.

    Arguments:
        wire: the measured wire; it is left in the eigenstate found.
        to: the wire that takes the bit; its old content is discarded. None forgets the outcome.
        basis: "X", "Y" or "Z".

    Raises:
        ValueError: unknown basis, equal wires, or no non-negative integers.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RX(0, qj.Weight(0)), qj.Measure(0, to=1), qj.H(0)))
        >>> cell = qj.CircuitCell(circuit, (qj.Z(1), qj.X(0)))
        >>> bit, wire = qj.run(cell, jnp.array([0.8]), jnp.zeros((1, 0)))[0]
        >>> print(f"{bit:.4f} {wire:.4f}")  # cos 0.8, twice
        0.6967 0.6967

    Source: Nielsen and Chuang, sections 2.2.5 and 8.2.1.
    """

    wire: int
    to: int | None = None
    basis: str = "Z"

    def __post_init__(self) -> None:
        check_wires(self.wires)
        if self.basis not in ("X", "Y", "Z"):
            raise ValueError(
                f'Argument `basis` must be "X", "Y" or "Z", but is {self.basis!r}; '
                "try a gate before the measurement for any other basis."
            )

    @property
    def wires(self) -> tuple[int, ...]:
        return (self.wire,) if self.to is None else (self.wire, self.to)

    @property
    def parameters(self) -> tuple[Slot, ...]:
        return ()

    @property
    def label(self) -> str:
        letter = "M" if self.basis == "Z" else f"M{self.basis}"
        return letter if self.to is None else f"{letter}→{self.to}"

    @property
    def static(self) -> object:
        return self.basis, self.to is None

    def kraus(self, *strengths: Array) -> Array:
        del strengths
        signs = (1, -1)
        projectors = [(np.eye(2) + sign * PAULI_MATRICES[self.basis]) / 2 for sign in signs]
        if self.to is None:
            return jnp.asarray(np.stack(projectors))
        bits = np.eye(2)
        writes = [
            np.kron(projector, np.outer(bits[outcome], bits[old]))
            for outcome, projector in enumerate(projectors)
            for old in range(2)
        ]
        return jnp.asarray(np.stack(writes))

    def superoperator(self, *strengths: Array) -> Array:
        return superoperator(self.kraus(*strengths))
