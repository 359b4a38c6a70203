"""Where a command puts its results, unless they are already there."""

from __future__ import annotations

import time
from pathlib import Path


def result_folder(command: str, out: Path | None, *, resume: bool) -> Path:
    """Where to write; results of another session are never taken up, or lost, unasked.

    Arguments:
        command: names the folder where none is given: runs/COMMAND-TIME.
        out: the folder, or None.
        resume: whether it may hold results.

    Raises:
        ValueError: resuming without a folder, or a folder with results without resuming.

    Example:
        >>> from pathlib import Path
        >>> from qrnn_jax.cli.result_folder import result_folder
        >>> result_folder("validate", Path("missing"), resume=False).name
        'missing'
    """
    if resume and out is None:
        raise ValueError("Option `--resume` must come with `--out`, the folder to go on in.")
    if out is None:
        return Path("runs") / f"{command}-{time.strftime('%Y%m%d-%H%M%S')}"
    if not resume and any(out.glob("*.json")):
        raise ValueError(
            f"Option `--out` must name a folder without results, but {out} has some; "
            "try `--resume`, or another folder."
        )
    return out
