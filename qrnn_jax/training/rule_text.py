"""Gradient rules as commands take them: `spsa`, `SPSA(step=0.2, directions=8)`."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from pydantic import TypeAdapter, ValidationError

import qrnn_jax as qj

from .complaints import ConfigError, near
from .config import GradientChoice
from .sections import gradients

_RULE = re.compile(r"([\w-]+)(?:\((.*)\))?", re.DOTALL)
# what must be said of some rules where outcomes are drawn, for angles of about 1
_STEPS = {"SPSA": 0.2, "FiniteDifference": 0.3}


def rule_of(text: str) -> qj.AbstractGradient:
    """The rule itself.

    Arguments:
        text: a name, in any case and with hyphens or without, and settings as in Python. A rule
            that must have a step under shots gets one.

    Raises:
        ConfigError: an unknown rule, or settings that it does not take.

    Example:
        >>> from qrnn_jax.training.rule_text import rule_of
        >>> rule_of("parameter-shift(samples=40)").samples
        40
    """
    return _checked(text, _settings(text)).build()


def rule_changes(text: str) -> list[str]:
    """A rule as a replacement of the whole section `[gradient]`, for `make_config`.

    Arguments:
        text: as in `rule_of`.

    Raises:
        ConfigError: an unknown rule, or settings that it does not take.

    Example:
        >>> from qrnn_jax.training.rule_text import rule_changes
        >>> rule_changes("SPSA(directions=8)")
        ['gradient={name = "SPSA", step = 0.2, directions = 8}']
    """
    settings = _settings(text)
    _checked(text, settings)
    words = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return [f"gradient={{{', '.join(words)}}}"]


def _settings(text: str) -> dict[str, Any]:
    """What the text says, as a section `[gradient]` that nobody has checked."""
    found = _RULE.fullmatch(text.strip())
    names = {name.lower(): name for name in gradients() if name != "auto"}
    name = found and names.get(found[1].replace("-", "").lower())
    if not found or not name:
        known = tuple(names.values())
        raise ConfigError(
            f"Option `--rule` must name a rule, but is {text!r}; try {near(text, known)}."
        )
    try:
        arguments = re.sub(r"\b(True|False)\b", lambda word: word[0].lower(), found[2] or "")
        given = tomllib.loads(f"rule = {{{arguments}}}")["rule"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"Option `--rule` {text!r}: {error}") from None
    own = {"step": _STEPS[name]} if name in _STEPS else {}
    return {"name": name, **own, **given}


def _checked(text: str, settings: dict[str, Any]) -> Any:
    """The section that the settings make."""
    try:
        return TypeAdapter(GradientChoice).validate_python(settings)
    except ValidationError as error:
        reasons = [
            f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in error.errors()
        ]
        raise ConfigError(*(f"Option `--rule` {text!r}: {reason}" for reason in reasons)) from None
