"""Presets: complete configurations by name, shipped as TOML files."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from .complaints import ConfigError, near
from .config import read_settings

DEFAULT = "sunspots"


def preset_names() -> tuple[str, ...]:
    """The names of all presets, in alphabetical order.

    Example:
        >>> from qrnn_jax.training.presets import preset_names
        >>> "sunspots" in preset_names()
        True
    """
    return tuple(sorted(file.name.removesuffix(".toml") for file in _folder().iterdir()))


def preset(name: str) -> dict[str, Any]:
    """The settings of a preset, for `make_config`.

    Raises:
        ConfigError: an unknown name; near ones are listed.

    Example:
        >>> from qrnn_jax.training.presets import preset
        >>> preset("decreasing_triangle")["optimizer"]["b2"]
        0.99
    """
    if name not in preset_names():
        raise ConfigError(
            f"Preset must be known, or a file ending in .toml or .json, but is {name!r}; "
            f"try {near(name, preset_names())}."
        )
    return tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def preset_or_file(name: str) -> dict[str, Any]:
    """The settings of a preset, or of a TOML or JSON file where the name ends like one.

    Raises:
        ConfigError: as `preset` and `read_settings`.

    Example:
        >>> from qrnn_jax.training.presets import preset_or_file
        >>> preset_or_file("cosine")["task"]["name"]
        'cosine'
    """
    path = Path(name)
    return read_settings(path) if path.suffix in (".toml", ".json") else preset(name)


def _folder() -> Any:
    return resources.files(__package__) / "data"
