"""Where a result comes from: the machine and the versions."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

_PACKAGES = ("qrnn_jax", "jax", "jaxlib", "numpy")


def origin(packages: Sequence[str] = _PACKAGES) -> dict[str, Any]:
    """When and where a result was made, and with what."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(packages),
    }


def machine() -> dict[str, Any]:
    """Processor, cores, memory and JAX's device."""
    return {
        "cpu": _cpu_model(),
        "vector_bytes": _vector_bytes(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": str(jax.devices()[0].device_kind),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def memory_bytes() -> int:
    """All memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def versions(packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Python and the packages that matter."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "source tree"
    return found


def _cpu_model() -> str:
    found = re.search(r"model name\s*:\s*(.+)", _cpu_info())
    return found.group(1).strip() if found else platform.processor() or "unknown"


def _vector_bytes() -> int | None:
    """Of a register, as the system tells it; None where it does not."""
    told = {"avx512f": 64, "avx2": 32}
    flags = _cpu_info().split()
    return next((size for flag, size in told.items() if flag in flags), None)


def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
