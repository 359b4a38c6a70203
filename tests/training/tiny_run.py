"""The smallest experiment: two wires, twenty steps of a cosine; as settings and as arguments."""

import json
from pathlib import Path
from typing import Any

from qrnn_jax.training.config import Config, make_config

SETTINGS: dict[str, Any] = {
    "task": {"name": "cosine", "steps": 20},
    "cell": {"name": "Takaki", "inputs": 1, "memory": 1, "depth": 1},
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "training": {"steps": 40, "validate_every": 10},
    "output": {"checkpoint_seconds": 0, "pictures": False},
}


SUNSPOTS = ("task={name='sunspots'}", "training.precision=float64")


def tiny(*overrides: str) -> Config:
    """The tiny configuration with some settings replaced."""
    return make_config(SETTINGS, overrides)


def write_settings(folder: Path) -> str:
    """The same settings as a file, for the command line."""
    path = folder / "tiny.json"
    path.write_text(json.dumps(SETTINGS))
    return str(path)


def newest(folder: Path) -> dict[str, Any]:
    """The newest checkpoint's manifest; its `sha256` covers parameters and optimizer."""
    return json.loads(sorted((folder / "checkpoints").glob("*.json"))[-1].read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
