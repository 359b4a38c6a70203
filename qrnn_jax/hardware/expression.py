"""Angles as polynomials in named symbols, of a degree that a slot can hold: 2."""

import math
import re
from collections.abc import Container, Mapping
from typing import TypeAlias

from qrnn_jax.circuit.slots import Slot
from qrnn_jax.hardware.errors import ProgramError

Polynomial: TypeAlias = dict[tuple[str, ...], float]  # sorted names of a product -> coefficient

MAX_DEPTH = 32
MAX_TERMS = 64
_TOKEN = re.compile(r"\s*(?:([0-9.]+(?:[eE][+-]?[0-9]+)?)|([A-Za-z_]\w*)|([-+*/()]))")
_NUMBER = re.compile(r"(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
CONSTANTS = {"pi": math.pi, "tau": math.tau, "euler": math.e}


def parse(text: str, names: Container[str]) -> Polynomial:
    """An expression of numbers, names, + - * / and brackets.

    Arguments:
        text: what stands in the brackets of a gate, between two commas.
        names: the symbols.

    Raises:
        ProgramError: anything else, or a product of three symbols; the message lacks the line.
    """
    text = text.strip()
    tokens, place = [], 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ProgramError(f"must hold angles of numbers and inputs, but has {_cut(text)!r}")
        tokens.append(found.group().strip())
        place = found.end()
    reader = _Reader(tokens[::-1], names)
    made = reader.sum(0)
    if reader.left:
        raise ProgramError(f"must hold angles of numbers and inputs, but has {_cut(text)!r}")
    return made


def to_slot(polynomial: Polynomial, symbols: Mapping[str, Slot]) -> Slot:
    """The slot of an angle.

    Arguments:
        polynomial: the angle.
        symbols: name -> `Weight(i)` or `Data(j)`.

    Raises:
        TypeError: a product of two weights or of two data values.
    """
    made = Slot(0.0)
    for product, coefficient in polynomial.items():
        term = Slot(coefficient)
        for name in product:
            term = term * symbols[name]
        made = made + term
    return made


class _Reader:
    """Recursive descent over a stack of tokens, its depth bounded."""

    def __init__(self, left: list[str], names: Container[str]) -> None:
        self.left = left
        self._names = names

    def sum(self, depth: int) -> Polynomial:
        if depth > MAX_DEPTH:
            raise ProgramError(f"must nest brackets at most {MAX_DEPTH} deep, but nests deeper")
        total = self._product(depth)
        while self.left and self.left[-1] in "+-":
            sign = 1.0 if self.left.pop() == "+" else -1.0
            total = _checked([(total, 1.0), (self._product(depth), sign)])
        return total

    def _product(self, depth: int) -> Polynomial:
        total = self._factor(depth)
        while self.left and self.left[-1] in "*/":
            if self.left.pop() == "*":
                total = times(total, self._factor(depth))
                continue
            divisor = self._factor(depth)
            if set(divisor) - {()} or not divisor.get((), 0.0):
                raise ProgramError("must divide by numbers other than 0, but divides by others")
            total = _checked([(total, 1 / divisor[()])])
        return total

    def _factor(self, depth: int) -> Polynomial:
        sign = 1.0
        while self.left and self.left[-1] in "+-":
            sign *= 1.0 if self.left.pop() == "+" else -1.0
        if not self.left:
            raise ProgramError("must hold whole angles, but one breaks off")
        token = self.left.pop()
        if token == "(":
            inner = self.sum(depth + 1)
            if not self.left or self.left.pop() != ")":
                raise ProgramError("must close its brackets, but does not")
            return _checked([(inner, sign)])
        if token in self._names:
            return {(token,): sign}
        if token in CONSTANTS:
            return {(): sign * CONSTANTS[token]}
        if not _NUMBER.fullmatch(token):
            raise ProgramError(f"must hold angles of numbers and inputs, but has {_cut(token)!r}")
        return _checked([({(): float(token)}, sign)])


def times(left: Polynomial, right: Polynomial) -> Polynomial:
    """A product, of degree 2 at most."""
    if len(left) * len(right) > MAX_TERMS**2:
        raise ProgramError(f"must hold angles of at most {MAX_TERMS} terms, but one has more")
    pairs = [
        ({tuple(sorted(one + other)): a * b}, 1.0)
        for one, a in left.items()
        for other, b in right.items()
    ]
    made = _checked(pairs)
    if any(len(product) > 2 for product in made):
        raise ProgramError("must hold angles that are affine, but one multiplies three inputs")
    return made


def _checked(parts: list[tuple[Polynomial, float]]) -> Polynomial:
    """The sum of polynomials times numbers: finite, and not too long."""
    made: Polynomial = {}
    for polynomial, factor in parts:
        for product, coefficient in polynomial.items():
            made[product] = made.get(product, 0.0) + factor * coefficient
    if len(made) > MAX_TERMS:
        raise ProgramError(f"must hold angles of at most {MAX_TERMS} terms, but one has more")
    if not all(map(math.isfinite, made.values())):
        raise ProgramError("must hold finite angles, but one is not")
    return made


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "..."
