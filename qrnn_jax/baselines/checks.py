"""The argument checks of the baselines."""

from typing import Any


def whole(name: str, value: Any, *, least: int) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"Argument `{name}` must be a whole number of at least {least}, but it is {value!r}; "
            f"try `{name}={least}`."
        )
    return value
