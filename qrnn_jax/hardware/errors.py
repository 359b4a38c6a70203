"""What goes wrong with devices."""

from typing import final


@final
class DeviceError(RuntimeError):
    """A device cannot do what is asked, or did not do it after all tries.

    Example:
        >>> from qrnn_jax import hardware
        >>> issubclass(hardware.DeviceError, RuntimeError)
        True
    """


@final
class BudgetError(RuntimeError):
    """A request, or one more try of a job, would exceed the budget of shots: it was not submitted.

    Example:
        >>> from qrnn_jax import hardware
        >>> issubclass(hardware.BudgetError, hardware.DeviceError)
        False
    """


@final
class JournalError(OSError):
    """The record of submitted jobs cannot be written or read, so nothing more is submitted.

    Example:
        >>> from qrnn_jax import hardware
        >>> issubclass(hardware.JournalError, OSError)
        True
    """
