"""What a result was made with: versions of the packages, and the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

PACKAGES = ("qrnn_jax", "jax", "jaxlib", "optax", "numpy")


def versions() -> dict[str, str | None]:
    """Version of each package that a result depends on; None for one run from a checkout.

    Example:
        >>> from qrnn_jax.training.machine import versions
        >>> list(versions())[:2]
        ['qrnn_jax', 'jax']
    """
    return {name: _version(name) for name in PACKAGES}


def machine() -> dict[str, Any]:
    """Python, system, number of processors, device.

    Example:
        >>> from qrnn_jax.training.machine import machine
        >>> list(machine())
        ['python', 'system', 'cpus', 'device']
    """
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return None
