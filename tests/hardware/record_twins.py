"""Predictions beside counts at T = 5; needs the extra `qiskit`.

    python -m tests.hardware.record_twins

writes `docs/results/hardware/twins.json` and the tables of `docs/noise-twins.md`.
"""

import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import qrnn_jax as qj
from qrnn_jax.training.machine import machine, versions
from tests.hardware.own_noise import CELLS, bare, noisy_aer, noisy_cell, z_scores
from tests.helpers import cell_inputs

DOCS = Path(__file__).parents[2] / "docs"
PATH, PAGE = DOCS / "results" / "hardware" / "twins.json", DOCS / "noise-twins.md"
START, END = "<!-- tables: python -m tests.hardware.record_twins -->", "<!-- end of tables -->"
COMMAND = "python -m tests.hardware.record_twins"
SNAPSHOT = "fake_manila"
STEPS, SHOTS, SEEDS = 5, 2048, 8


def summary(scores: list[np.ndarray]) -> dict[str, float]:
    """How z-scores spread."""
    flat = np.concatenate([score.ravel() for score in scores])
    return {
        "numbers": len(flat),
        "rms_z": float(np.sqrt(np.mean(flat**2))),
        "largest_z": float(np.abs(flat).max()),
    }


def key_for(seed: int, part: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(90 + part), seed)


def ideal_and_own(name: str) -> dict[str, Any]:
    """Aer without noise, and under the gate-noise model that we wrote."""
    whole, model = CELLS[name]
    ideal, own, apart = [], [], []
    device, noisy = qj.hardware.named("aer"), noisy_aer(model)
    for seed in range(SEEDS):
        inputs = cell_inputs(whole, seed, steps=STEPS)
        exact = qj.run(whole, *inputs, engine=qj.DensityMatrix())
        ideal.append(z_scores(whole, device, exact, inputs, SHOTS, key_for(seed, 0)))
        cell, *given = bare(whole, *inputs)
        twin = qj.run(noisy_cell(cell, model), *given, engine=qj.DensityMatrix())
        clean = qj.run(cell, *given, engine=qj.DensityMatrix())
        own.append(z_scores(cell, noisy, twin, tuple(given), SHOTS, key_for(seed, 1)))
        apart.append(np.asarray(clean - twin))
    felt = float(np.sqrt(np.mean(np.square(apart))))
    return {"ideal": summary(ideal), "own": {**summary(own), "rms_effect_of_noise": felt}}


def unscheduled() -> qj.hardware.QiskitDevice:
    """The snapshot without delays in its circuits: nothing decays while it waits."""
    from qiskit_aer.primitives import SamplerV2

    backend = qj.hardware.snapshot(SNAPSHOT)
    return qj.hardware.QiskitDevice(lambda seed: SamplerV2(seed=seed), backend=backend)


def snapshot(name: str) -> dict[str, Any]:
    """Aer as a real device's snapshot: the twin, the profile of means, and no noise at all."""
    cell, _ = CELLS[name]
    device = qj.hardware.named("aer", SNAPSHOT)
    twin = qj.hardware.twin(cell, device, STEPS)
    profile = device.calibration.profile()
    clear = qj.hardware.twin(cell, device, STEPS, calibration=device.calibration.without_readout())
    mitigation = qj.hardware.calibrated(device, cell, STEPS, shots=20_000)
    seen: dict[str, list[np.ndarray]] = {"counted": [], "stderr": [], "mitigated_z": []}
    seen |= {"ideal": [], "twin": [], "profile": [], "clear": [], "mitigated": []}
    seen["twin without waiting"] = []
    at_once = qj.hardware.twin(cell, unscheduled(), STEPS)
    for seed in range(SEEDS):
        inputs = cell_inputs(cell, seed, steps=STEPS)
        engine = qj.Device(device, shots=SHOTS)
        found = qj.simulate(cell, *inputs, engine=engine, key=key_for(seed, 2))
        seen["counted"].append(np.asarray(found.outputs))
        seen["stderr"].append(np.asarray(found.stderr))
        engine = qj.Device(device, shots=SHOTS, mitigation=mitigation)
        better = qj.simulate(cell, *inputs, engine=engine, key=key_for(seed, 3))
        seen["clear"].append(np.asarray(clear(*inputs)))
        seen["mitigated"].append(np.asarray(better.outputs))
        seen["mitigated_z"].append((seen["mitigated"][-1] - seen["clear"][-1]) / better.stderr)
        seen["ideal"].append(np.asarray(qj.run(cell, *inputs)))
        seen["twin"].append(np.asarray(twin(*inputs)))
        seen["twin without waiting"].append(np.asarray(at_once(*inputs)))
        seen["profile"].append(np.asarray(qj.run(qj.cells.Noisy(cell, profile), *inputs)))
    return describe({key: np.array(value) for key, value in seen.items()}, mitigation.flips)


