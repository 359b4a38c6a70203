"""How far one call raises the resident memory of this process (Linux only)."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def resident_bytes(field: str) -> int | None:
    """VmRSS (now) or VmHWM (peak) of this process; None where /proc does not tell."""
    try:
        found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def reset_peak() -> bool:
    """Set VmHWM back to VmRSS; False where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def watch(call: Callable[[], Any]) -> tuple[Any, dict[str, int | None]]:
    """What a call returns, and the peak of resident memory in it: whole, and above its start.

    The peak is reset before, so that what the process did earlier does not hide the call.
    """
    before = resident_bytes("VmRSS") if reset_peak() else None
    result = call()
    peak = resident_bytes("VmHWM")
    rise = None if before is None or peak is None else peak - before
    return result, {"peak_rss_bytes": peak, "rss_rise_bytes": rise}
