"""How a request becomes jobs, what seeds they get, and which tables of angles are refused."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from qrnn_jax.hardware.protocol import Capabilities
from qrnn_jax.hardware.template import Template


class Job(NamedTuple):
    """One call of a device.

    Arguments:
        first: its first row.
        last: one past its last row.
        shots: repetitions of every row.
    """

    first: int
    last: int
    shots: int


def jobs_for(limits: Capabilities, rows: int, shots: int) -> Iterator[Job]:
    """The jobs of one request: every row is played `shots` times in all."""
    left = shots
    while left:
        now = min(left, limits.max_shots, limits.max_executions)
        width = min(limits.max_rows, limits.max_executions // now)
        for first in range(0, rows, width):
            yield Job(first, min(first + width, rows), now)
        left -= now


def seed_from(entropy: tuple[int, ...]) -> int:
    """A seed below 2**63, far from that of any other entropy."""
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))


def check_rows(template: Template, rows: np.ndarray) -> None:
    """Refuse a table that does not fit, and angles that are no numbers: devices take them."""
    if rows.ndim != 2 or rows.shape[1] != len(template.symbols):
        raise ValueError(
            f"Argument `rows` must have shape (rows, {len(template.symbols)}), one column per "
            f"symbol, but has shape {rows.shape}."
        )
    wrong = np.argwhere(~np.isfinite(rows))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"Argument `rows` must be finite, but row {row} has {rows[row, column]} for "
            f"{template.symbols[column]}; nothing was submitted."
        )
