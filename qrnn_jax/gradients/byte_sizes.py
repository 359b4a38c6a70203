"""Numbers of bytes as one writes and reads them."""

import re

_UNITS = {"B": 1} | {
    prefix + kind: base**power
    for power, prefixes in enumerate(("kK", "M", "G", "T"), start=1)
    for prefix in prefixes
    for kind, base in (("B", 1000), ("iB", 1024))
}


def as_bytes(memory: int | str | None) -> int | None:
    """A number of bytes from "500MB", "2GiB", or the number itself.

    Raises:
        ValueError: neither, or not positive.
    """
    if memory is None:
        return None
    number: float = 0
    if isinstance(memory, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]+)", memory)
        number = float(found[1]) * _UNITS.get(found[2], 0) if found else 0
    elif isinstance(memory, int) and not isinstance(memory, bool):
        number = memory
    if number < 1:
        raise ValueError(
            "Argument `memory` must be None, a positive integer of bytes, or a number with a unit, "
            f'but is {memory!r}; try "500MB" or "2GiB".'
        )
    return int(number)


def readable(count: int) -> str:
    """A number of bytes in decimal units: "640 B", "1.2 MB"."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
