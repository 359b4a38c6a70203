"""One finished experiment, and how to take it up from its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from qrnn_jax.training.files import read_capped
from qrnn_jax.training.machine import versions
from qrnn_jax.training.metrics import strict_json

from .experiment import Experiment, Findings, Settings

MAX_BYTES = 2**26  # of one result file


@final
@dataclass(frozen=True)
class Record:
    """One finished experiment.

    Arguments:
        experiment: what was asked.
        findings: what was found.
        settings: how large it was.
        seconds: how long it took.
        versions, machine: what it was made with.

    Example:
        >>> from qrnn_jax.validation.record import Record
        >>> callable(Record)
        True
    """

    experiment: Experiment
    findings: Findings
    settings: Settings
    seconds: float
    versions: dict[str, str | None]
    machine: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Everything but the functions."""
        words = {name: getattr(self.experiment, name) for name in ("name", "title", "question")}
        rest = {name: getattr(self, name) for name in ("seconds", "versions", "machine")}
        return {
            **words,
            **self.findings.to_json(),
            "settings": asdict(self.settings),
            **rest,
        }


def finished(experiment: Experiment, settings: Settings, path: Path) -> Record | None:
    """What an earlier session found with the same settings and version; None if nothing.

    Example:
        >>> from pathlib import Path
        >>> from qrnn_jax import validation
        >>> from qrnn_jax.validation.experiments import EXPERIMENTS
        >>> from qrnn_jax.validation.record import finished
        >>> finished(EXPERIMENTS[0], validation.Settings(), Path("missing.json")) is None
        True
    """
    if not path.exists():
        return None
    whole = json.loads(read_capped(path, MAX_BYTES))
    same = whole["settings"] == json.loads(strict_json(asdict(settings)))
    if not same or whole["versions"]["qrnn_jax"] != versions()["qrnn_jax"]:
        return None
    findings = Findings.from_json(whole)
    made = (whole[name] for name in ("seconds", "versions", "machine"))
    return Record(experiment, findings, settings, *made)


def failed(records: Sequence[Record]) -> list[str]:
    """The checks that must hold and do not; predictions that miss are findings, no failures.

    Example:
        >>> from qrnn_jax.validation.record import failed
        >>> failed([])
        []
    """
    return [
        f"{record.experiment.name}: {check.name}"
        for record in records
        for check in record.findings.checks
        if check.kind != "prediction" and not check.passed
    ]
