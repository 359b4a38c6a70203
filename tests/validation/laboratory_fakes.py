"""Experiments that take no time, for the tests of what surrounds experiments."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
from matplotlib.figure import Figure

from qrnn_jax.validation import Check, Experiment, Findings, Settings, Table
from qrnn_jax.validation.experiment import Progress

NAN = float("nan")


def findings(*checks: Check) -> Findings:
    table = Table("sizes", ("T", "error"), ((4, 0.123456),), "how to read it")
    return Findings("It holds, mostly.", checks, (table,), {"x": [1.0, 2.0]})


def draw(found: Findings) -> Figure:
    figure = Figure()
    figure.subplots().plot(found.series["x"])
    return figure


class Fakes:
    """E1 and E2; counts how often each has run; `during` is called in the middle of E2."""

    def __init__(
        self, *checks: Check, during: Callable[[], None] = lambda: None, drawn: bool = True
    ) -> None:
        self.runs: list[str] = []
        self.dtypes: list[str] = []
        self.during = during
        self.experiments = tuple(
            Experiment(name, f"title {name}", f"Question {name}?", self._run(name, checks), picture)
            for name, picture in (("E1", draw if drawn else None), ("E2", None))
        )

    def _run(
        self, name: str, checks: tuple[Check, ...]
    ) -> Callable[[Settings, Progress], Findings]:
        def run(settings: Settings, progress: Progress) -> Findings:
            self.runs.append(name)
            self.dtypes.append(str(jnp.zeros(1).dtype))
            if name == "E2":
                self.during()
            progress(0.5, "half of it")
            return findings(Check("error", 1e-13, high=1e-10, source="a paper"), *checks)

        return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_float32() -> bool:
    return not jax.config.jax_enable_x64
