"""A device that plays locally and keeps a record of what it was asked for."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

import qrnn_jax as qj

LOCAL = qj.hardware.LocalDevice()


class Call(NamedTuple):
    """One job: its template, its angles, its shots and seed, and the bits returned."""

    template: qj.hardware.Template
    rows: np.ndarray
    shots: int
    seed: int
    bits: np.ndarray


@dataclass(eq=False)
class Spy(qj.hardware.AbstractDevice):
    """Plays locally; `calls` are the jobs so far."""

    calls: list[Call] = field(default_factory=list)
    capabilities = LOCAL.capabilities

    def run(self, template, rows, shots, seed):  # type: ignore[no-untyped-def]
        bits = LOCAL.run(template, rows, shots, seed)
        self.calls.append(Call(template, rows.copy(), shots, seed, bits))
        return bits
