"""A device that ends the process in the middle of a job, or misbehaves in another way.

`python -m tests.training.deadly FOLDER JOB` trains the tiny run in a process that is killed while
its job number JOB is played.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import qrnn_jax as qj
from qrnn_jax.training.config import Config
from qrnn_jax.training.device_section import DeviceSection
from qrnn_jax.training.train import train
from tests.training.tiny_run import tiny

SHOTS, DIRECTIONS, STEPS = 6, 2, 4
COST = SHOTS * (2 * DIRECTIONS + 1)  # of a step: one sequence, one measurement setting


class Watched(qj.hardware.AbstractDevice):
    """Plays locally, and calls a function before each job."""

    replays_free = True

    def __init__(self, before: Callable[[int], object]) -> None:
        self.before = before
        self.jobs: list[tuple[int, int, int]] = []

    @property
    def capabilities(self) -> qj.hardware.Capabilities:
        return qj.hardware.LocalDevice().capabilities

    def run(self, template, rows, shots, seed) -> np.ndarray:  # type: ignore[no-untyped-def]
        self.jobs.append((len(rows), shots, seed))
        self.before(len(self.jobs))
        return qj.hardware.LocalDevice().run(template, rows, shots, seed)


def on_device(*overrides: str, budget: int = 10 * COST) -> Config:
    """The tiny run on a device: a cosine of 3 steps, SPSA, `COST` shots a step."""
    rule = f"gradient={{name='SPSA', step=0.3, directions={DIRECTIONS}}}"
    device = f"device={{name='local', shots={SHOTS}, budget={budget}}}"
    rarely = "output.checkpoint_seconds=1000"  # a device's steps are saved all the same
    return tiny("task.steps=3", f"training.steps={STEPS}", rarely, rule, device, *overrides)


def kill_at(job: int) -> Callable[[int], object]:
    """End the process while a job is played."""
    return lambda now: os.kill(os.getpid(), signal.SIGKILL) if now == job else None


if __name__ == "__main__":
    folder, number = sys.argv[1:]
    DeviceSection.build = lambda self: Watched(kill_at(int(number)))  # type: ignore[method-assign]
    train(on_device(), Path(folder), resume=True)
