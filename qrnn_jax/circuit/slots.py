"""Parameters by slot: a gate parameter is a constant, a weight, a data value, or affine in them."""

import math
import numbers
from dataclasses import dataclass
from typing import Any, NamedTuple, final


class Term(NamedTuple):
    """One product coefficient * weights[weight] * data[data]; an index of None means factor 1."""

    coefficient: float
    weight: int | None
    data: int | None


@final
@dataclass(frozen=True)
class Slot:
    """The value of one gate parameter, as an expression in weights w and data x.

    Equation: angle = constant + sum_i coefficient_i * w[weight_i] * x[data_i].

    Arguments:
        constant: the constant part, in radians for rotations.
        terms: at most one weight and one data value per product.

    Use `Weight(i)` and `Data(j)` and arithmetic to build one.

    Raises:
        TypeError: a product of two weights or of two data values; put such a product into the
            cell's classical map instead.

    Example:
        >>> from qrnn_jax import Data, Weight
        >>> 0.5 * Weight(0) * Data(1) + 0.1
        0.5*w0*x1+0.1
    """

    constant: float = 0.0
    terms: tuple[Term, ...] = ()

    @property
    def weights(self) -> frozenset[int]:
        """Indices of the weights that the slot depends on."""
        return frozenset(term.weight for term in self.terms if term.weight is not None)

    @property
    def data(self) -> frozenset[int]:
        """Indices of the data values that the slot depends on."""
        return frozenset(term.data for term in self.terms if term.data is not None)

    def __add__(self, other: "Slot | float") -> "Slot":
        other = as_slot(other, "other")
        return Slot(self.constant + other.constant, self.terms + other.terms)

    __radd__ = __add__

    def __neg__(self) -> "Slot":
        return self * -1.0

    def __sub__(self, other: "Slot | float") -> "Slot":
        return self + -as_slot(other, "other")

    def __rsub__(self, other: float) -> "Slot":
        return -self + other

    def __mul__(self, other: "Slot | float") -> "Slot":
        other = as_slot(other, "other")
        products = [_product(left, right) for left in self._all() for right in other._all()]
        constant = sum(term.coefficient for term in products if term[1:] == (None, None))
        terms = tuple(term for term in products if term[1:] != (None, None) and term.coefficient)
        return Slot(float(constant), terms)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> "Slot":
        return self * (1.0 / other)

    def _all(self) -> tuple[Term, ...]:
        return (*self.terms, Term(self.constant, None, None))

    def __repr__(self) -> str:
        parts = [_text(term) for term in self.terms]
        if self.constant or not parts:
            parts.append(f"{self.constant:.4g}")
        return "+".join(parts).replace("+-", "-")


def Weight(index: int) -> Slot:
    """The slot of trainable weight `index`: constant in time, shared by all steps.

    Arguments:
        index: position in the flat weight vector (Kw,), 0 or more.

    Returns:
        A `Slot`; it may recur in a step, scaled and shifted.

    Raises:
        ValueError: the index is not a non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.RX(0, 2 * qj.Weight(3))
        RX(wire=0, angle=2*w3)
    """
    return Slot(0.0, (Term(1.0, _index(index), None),))


def Data(index: int) -> Slot:
    """The slot of data value `index`: one number per time step.

    Arguments:
        index: column of the data array (T, Kd), 0 or more.

    Returns:
        A `Slot`; it may recur in a step (data re-uploading).

    Raises:
        ValueError: the index is not a non-negative integer.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.RY(0, qj.Data(0))
        RY(wire=0, angle=x0)
    """
    return Slot(0.0, (Term(1.0, None, _index(index)),))


def as_slot(value: Any, name: str) -> Slot:
    """Turn a number into a constant slot; leave slots alone; refuse everything else by name."""
    if isinstance(value, Slot):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"Argument `{name}` must be finite, but is {number}.")
        return Slot(number)
    raise TypeError(
        f"Argument `{name}` must be a number or a slot, but is {type(value).__name__}; "
        "try `Weight(i)` or `Data(j)` here and pass the value through `weights` or `data`."
    )


def _index(index: int) -> int:
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise ValueError(f"Argument `index` must be an integer of 0 or more, but is {index!r}.")
    return index


def _product(left: Term, right: Term) -> Term:
    clash = [a is not None and b is not None for a, b in zip(left[1:], right[1:])]
    if any(clash):
        kind = "weights" if clash[0] else "data values"
        raise TypeError(
            f"A slot must be affine, but this is a product of two {kind}; "
            "try computing it in the cell's classical map (params -> weights, x -> data)."
        )
    weight = right.weight if left.weight is None else left.weight
    data = right.data if left.data is None else left.data
    return Term(left.coefficient * right.coefficient, weight, data)


def _text(term: Term) -> str:
    names = [f"w{term.weight}"] if term.weight is not None else []
    names += [f"x{term.data}"] if term.data is not None else []
    scale = {1.0: [], -1.0: ["-"]}.get(term.coefficient, [f"{term.coefficient:.4g}*"])
    return "".join(scale) + "*".join(names)
