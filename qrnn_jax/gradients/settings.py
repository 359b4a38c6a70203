"""Checks that the settings of several rules share."""

import math
import numbers
from collections.abc import Sequence


def check_count(name: str, value: int | None) -> None:
    """Refuse what is neither None nor a positive integer."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"Argument `{name}` must be an integer of 1 or more, but is {value!r}.")


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is not among the allowed ones."""
    if value not in allowed:
        raise ValueError(f"Argument `{name}` must be one of {tuple(allowed)}, but is {value!r}.")


def check_positive(name: str, value: float | None) -> None:
    """Refuse what is neither None nor a positive finite number."""
    if value is None:
        return
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise ValueError(f"Argument `{name}` must be a positive number, but is {value!r}.")
