"""Errors of the read-out: outcomes that are reported wrongly."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from qrnn_jax.circuit.operation import AbstractMarker, AbstractOperation, check_wires


@final
@dataclass(frozen=True)
class ReadoutError(AbstractMarker):
    """The outcome of reading a wire is flipped with some probability; the state is not touched.

    Equation: P(read 1 | true 0) = p01, P(read 0 | true 1) = p10, whatever the Pauli basis; so a
    factor P on this wire is read as (1 - p01 - p10) <P> + (p10 - p01).

    Stands anywhere before the step's `Read`, at most one per wire. For an error of the state use
    `BitFlip`; for an error of a recorded bit put `BitFlip` on the bit's wire behind `Measure`.

    Arguments:
        wire: the wire whose outcomes are flipped.
        p01: in [0, 1].
        p10: in [0, 1]; None means p01. p01 + p10 <= 1: beyond it, outcomes are inverted rather than
            noisy, and the bit should be named the other way round.

    Raises:
        ValueError: no probabilities, or their sum exceeds 1.

    Example:
        >>> import qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.X(0), qj.ReadoutError(0, 0.02, 0.05)))
        >>> circuit.readout_errors
        {0: (0.02, 0.05)}

    Source: Bravyi et al., Phys. Rev. A 103, 042605 (2021), the tensor-product noise model.
    """

    wire: int
    p01: float
    p10: float | None = None

    def __post_init__(self) -> None:
        check_wires((self.wire,))
        object.__setattr__(self, "p10", self.p01 if self.p10 is None else self.p10)
        for name in ("p01", "p10"):
            check_probability(getattr(self, name), name)
            object.__setattr__(self, name, float(getattr(self, name)))
        if sum(self.flips) > 1:
            raise ValueError(
                f"Arguments `p01` and `p10` must have a sum of 1 or less, but are {self.p01} and "
                f"{self.p10}; try `qj.X({self.wire})` before the read-out and the complements."
            )

    @property
    def flips(self) -> tuple[float, float]:
        """(p01, p10)."""
        assert self.p10 is not None
        return (self.p01, self.p10)

    @property
    def named_wires(self) -> tuple[int, ...]:
        return (self.wire,)

    @property
    def label(self) -> str:
        return f"ReadoutError({self.p01:.4g},{self.p10:.4g})"


def check_probability(value: object, name: str, most: float = 1.0) -> None:
    """Refuse what is no number in [0, most]."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= most:  # type: ignore[arg-type,operator]
        raise ValueError(f"Argument `{name}` must be in [0, {most:g}], but is {value!r}.")


def check_readout_errors(operations: Sequence[AbstractOperation], read_index: int) -> None:
    """Refuse two errors on one wire, and errors behind the read-out."""
    seen: set[int] = set()
    for index, operation in enumerate(operations):
        if not isinstance(operation, ReadoutError):
            continue
        if operation.wire in seen:
            raise ValueError(
                f"A wire must have at most one `ReadoutError`, but operation {index} is another "
                f"one on wire {operation.wire}; try one with the composed probabilities."
            )
        if index > read_index:
            raise ValueError(
                "A `ReadoutError` must stand before the read-out, but operation "
                f"{index}, {operation}, stands behind it; try moving it to the front."
            )
        seen.add(operation.wire)
