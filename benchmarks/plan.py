"""`python -m benchmarks.plan`: the planned time of a gradient beside the time that it takes.

Each case is one value and gradient of one sequence by `ParameterShift`, on Aer, ideal and with the
noise of a snapshot. The time that counts is what the device's `run` takes, summed over all jobs. A
pilot is judged by the clock on the wall, as it was timed under the same load; what a device states
of its speed by processor seconds, which do not depend on who else works on the machine.
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
        self.seconds = self.processor = 0.0

    @property
    def capabilities(self) -> qj.hardware.Capabilities:
        return self.device.capabilities

    def prepare(self, template: qj.hardware.Template) -> None:
        self.device.prepare(template)

    def run(
        self, template: qj.hardware.Template, rows: np.ndarray, shots: int, seed: int
    ) -> np.ndarray:
        begin, processor = time.perf_counter(), time.process_time()
        found = self.device.run(template, rows, shots, seed)
        self.seconds += time.perf_counter() - begin
        self.processor += time.process_time() - processor
        return found


def cases() -> list[Case]:
    """All of them."""
    return [
        Case(device, noise, cell, steps, shots)
        for device, noise, shots in DEVICES
        for cell in CELLS
        for steps in STEPS
    ]


def measure(case: Case, tries: int = _TRIES) -> dict[str, Any]:
    """Planned twice, by statement and by pilot, and played; of several tries the fastest counts."""
    cell, rule = CELLS[case.cell], qj.ParameterShift()
    inner = qj.hardware.named(case.device, case.noise)
    options: dict[str, Any] = {"shots": case.shots, "rule": rule, "device": inner}
    stated, piloted = (qj.plan(cell, case.steps, pilot=p, **options) for p in (False, True))
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
        found.append((device.seconds, device.processor))
    planned = stated.rules[0]
    assert (queue.jobs, queue.spent) == (planned.jobs, planned.executions)
    return case._asdict() | {
        "instructions": stated.circuits[0].instructions,
        "two_qubit": stated.circuits[0].two_qubit,
        "rows": planned.rows,
        "jobs": planned.jobs,
        "executions": planned.executions,
        "stated_s": planned.seconds,
        "pilot_s": piloted.rules[0].seconds,
        "pilot_shots": piloted.pilot_shots,
        "measured_s": min(wall for wall, _ in found),
        "processor_s": min(processor for _, processor in found),
        "tries_s": found,
    }


def factors(record: dict[str, Any]) -> dict[str, float]:
    """How far a planned time is from a measured one, 1 or more."""
    pairs = {"stated": ("stated_s", "processor_s"), "pilot": ("pilot_s", "measured_s")}
    ratios = {kind: record[one] / record[other] for kind, (one, other) in pairs.items()}
    return {kind: max(ratio, 1 / ratio) for kind, ratio in ratios.items()}


def main() -> int:
    """Measure, print, write; 1 where a planned time is further off than it may be."""
    parser = argparse.ArgumentParser(description="planned time of a gradient beside measured time")
    parser.add_argument("--out", type=Path, default=PATH)
    path = parser.parse_args().out
    records = []
    for case in cases():
        record = measure(case)
        record["factors"] = factors(record)
        records.append(record)
        name = f"{case.device} {case.noise or 'ideal'} {case.cell} T={case.steps}"
        times = [f"{record[f'{k}_s']:.3g}" for k in ("measured", "processor", "stated", "pilot")]
        print(name, "measured {} s ({} s of a processor), stated {}, pilot {}".format(*times))
    content = {
        "command": "python -m benchmarks.plan",
        **origin(PACKAGES),
        "allowed_factor": FACTOR,
        "cases": records,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
    worst = max(value for record in records for value in record["factors"].values())
    print(f"largest factor {worst:.2f}, allowed {FACTOR:g}")
    return int(worst > FACTOR)


if __name__ == "__main__":
    sys.exit(main())