def describe(seen: dict[str, np.ndarray], flips: Any) -> dict[str, Any]:
    """Scores of every prediction, and by which factor outputs shrink at each step."""
    made: dict[str, Any] = {}
    for name in ("twin", "twin without waiting", "profile", "ideal"):
        apart = seen["counted"] - seen[name]
        made[name] = summary(list(apart / seen["stderr"]))
        made[name]["rms_gap"] = float(np.sqrt(np.mean(apart**2)))
    made["rms_stderr"] = float(np.sqrt(np.mean(seen["stderr"] ** 2)))
    made["mitigated"] = {**summary(list(seen["mitigated_z"])), "measured_flips": flips}
    made["shrinkage"] = {
        name: shrinkage(seen[name], seen["ideal"])
        for name in ("counted", "twin", "twin without waiting", "profile", "mitigated")
    }
    return made


def shrinkage(values: np.ndarray, ideal: np.ndarray) -> list[float]:
    """Least squares per step, over seeds: values = factor x ideal + constant."""
    found = []
    for step in range(values.shape[1]):
        x, y = ideal[:, step].ravel(), values[:, step].ravel()
        found.append(float(np.polyfit(x, y, 1)[0]))
    return found


def tables(whole: dict[str, Any]) -> str:
    """The tables of the page."""
    head = "| cell | device | predicted by | numbers | r.m.s. z | largest z | r.m.s. gap |"
    lines = [head, "| --- | --- | --- | --: | --: | --: | --: |"]
    for name, cell in whole["cells"].items():
        seen = cell["snapshot"]
        rows = [
            ("Aer, ideal", "density matrix", cell["ideal"]),
            ("Aer, our gate noise", "density matrix of the noisy cell", cell["own"]),
            ("Aer, snapshot", "twin", seen["twin"]),
            ("Aer, snapshot, mitigated", "twin without read-out errors", seen["mitigated"]),
            ("Aer, snapshot", "twin without waiting", seen["twin without waiting"]),
            ("Aer, snapshot", "profile of means", seen["profile"]),
            ("Aer, snapshot", "no noise at all", seen["ideal"]),
        ]
        lines += [row_of(name, *row) for row in rows]
    lines += ["", "| cell | outputs shrink to | " + steps_of(whole) + " |"]
    lines += ["| --- | --- |" + " --: |" * whole["steps"]]
    for name, cell in whole["cells"].items():
        for kind, factors in cell["snapshot"]["shrinkage"].items():
            lines.append(f"| {name} | {kind} | " + " | ".join(f"{f:.2f}" for f in factors) + " |")
    return "\n".join(lines)


def row_of(name: str, device: str, by: str, found: dict[str, float]) -> str:
    gap = f"{found['rms_gap']:.3f}" if "rms_gap" in found else ""
    scores = f"{found['numbers']} | {found['rms_z']:.2f} | {found['largest_z']:.1f}"
    return f"| {name} | {device} | {by} | {scores} | {gap} |"


def steps_of(whole: dict[str, Any]) -> str:
    return " | ".join(f"step {step + 1}" for step in range(whole["steps"]))


def write_page(whole: dict[str, Any]) -> None:
    """Put the tables between their marks."""
    text = PAGE.read_text()
    before, after = text.split(START)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{START}\n\n{tables(whole)}\n\n{END}{after}")


def main() -> None:
    """Everything, written at once."""
    start = time.monotonic()
    whole: dict[str, Any] = {"command": COMMAND, "snapshot": SNAPSHOT}
    whole |= {"steps": STEPS, "shots": SHOTS, "seeds": SEEDS, "cells": {}}
    whole["versions"], whole["machine"] = versions(), machine()
    for name in CELLS:
        whole["cells"][name] = {**ideal_and_own(name), "snapshot": snapshot(name)}
        print(name, f"{time.monotonic() - start:.0f} s", flush=True)
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(json.dumps(whole, indent=1) + "\n")
    write_page(whole)


if __name__ == "__main__":
    main()
