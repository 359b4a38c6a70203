"""`python -m benchmarks.plan`: the planned time of a gradient beside the time that it takes.

Each case is one value and gradient of a sequence by `ParameterShift` on Aer, ideal or with the
noise of a snapshot, planned as a user plans it: by a few rows that the plan has played. What counts
is the clock on the wall while the device's `run` works, summed over all jobs.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from benchmarks.machine import origin

PATH = Path(__file__).resolve().parents[1] / "docs" / "results" / "hardware" / "plan.json"
PACKAGES = ("qrnn_jax", "jax", "jaxlib", "numpy", "qiskit", "qiskit-aer", "qiskit-ibm-runtime")
CELLS = {
    "Takaki(inputs=1, memory=1, depth=1)": qj.cells.Takaki(inputs=1, memory=1, depth=1),
    "Viqueira(exchange=1, memory=2, layers=1, uploads=1)": qj.cells.Viqueira(
        exchange=1, memory=2, layers=1, uploads=1
    ),
}
DEVICES = (("aer", None, 200), ("aer", "fake_manila", 20))  # with shots
STEPS = (3, 8)
FACTOR = 3.0  # allowed between a planned time and a measured one
_TRIES = 2


class Case(NamedTuple):
    """What is planned and played."""

    device: str
    noise: str | None
    cell: str
    steps: int
    shots: int


@final
class Timed(qj.hardware.AbstractDevice):
    """A device that adds up how long it plays."""

    def __init__(self, device: qj.hardware.AbstractDevice) -> None:
        self.device = device
        self.seconds = 0.0

    @property
    def capabilities(self) -> qj.hardware.Capabilities:
        return self.device.capabilities

    @property
    def replays_free(self) -> bool:
        return self.device.replays_free

    def prepare(self, template: qj.hardware.Template) -> None:
        self.device.prepare(template)

    def size(self, template: qj.hardware.Template) -> qj.hardware.CircuitSize:
        return self.device.size(template)

    def run(
        self, template: qj.hardware.Template, rows: np.ndarray, shots: int, seed: int
    ) -> np.ndarray:
        begin = time.perf_counter()
        found = self.device.run(template, rows, shots, seed)
        self.seconds += time.perf_counter() - begin
        return found


def cases() -> list[Case]:
    """Small circuits in every combination."""
    return [
        Case(device, noise, cell, steps, shots)
        for device, noise, shots in DEVICES
        for cell in CELLS
        for steps in STEPS
    ]


def measure(case: Case, tries: int = _TRIES) -> dict[str, Any]:
    """Planned and played; of several tries the fastest counts."""
    cell, rule = CELLS[case.cell], qj.ParameterShift()
    inner = qj.hardware.named(case.device, case.noise)
    timed = Timed(inner)
    plan = qj.plan(cell, case.steps, shots=case.shots, rule=rule, device=timed)
    params = cell.init(jax.random.key(1))
    xs = jnp.asarray(np.random.default_rng(2).uniform(-0.9, 0.9, (case.steps, cell.features)))
    found = []
    for number in range(tries):
        device = Timed(inner)
        queue = qj.hardware.Queue(device)
        engine, key = qj.Device(queue, shots=case.shots), jax.random.key(number)
        loss = lambda p: jnp.sum(  # noqa: E731
            qj.run(cell, p, xs, engine=engine, gradient=rule, key=key) ** 2  # noqa: B023
        )
        jax.block_until_ready(jax.value_and_grad(loss)(params))
        found.append(device.seconds)
    planned = plan.rules[0]
    assert (queue.jobs, queue.spent) == (planned.jobs, planned.executions)
    return case._asdict() | {
        "instructions": plan.circuits[0].instructions,
        "two_qubit": plan.circuits[0].two_qubit,
        "rows": planned.rows,
        "jobs": planned.jobs,
        "executions": planned.executions,
        "planned_s": planned.seconds,
        "pilot_shots": plan.pilot_shots,
        "pilot_s": timed.seconds,
        "measured_s": min(found),
        "tries_s": found,
    }


def factor(record: dict[str, Any]) -> float:
    """How far a planned time is from the measured one, 1 or more."""
    ratio = record["planned_s"] / record["measured_s"]
    return max(ratio, 1 / ratio)


def main() -> int:
    """Measure, print, write; 1 where a planned time is further off than it may be."""
    parser = argparse.ArgumentParser(description="planned time of a gradient beside measured time")
    parser.add_argument("--out", type=Path, default=PATH)
    path = parser.parse_args().out
    records = []
    for case in cases():
        record = measure(case)
        record["factor"] = factor(record)
        records.append(record)
        name = f"{case.device} {case.noise or 'ideal'} {case.cell} T={case.steps}"
        times = [f"{record[f'{k}_s']:.3g}" for k in ("measured", "planned", "pilot")]
        print(name, "measured {} s, planned {} s by a pilot of {} s".format(*times), flush=True)
    content = {
        "command": "python -m benchmarks.plan",
        **origin(PACKAGES),
        "allowed_factor": FACTOR,
        "cases": records,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
    worst = max(record["factor"] for record in records)
    print(f"largest factor {worst:.2f}, allowed {FACTOR:g}")
    return int(worst > FACTOR)


if __name__ == "__main__":
    sys.exit(main())
