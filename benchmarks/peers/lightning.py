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
    import pennylane as qml
    from pennylane.devices import ExecutionConfig

    kinds, step = {"RY": qml.RY, "RZ": qml.RZ}, gates(workload)
    cores = os.cpu_count() or 1
    devices = [
        qml.device("lightning.qubit", wires=workload.wires, c_dtype=np.complex64)
        for _ in range(cores)
    ]
    config = devices[0].setup_execution_config(
        ExecutionConfig(gradient_method="adjoint", use_device_gradient=True)
    )
    pool = ThreadPoolExecutor(cores)

    def circuits(params: np.ndarray, xs: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """One per output; with the parameter of every gate that is differentiated."""
        operations: list[Any] = []
        angle_of: list[int] = []
        found = []
        for x in xs:
            angles = np.concatenate([[np.arccos(x)], params])
            for name, wires, angle in step:
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

    def values_and_slopes(scripts: list[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Every core gets long and short circuits."""
        values, slopes = np.empty(len(scripts)), [np.empty(0)] * len(scripts)

        def part(core: int) -> None:
            mine = range(core, len(scripts), cores)
            if not mine:
                return
            given = tuple(scripts[place] for place in mine)
            results = devices[core].execute_and_compute_derivatives(given, config)
            for place, value, slope in zip(mine, *results, strict=True):
                values[place], slopes[place] = value, np.asarray(slope, np.float64)

        list(pool.map(part, range(cores)))
        return values, slopes

    def play(params: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        built = [pair for xs in x for pair in circuits(params, xs)]
        values, slopes = values_and_slopes([script for script, _ in built])
        wrong = values - y.reshape(-1)
        gradient = np.zeros(len(params))
        for (_, owner), slope, error in zip(built, slopes, wrong, strict=True):
            np.add.at(gradient, owner, 2 * error * slope / len(wrong))
        return float(np.mean(wrong**2)), gradient

    return play
