"""One other tool per file; each says what it needs, and gives a workload's loss or training step.

A file may also say which workloads it cannot run, and how much of a workload it runs in seconds.
"""

from types import ModuleType

from benchmarks.workloads import Workload


def refusal_of(peer: ModuleType, workload: Workload) -> str | None:
    """Why a peer cannot run a workload; None if it can."""
    told = getattr(peer, "refusal", None)
    reason: str | None = told(workload) if told else None
    return reason


def reduced_for(peer: ModuleType, workload: Workload) -> Workload:
    """The workload, or as much of it as a peer runs in seconds."""
    made = getattr(peer, "reduced", None)
    found: Workload = made(workload) if made else workload
    return found
