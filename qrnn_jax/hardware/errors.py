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
class ProgramError(ValueError):
    """A program in text that is refused: not flat, not known, too large, or no program.

    Example:
        >>> from qrnn_jax import hardware
        >>> hardware.check_openqasm3("OPENQASM 3.0; qubit[20000000] q;")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        qrnn_jax.hardware.errors.ProgramError: Line 1 must declare 1 .. 1000 qubits in all, but ...
    """


@final
class JournalError(OSError):
    """The record of submitted jobs cannot be written or read, so nothing more is submitted.

    Example:
        >>> from qrnn_jax import hardware
        >>> issubclass(hardware.JournalError, OSError)
        True
    """
