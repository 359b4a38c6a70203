"""Replacing single settings: `section.key=value`, the value in TOML's syntax."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from .complaints import ConfigError

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def apply_overrides(settings: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of nested settings with some of them replaced, in order.

    A value is written as in TOML: 3, 0.5, true, "text", {name = "Takaki", memory = 2}. A plain word
    needs no quotation marks. Another `name` for a section starts that section afresh: the other
    settings belonged to the old one.

    Arguments:
        settings: nested dictionaries.
        overrides: texts `key.path=value`.

    Raises:
        ConfigError: a text has no `=`, or its value is no TOML.

    Example:
        >>> from qrnn_jax.training.overrides import apply_overrides
        >>> apply_overrides({"optimizer": {"name": "adam", "b1": 0.8}}, ["optimizer.b1=0.7"])
        {'optimizer': {'name': 'adam', 'b1': 0.7}}
        >>> apply_overrides({"optimizer": {"name": "adam", "b1": 0.8}}, ["optimizer.name=bfgs"])
        {'optimizer': {'name': 'bfgs'}}
    """
    changed = copy.deepcopy(dict(settings))
    for text in overrides:
        path, value = _parse(text)
        _replace(changed, path, value)
    return changed


def _parse(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(
            f"Option `--set` must be like section.key=value, but is {text!r}; try training.seed=1."
        )
    value = value.strip()
    try:
        found = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError) as error:
        if WORD.fullmatch(value):
            return path, value
        raise ConfigError(
            f"Option `--set {text}` must have a value in TOML's syntax, but: {error}"
        ) from None
    if list(found) != ["value"]:  # a line break let a second key in
        raise ConfigError(f"Option `--set {text!r}` must have one value; try one `--set` each.")
    return path, found["value"]


def _replace(settings: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    place = settings
    for depth, name in enumerate(parents, start=1):
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise ConfigError(
                f"Setting `{'.'.join(parents[:depth])}` must be a table, but is {place!r}."
            )
    if last == "name" and place.get("name") != value:
        place.clear()
    place[last] = value
