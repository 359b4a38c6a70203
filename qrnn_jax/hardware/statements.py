"""The statements of a program in text: ASCII of bounded size, comments taken out."""

import re
from collections.abc import Iterator

from qrnn_jax.hardware.errors import ProgramError

MAX_BYTES = 2**19
MAX_STATEMENT = 4096  # characters

_COMMENT = re.compile(r"//|/\*")
_CONTROL = str.maketrans("\n\r\t", "   ")


def statements_of(text: str) -> Iterator[tuple[int, str]]:
    """(line, statement) of a text, one after the other.

    Arguments:
        text: ASCII, at most 512 KiB.

    Raises:
        ProgramError: another text, at once; or one whose last statement has no end, when there.
    """
    _check_text(text)
    return _statements(_without_comments(text))


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise ProgramError(f"A program must be text, but is {type(text).__name__}.")
    if len(text) > MAX_BYTES:
        raise ProgramError(
            f"A program must have at most {MAX_BYTES} characters, but has {len(text)}; "
            "try fewer steps."
        )
    if not text.strip():
        raise ProgramError('A program must begin with "OPENQASM 3.0;", but is empty.')
    if not text.isascii() or not text.translate(_CONTROL).isprintable():
        raise ProgramError("A program must be ASCII text, but holds other characters.")


def _statements(plain: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every statement."""
    line, begin = 1, 0
    while True:
        end = plain.find(";", begin)
        part = plain[begin : len(plain) if end < 0 else end]
        stripped = part.strip()
        line += part[: len(part) - len(part.lstrip())].count("\n") if stripped else 0
        if end < 0 and not stripped:
            return
        yield line, stripped[: MAX_STATEMENT + 1]
        if end < 0:  # a statement without its end: reached where it looks like a good one
            raise ProgramError("must end in a semicolon, but does not")
        line += part.lstrip().count("\n") if stripped else part.count("\n")
        begin = end + 1


def _without_comments(text: str) -> str:
    """Blanks in their place; the lines stay."""
    parts, begin = [], 0
    while (found := _COMMENT.search(text, begin)) is not None:
        parts.append(text[begin : found.start()])
        ending = "\n" if found.group() == "//" else "*/"
        end = text.find(ending, found.end())
        if end < 0 and ending == "*/":
            raise ProgramError("A program must end its comments, but one has no `*/`.")
        end = len(text) if end < 0 else end + (2 if ending == "*/" else 0)
        parts.append("\n" * text.count("\n", found.start(), end) or " ")
        begin = end
    return "".join([*parts, text[begin:]])
