"""What is wrong with a configuration, one sentence per field."""

from __future__ import annotations

import difflib
import re
import reprlib
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


class ConfigError(ValueError):
    """A configuration is not valid; `lines` has one sentence per field.

    Example:
        >>> from qrnn_jax.training.complaints import ConfigError
        >>> ConfigError("Setting `a` is unknown.", "Setting `b` is unknown.").lines[1]
        'Setting `b` is unknown.'
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence per field of a configuration that pydantic refused.

    Example:
        >>> from pydantic import ValidationError
        >>> from qrnn_jax.training.complaints import sentences
        >>> from qrnn_jax.training.config import TrainingSection
        >>> try:
        ...     TrainingSection(steps=0, seeds=3)
        ... except ValidationError as error:
        ...     sentences(error, TrainingSection)  # doctest: +ELLIPSIS
        ['Setting `steps` must be greater than or equal to 1, but is 0.', 'Setting `seeds` is ...']
    """
    found: dict[str, str] = {}
    for entry in error.errors(include_url=False):
        path, owner = _locate(entry["loc"], model)
        found.setdefault(path, _sentence(path, owner, entry))  # of a union's complaints, the first
    return list(found.values())


def near(word: str, choices: Sequence[str]) -> str:
    """The choices most like a word, or all of them where none is.

    Example:
        >>> from qrnn_jax.training.complaints import near
        >>> near("cosin", ["triangle", "cosine"]), near("xyz", ["triangle", "cosine"])
        ('`cosine`', '`triangle`, `cosine`')
    """
    close = difflib.get_close_matches(word, choices, n=3, cutoff=0.5) or choices
    return ", ".join(f"`{choice}`" for choice in close)


def _locate(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, type[BaseModel]]:
    """The path of a field in the words of the file, and the model that should have it.

    Pydantic's own location also names the chosen member of a union, and goes on into the parts of a
    field; neither is in the file.
    """
    names = [str(part) for part in loc]
    if len(names) < 2 or names[0] not in model.model_fields:
        return ".".join(names[:1]), model
    section, *rest = names
    members = _members(model, section)
    if len(members) > 1:
        tag, *rest = rest
        members = [member for member in members if member.__name__ == tag]
    return ".".join([section, *rest[:1]]), members[0]


def _members(model: type[BaseModel], section: str) -> list[Any]:
    annotation = model.model_fields[section].annotation
    members = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    return members or [annotation]


def _sentence(path: str, owner: type[BaseModel], entry: Any) -> str:
    message, value = entry["msg"], entry["input"]
    context = entry.get("ctx", {})
    match entry["type"]:
        case "extra_forbidden":
            known = list(owner.model_fields)
            return f"Setting `{path}` is unknown; try {near(path.split('.')[-1], known)}."
        case "missing":
            return f"Setting `{path}` must be given, but is missing."
        case "union_tag_not_found":
            return f"Setting `{path}.name` must be given, but is missing."
        case "union_tag_invalid":
            tags = re.findall(r"'([^']*)'", context["expected_tags"])
            tag = context["tag"]
            return f"Setting `{path}.name` must be known, but is {tag!r}; try {near(tag, tags)}."
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"Setting `{path}` must be a table of settings, but is {reprlib.repr(value)}."
        case "value_error":
            return _in_the_files_words(path, str(context["error"]))
        case _:
            wanted = message.removeprefix("Input should ")
            return f"Setting `{path}` must {wanted}, but is {reprlib.repr(value)}."


def _in_the_files_words(path: str, message: str) -> str:
    """A function's complaint about its argument as one about the setting."""
    renamed = re.sub(r"^Argument `(\w+)`", rf"Setting `{path}.\1`", message)
    renamed = re.sub(r"^Optimizer must", f"Setting `{path}.name` must", renamed)
    return renamed if renamed != message else f"Setting `{path}`: {message}"
