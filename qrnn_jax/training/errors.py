"""What can go wrong while training, one class per exit code of the command line."""

from typing import Any


class NumericalError(ArithmeticError):
    """Training gave no usable step several times in a row; `state` is the last good one.

    Example:
        >>> from qrnn_jax.training import NumericalError
        >>> NumericalError("no usable step", state=None).state is None
        True
    """

    def __init__(self, message: str, *, state: Any) -> None:
        super().__init__(message)
        self.state = state


class CheckpointError(OSError):
    """No checkpoint in the folder can be read; the message gives each reason.

    Example:
        >>> from qrnn_jax.training import CheckpointError
        >>> issubclass(CheckpointError, OSError)
        True
    """


class CheckpointMismatch(ValueError):
    """A checkpoint is sound but belongs to another model; the message names the differing leaves.

    Example:
        >>> from qrnn_jax.training import CheckpointMismatch
        >>> issubclass(CheckpointMismatch, ValueError)
        True
    """


class RunFolderError(OSError):
    """The run folder cannot be used: not writable, in use by another run, or already finished.

    Example:
        >>> from qrnn_jax.training import RunFolderError
        >>> issubclass(RunFolderError, OSError)
        True
    """
