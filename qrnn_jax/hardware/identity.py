"""What a request and its jobs are known by, and whether what came back is an answer to them."""

import hashlib

import numpy as np

from qrnn_jax.hardware.template import Template


def complaint(found: object, shape: tuple[int, ...]) -> str | None:
    """What is wrong with the result of a job, if anything is."""
    if not isinstance(found, np.ndarray) or found.shape != shape:
        got = getattr(found, "shape", type(found).__name__)
        return f"it must return bits of shape {shape}, but returned {got}"
    if found.dtype not in (np.uint8, np.bool_) or (found.size and found.max() > 1):
        return f"it must return bits, but returned {found.dtype} up to {found.max()}"
    return None


def digest_of(
    template: Template,
    rows: np.ndarray,
    shots: int,
    key: tuple[int, ...],
    layout: tuple[int, ...] | None = None,
) -> bytes:
    """What a request is known by."""
    made = hashlib.sha256(template.digest)
    made.update(rows.tobytes())
    made.update(repr((rows.shape, shots, key)).encode())
    if layout is not None:
        made.update(repr(("layout", *layout)).encode())
    return made.digest()


def name_of(digest: bytes, number: int) -> str:
    """The id of a job without the number of its try."""
    return f"{digest.hex()}-{number}"
