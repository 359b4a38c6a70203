"""Where a run starts: at its first step, or at the newest checkpoint of the same run."""

from __future__ import annotations

from typing import Any

from .checkpoint import load_checkpoint
from .complaints import ConfigError
from .config import Config, make_config, read_settings
from .errors import RunFolderError
from .experiment import Experiment, Snapshot
from .metrics import truncate_metrics
from .run_folder import RunFolder

FREE = (  # may change on resuming
    "training.steps",
    "output.checkpoint_seconds",
    "output.pictures",
    "device.budget",
)


def starting_point(
    experiment: Experiment, folder: RunFolder, *, resume: bool
) -> tuple[Snapshot, float]:
    """Prepare a run folder for training.

    Arguments:
        experiment: to be run.
        folder: entered.
        resume: go on from the newest checkpoint, if the folder has one; then the same settings are
            asked for, but for more steps and what is written.

    Returns:
        The snapshot to start from, and the seconds of training before.

    Raises:
        RunFolderError: not to be resumed, but the folder holds a run; nothing is changed.
        CheckpointMismatch: the checkpoint is of another model; the leaves are named.
        CheckpointError: no checkpoint is readable.
        ConfigError: other settings than the run in the folder.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.experiment import prepare
        >>> from qrnn_jax.training.presets import preset
        >>> from qrnn_jax.training.resume import starting_point
        >>> experiment = prepare(make_config(preset("sunspots")))
        >>> with tempfile.TemporaryDirectory() as name, training.RunFolder(Path(name)) as folder:
        ...     snapshot, seconds = starting_point(experiment, folder, resume=True)
        >>> int(snapshot.state.step), seconds
        (0, 0.0)
    """
    snapshot, train_s = experiment.start(), 0.0
    if resume:
        found = load_checkpoint(folder.checkpoints, snapshot)
        _check_settings(experiment.config, folder, done=found.step if found else 0)
        if found:
            snapshot, train_s = found.tree, float(found.notes.get("train_s", 0.0))
    elif _holds_a_run(folder):
        raise RunFolderError(
            f"Output folder {folder.path} must be new, but it holds a run; try `--resume` to go on "
            "with that run, or another `--out`."
        )
    truncate_metrics(folder.metrics, int(snapshot.state.step))
    folder.summary.unlink(missing_ok=True)  # it comes back last, when all is done
    folder.write_json("config.json", experiment.config.to_dict())
    return snapshot, train_s


def _holds_a_run(folder: RunFolder) -> bool:
    files = (folder.config, folder.metrics, folder.summary)
    return any(file.exists() for file in files) or any(folder.checkpoints.iterdir())


def _check_settings(config: Config, folder: RunFolder, *, done: int) -> None:
    """The settings must be those of the run in the folder, or its result would be nobody's."""
    if config.training.steps < done:
        raise ConfigError(
            f"Setting `training.steps` must be at least the {done} that {folder.path} has done, "
            f"but is {config.training.steps}; try `--steps {done}`."
        )
    if not folder.config.exists():
        return
    old = _flat(make_config(read_settings(folder.config)).to_dict())
    new = _flat(config.to_dict())
    differing = [name for name in sorted({*old, *new} - {*FREE}) if old.get(name) != new.get(name)]
    if differing:
        raise ConfigError(
            *(
                f"Setting `{name}` must be {old.get(name)!r} as in {folder.config}, but is "
                f"{new.get(name)!r}; try another `--out`."
                for name in differing
            )
        )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, entries in settings.items()
        for key, value in entries.items()
    }
