"""What happens after each compiled call: metrics, a look at the validation windows, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, final

import jax.numpy as jnp

from .checkpoint import save_checkpoint
from .experiment import Best, Experiment, Snapshot
from .fit import Progress
from .metrics import append_metrics
from .run_folder import RunFolder


class Reporter(Protocol):
    """Whom an experiment tells what happens, and asks whether to stop.

    Example:
        >>> from qrnn_jax.training.recorder import Silent
        >>> Silent().stopping()
        False
    """

    def stage(self, text: str) -> None:
        """Something that takes seconds begins."""

    def advance(self, step: int, loss: float, validation_loss: float | None, left_s: float) -> None:
        """Training has reached a step, and will take `left_s` more seconds."""

    def stopping(self) -> bool:
        """Whether to save a checkpoint and stop."""
        ...


@final
class Silent:
    """A reporter that says nothing and never stops.

    Example:
        >>> from qrnn_jax.training.recorder import Silent
        >>> Silent().stage("compiling")
    """

    def stage(self, text: str) -> None:
        del text

    def advance(self, step: int, loss: float, validation_loss: float | None, left_s: float) -> None:
        del step, loss, validation_loss, left_s

    def stopping(self) -> bool:
        return False


class Interrupted(Exception):
    """The reporter asked to stop; a checkpoint has been saved.

    Example:
        >>> from qrnn_jax.training.recorder import Interrupted
        >>> str(Interrupted("stopped at step 3"))
        'stopped at step 3'
    """


@final
class Recorder:
    """The callback of a training run; `snapshot` is what it has seen last.

    Arguments:
        experiment, folder, reporter: of the run.
        snapshot: where training starts.
        train_s: seconds of training before.
        validation_loss: of some parameters; None where the task has no validation windows.

    Example:
        >>> from qrnn_jax.training.recorder import Recorder
        >>> callable(Recorder)
        True
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        reporter: Reporter,
        snapshot: Snapshot,
        *,
        train_s: float = 0.0,
        validation_loss: Callable[[Any], float] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.train_s = train_s
        self._before = int(snapshot.state.step), train_s
        self._settings = experiment.config
        self._cost = experiment.shots_per_step
        self._folder = folder
        self._reporter = reporter
        self._validation_loss = validation_loss
        self._saved = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Record one compiled call.

        Raises:
            Interrupted: the reporter asked to stop.
        """
        self.train_s = self._before[1] + progress.train_s
        validation_loss = self._validate(progress)
        self._append(progress, validation_loss)
        stopping = self._reporter.stopping()
        due = time.monotonic() - self._saved >= self._settings.output.checkpoint_seconds
        due = due or self._settings.device is not None  # what was paid for is kept
        if due or stopping:
            self.save()
        if stopping:
            step, steps = int(progress.steps[-1]), self._settings.training.steps
            raise Interrupted(
                f"Stopped at step {step} of {steps}; {self._folder.path} is resumable."
            )
        self._report(progress, validation_loss)

    def save(self) -> None:
        """Write a checkpoint of the present snapshot."""
        step = int(self.snapshot.state.step)
        notes = {"train_s": self.train_s}
        save_checkpoint(self._folder.checkpoints, step, self.snapshot, notes=notes)
        self._saved = time.monotonic()

    def _validate(self, progress: Progress) -> float | None:
        """The validation loss at multiples of `validate_every`: the same steps in every session."""
        self.snapshot = self.snapshot._replace(state=progress.state)
        step = progress.state.step
        if self._validation_loss is None or int(step) % self._settings.training.validate_every:
            return None
        params = progress.state.params
        loss = self._validation_loss(params)
        if loss < self.snapshot.best.loss:
            best = Best(params, jnp.asarray(loss, self.snapshot.best.loss.dtype), step)
            self.snapshot = self.snapshot._replace(best=best)
        return loss

    def _append(self, progress: Progress, validation_loss: float | None) -> None:
        columns = progress.steps, progress.losses, progress.gradient_norms, progress.used
        rows: list[dict[str, Any]] = [
            {
                "step": int(step),
                "loss": float(loss),
                "gradient_norm": float(norm),
                "used": bool(used),
            }
            for step, loss, norm, used in zip(*columns, strict=True)
        ]
        for name, values in (progress.columns or {}).items():
            for row, value in zip(rows, values, strict=True):
                row[name] = value
        if validation_loss is not None:
            rows[-1]["validation_loss"] = validation_loss
        try:
            append_metrics(self._folder.metrics, rows)
        except OSError as error:
            raise OSError(
                error.errno or 0,
                f"File {self._folder.metrics} must be writable, but {error.strerror or error}; "
                "try freeing space, then `--resume`.",
            ) from error

    def _report(self, progress: Progress, validation_loss: float | None) -> None:
        step = int(progress.steps[-1])
        pace = progress.train_s / (step - self._before[0])
        left_s = pace * self._steps_left(progress)
        self._reporter.advance(step, float(progress.losses[-1]), validation_loss, left_s)

    def _steps_left(self, progress: Progress) -> int:
        """Up to the last step, or as many as a budget of shots still allows."""
        left = self._settings.training.steps - int(progress.steps[-1])
        if self._settings.device is None or progress.columns is None:
            return left
        shots = self._settings.device.budget - int(progress.columns["shots"][-1])
        return min(left, shots // self._cost)
