"""IBM's devices, whose service keeps jobs (extra `qiskit`)."""

from typing import Any

from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.qiskit_device import QiskitDevice


def ibm_device(backend: Any, *, optimization_level: int = 1) -> QiskitDevice:
    """A backend of IBM as a device, its jobs found again by their ids.

    Arguments:
        backend: from `QiskitRuntimeService().backend(name)`; a snapshot such as
            `snapshot("fake_manila")` is played on this machine, and keeps no jobs.
        optimization_level: of the transpiler, 0 to 3.

    Raises:
        DeviceError: the extra is not installed.
        ValueError: another optimization level.

    Example:
        >>> import qrnn_jax as qj
        >>> def queue(name):  # with the extra `qiskit` and an account
        ...     from qiskit_ibm_runtime import QiskitRuntimeService
        ...     device = qj.hardware.ibm_device(QiskitRuntimeService().backend(name))
        ...     return qj.hardware.Queue(device, budget=100_000, journal="jobs")

    Source: the interface of qiskit-ibm-runtime 0.51; never run against the service itself.
    """
    service = getattr(backend, "service", None)  # snapshots have none
    return QiskitDevice(
        _sampler()(mode=backend),
        backend=backend,
        service=service,
        optimization_level=optimization_level,
    )


def _sampler() -> Any:
    """IBM's class of samplers: the present one, or the one that it replaces."""
    try:
        from qiskit_ibm_runtime.executor_sampler import Sampler
    except ImportError:
        try:
            from qiskit_ibm_runtime import SamplerV2 as Sampler
        except ImportError as error:
            raise DeviceError(
                "This device needs the package qiskit-ibm-runtime; try "
                '`pip install "qrnn_jax[qiskit]"`.'
            ) from error
    return Sampler
