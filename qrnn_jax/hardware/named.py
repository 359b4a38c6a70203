"""Devices by name, as the command line and configuration files write them."""

from functools import lru_cache
from typing import Any

from qrnn_jax.hardware.braket_device import BraketDevice
from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.local import LocalDevice
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.qiskit_device import QiskitDevice

NAMES = ("local", "aer", "braket")
# A few qubits: one density matrix, its channels fused into the gates, costs less than drawing the
# noise of every shot anew; the counts have the same distribution.
_FEW, _FUSED = 5, {"method": "density_matrix", "fusion_threshold": 1}
_NEEDED = 'This device needs the package {}; try `pip install "qrnn_jax[qiskit]"`.'


def named(name: str, noise: str | None = None) -> AbstractDevice:
    """A simulated device by its name.

    Equation: `aer` with noise plays U of the circuit between the channels of the named snapshot.

    Arguments:
        name: `local`, our own simulator; `aer`, Qiskit's (extra `qiskit`); `braket`, Amazon's
            (extra `braket`).
        noise: for `aer`, the snapshot of a real device whose couplings, gates and errors are taken,
            by the name in qiskit_ibm_runtime.fake_provider: `fake_manila`. None: ideal.

    Raises:
        ValueError: an unknown name, or noise for a device that takes none.
        DeviceError: the extra is not installed.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.hardware.named("local")
        LocalDevice(max_shots=100000)

    Source: the snapshots are part of qiskit-ibm-runtime.
    """
    if name not in NAMES:
        raise ValueError(f"Argument `name` must be one of {NAMES}, but is {name!r}.")
    if name == "aer":
        return _aer(noise)
    if noise is not None:
        raise ValueError(
            f"Argument `noise` must be None for `{name}`, but is {noise!r}; write the noise into "
            'a cell for `local`, or try `named("aer", noise=...)`.'
        )
    return LocalDevice() if name == "local" else BraketDevice()


def snapshot(name: str) -> Any:
    """The snapshot of a real device: a `BackendV2` with couplings, gates and calibration.

    Arguments:
        name: as in qiskit_ibm_runtime.fake_provider, `fake_manila`.

    Raises:
        ValueError: no snapshot of that name.
        DeviceError: the extra is not installed.

    Example:
        >>> import qrnn_jax as qj
        >>> def qubits():  # with the extra `qiskit`
        ...     print(qj.hardware.snapshot("fake_manila").num_qubits)

    Source: the snapshots are part of qiskit-ibm-runtime.
    """
    try:
        from qiskit_ibm_runtime import fake_provider
    except ImportError as error:
        raise DeviceError(_NEEDED.format("qiskit-ibm-runtime")) from error
    kinds: dict[str, Any] = {
        named_so: kind
        for kind in vars(fake_provider).values()
        if isinstance(kind, type)
        and isinstance(named_so := getattr(kind, "backend_name", None), str)
    }
    if name not in kinds:
        raise ValueError(f"Argument `noise` must be one of {sorted(kinds)}, but is {name!r}.")
    return kinds[name]()


@lru_cache(maxsize=8)
def _aer(noise: str | None) -> AbstractDevice:
    """Aer, ideal or as a snapshot; one device for each, so that it transpiles once."""
    try:
        from qiskit_aer.noise import NoiseModel
        from qiskit_aer.primitives import SamplerV2
    except ImportError as error:
        raise DeviceError(_NEEDED.format("qiskit-aer")) from error
    if noise is None:
        return QiskitDevice(lambda seed: SamplerV2(seed=seed))
    backend = snapshot(noise)
    method = _FUSED if backend.num_qubits <= _FEW else {}
    options = {"backend_options": {"noise_model": NoiseModel.from_backend(backend), **method}}
    return QiskitDevice(
        lambda seed: SamplerV2(seed=seed, options=options), backend=backend, scheduled=True
    )
