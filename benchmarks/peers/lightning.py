"""PennyLane Lightning: `lightning.qubit`, its adjoint differentiation in C++, complex64.

Lightning knows no expectation between steps without back-action, so output t is a circuit of its
own, of t steps, one per sequence. No interface is in between: circuits go to the device as they
are, shared among one thread per core, and the slopes of all gates are added here.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.recurrence import gates
from benchmarks.workloads import Workload

TITLE = "Lightning"
REQUIREMENTS = ("pennylane==0.45.1", "pennylane-lightning==0.45.0")
_MOST_STEPS = 200  # of all circuits together; more takes minutes
_STEPS, _BATCH = 16, 1  # what is run of a workload that has more


def refusal(workload: Workload) -> str | None:
    """Why a workload cannot be run; None if it can."""
    if workload.family == "reset":
        return "`lightning.qubit` differentiates pure states only"
    return None


def reduced(workload: Workload) -> Workload:
    """The workload, or a smaller one where circuits of 1 to T steps would take minutes."""
    if workload.batch * workload.steps * (workload.steps + 1) // 2 <= _MOST_STEPS:
        return workload
    return replace(workload, steps=min(workload.steps, _STEPS), batch=_BATCH, golden=None)


def training_step(
    workload: Workload,
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, np.ndarray]]:
    """(params, x, y) -> the mean square error and its gradient."""
    devices = _Devices(workload.wires)

    def play(params: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        built = [pair for xs in x for pair in _circuits(workload, params, xs)]
        values, slopes = devices([script for script, _ in built])
        wrong = values - y.reshape(-1)
        gradient = np.zeros(len(params))
        for (_, owner), slope, error in zip(built, slopes, wrong, strict=True):
            np.add.at(gradient, owner, 2 * error * slope / len(wrong))
        return float(np.mean(wrong**2)), gradient

    return play


def _circuits(
    workload: Workload, params: np.ndarray, xs: np.ndarray
) -> list[tuple[Any, np.ndarray]]:
    """One per output of a sequence; with the parameter of every gate that is differentiated."""
    import pennylane as qml

    kinds = {"RY": qml.RY, "RZ": qml.RZ}
    operations: list[Any] = []
    angle_of: list[int] = []  # of every rotation; 0 is the input
    found = []
    for x in xs:
        angles = np.concatenate([[np.arccos(x)], params])
        for name, wires, angle in gates(workload):
            if angle is None:
                operations.append(qml.CNOT(wires))
                continue
            operations.append(kinds[name](angles[angle], wires))
            angle_of.append(angle)
        trained = [place for place, angle in enumerate(angle_of) if angle]
        script = qml.tape.QuantumScript(
            list(operations), [qml.expval(qml.Z(0))], trainable_params=trained
        )
        found.append((script, np.array(angle_of)[trained] - 1))
    return found


class _Devices:
    """One device and thread per core: circuits -> values, and slopes in their gates."""

    def __init__(self, wires: int) -> None:
        import pennylane as qml
        from pennylane.devices import ExecutionConfig

        self._cores = os.cpu_count() or 1
        self._devices = [
            qml.device("lightning.qubit", wires=wires, c_dtype=np.complex64)
            for _ in range(self._cores)
        ]
        self._config = self._devices[0].setup_execution_config(
            ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
        )
        self._pool = ThreadPoolExecutor(self._cores)

    def __call__(self, scripts: list[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
        values, slopes = np.empty(len(scripts)), [np.empty(0)] * len(scripts)

        def part(core: int) -> None:
            mine = range(core, len(scripts), self._cores)  # long and short circuits for each
            if not mine:
                return
            given = tuple(scripts[place] for place in mine)
            results = self._devices[core].execute_and_compute_derivatives(given, self._config)
            for place, value, slope in zip(mine, *results, strict=True):
                values[place], slopes[place] = value, np.asarray(slope, np.float64)

        list(self._pool.map(part, range(self._cores)))
        return values, slopes
