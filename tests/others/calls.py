"""What is asked of a tool, and how its answer is judged. One `Call` is one line of the record."""

import importlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from tests.others.cases import BY_NAME

REPOSITORY = Path(__file__).parents[2]
RECORD = REPOSITORY / "docs" / "results" / "others.json"
SHOTS = 1000
SEEDS = (1, 100_001, 200_001)  # far apart: some simulators seed shot k with seed + k
EXACT = 1e-6  # room for what is computed in float64 by a difference with step 1e-7
CONFIDENCE = 5.0  # standard errors

MODULES = {
    "PennyLane": "tests.others.with_pennylane",
    "TensorCircuit-NG": "tests.others.with_tensorcircuit",
    "Qiskit": "tests.others.with_qiskit",
}
"""Tool -> the module that calls it; importing the module needs the tool."""

PACKAGES = {
    "PennyLane": ("pennylane",),
    "TensorCircuit-NG": ("tensorcircuit-ng",),
    "Qiskit": ("qiskit", "qiskit-aer", "qiskit-machine-learning", "qiskit-algorithms"),
}
"""Tool -> the distributions whose versions say what was run."""


@final
@dataclass(frozen=True)
class Call:
    """One thing done with one tool.

    Arguments:
        case: name of the case.
        text: the call, short.
        documentation: one sentence on what the tool's documentation says, and where.
        run: seed -> gradient (P,); None where the tool has nothing to call.
        shots: repetitions behind every expectation value, None where it is exact.
        standard_error: of one returned number; None takes the two-term rule's sqrt(R / (2 shots)).
        unsupported: the documentation names this case as not supported.
    """

    case: str
    text: str
    documentation: str
    run: Callable[[int | None], ArrayLike] | None
    shots: int | None = None
    standard_error: float | None = None
    unsupported: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        return () if self.shots is None or self.run is None else SEEDS

    @property
    def error(self) -> float | None:
        """The standard error of one returned number, None where it is exact."""
        if self.shots is None:
            return None
        return self.standard_error or float(
            np.sqrt(BY_NAME[self.case].occurrences / 2 / self.shots)
        )


def answer(call: Call) -> tuple[list[list[float]], str | None]:
    """The gradients, one per seed (one where exact), or the error that came instead."""
    if call.run is None:
        return [], None
    try:
        values = [call.run(seed) for seed in call.seeds or (None,)]
    except Exception as error:
        return [], f"{type(error).__name__}: {first_line(error)}"
    return [digits(value) for value in values], None


def digits(values: ArrayLike) -> list[float]:
    """A vector as the record keeps it: ten significant digits."""
    return [float(f"{value:.10g}") for value in np.ravel(values)]


def first_line(error: BaseException) -> str:
    """The first line of the message, followed by that of the error it was raised from."""
    text = (str(error).splitlines() or [""])[0]
    return f"{text} (from {first_line(error.__cause__)})" if error.__cause__ else text


def judge(line: dict[str, Any]) -> str:
    """The verdict on one line of the record, from its numbers; the page explains the words."""
    if line["seeds"] is None:
        return "not applicable"
    if line["documented_unsupported"]:
        return "documented as unsupported"
    if line["raised"] is not None:
        return f"raises: {line['raised']}"
    values, truth = np.array(line["values"]), np.array(line["truth"])
    off = np.abs(values.mean(axis=0) - truth).max()
    if line["standard_error"] is None:
        return "correct" if off <= EXACT else "wrong value"
    if np.linalg.norm(values.std(axis=0, ddof=1)) > np.linalg.norm(truth):
        return "noise dominated"
    allowed = CONFIDENCE * line["standard_error"] / np.sqrt(len(values))
    return "correct" if off <= allowed else "wrong value"


def ask(tool: str, call: Call) -> dict[str, Any]:
    """Runs the call: one line of the record."""
    values, error = answer(call)
    line = {
        "tool": tool,
        "versions": {name: metadata.version(name) for name in PACKAGES[tool]},
        "case": call.case,
        "call": call.text,
        "shots": call.shots,
        "seeds": None if call.run is None else list(call.seeds),
        "standard_error": call.error,
        "values": values,
        "raised": error,
        "truth": digits(BY_NAME[call.case].truth()),
        "documented_unsupported": call.unsupported,
        "documentation": call.documentation,
    }
    return line | {"verdict": judge(line)}


def pins() -> dict[str, str]:
    """Distribution -> version, from the extra `others` of pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return dict(pin.split("==") for pin in project["optional-dependencies"]["others"])


def missing(tool: str) -> str | None:
    """Why the tool cannot be asked here, None where it can."""
    for name in PACKAGES[tool]:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"{tool}: {name} is not installed; install the extra `others`"
        if version != pins()[name]:
            return f"{tool}: {name} {version} is installed, the record is of {pins()[name]}"
    return None


def calls(tool: str) -> tuple[Call, ...]:
    return importlib.import_module(MODULES[tool]).CALLS
