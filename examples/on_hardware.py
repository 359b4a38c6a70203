"""Train a recurrent circuit from the counts of a noisy device, with three gradient rules.

    pip install -e ".[qiskit]"
    python examples/on_hardware.py --out runs/on_hardware                # minutes
    python examples/on_hardware.py --device local --budget 20000         # a minute, no extra

1. The cell is trained in simulation, with exact gradients: what could be had.
2. For each rule the learning rate is chosen by pilots on the ideal `local` device, whose seeds are
   not those of the runs.
3. Each rule trains the cell from counts of the device, all with the same budget of shots, about
   the same number of shots in a step, and the same seeds.

The end is a table of exact training errors beside those of predicting zero, a constant, and a
ridge regression; and `on_hardware.json` and `on_hardware.png` in the folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from qrnn_jax.training.config import make_config
from qrnn_jax.training.experiment import prepare
from qrnn_jax.training.train import train
from qrnn_jax.training.yardsticks import yardsticks

BASE = {
    "task": {"name": "decreasing_triangle", "length": 5},
    "cell": {"name": "Viqueira", "exchange": 1, "memory": 1, "layers": 2, "uploads": 1},
    "output": {"pictures": False},
}
# one step is planned at 888 or 884 shots with every rule (SharedShift's split rounds up):
# 110 shifted circuits, or 16 for each of 4 windows
RULES: dict[str, dict[str, Any]] = {
    "parameter-shift": {"gradient": {"name": "ParameterShift"}, "shots": 8, "batch": 1},
    "shared-shift": {"gradient": {"name": "SharedShift"}, "shots": 8, "batch": 1},
    "spsa": {
        "gradient": {"name": "SPSA", "step": 0.4, "directions": 8},
        "shots": 13,
        "batch": 4,
    },
}
RATES = (0.03, 0.1)
PILOTS, SEEDS = (201,), (1, 2)
IDEAL = {"name": "local"}


def adam(rate: float) -> dict[str, Any]:
    """The same optimizer for all."""
    return {"name": "adam", "learning_rate": rate, "b2": 0.99}


def simulated(seed: int, out: Path) -> dict[str, Any]:
    """The cell trained with exact gradients on all windows."""
    training = {"steps": 400, "seed": seed}
    config = make_config({**BASE, "optimizer": adam(0.03), "training": training})
    return train(config, out / f"exact-{seed}", resume=True)


def counted(
    rule: str, rate: float, seed: int, budget: int, place: dict[str, Any], out: Path
) -> dict[str, Any]:
    """The cell trained from counts until the budget is spent; goes on where it was stopped."""
    chosen = RULES[rule]
    settings = {
        **BASE,
        "gradient": chosen["gradient"],
        "optimizer": adam(rate),
        "training": {"steps": 10**6, "seed": seed, "batch": chosen["batch"]},
        "device": {**place, "shots": chosen["shots"], "budget": budget},
    }
    name = f"{rule}-{place['name']}-{rate}-{seed}"
    print(f"  {name} ...", flush=True)
    return train(make_config(settings), out / name, resume=True)


def best_rate(rule: str, budget: int, out: Path) -> tuple[float, dict[str, list[float]]]:
    """The learning rate of least mean error in the pilots, and all their errors."""
    errors = {
        rate: [counted(rule, rate, seed, budget, IDEAL, out)["loss_final"] for seed in PILOTS]
        for rate in RATES
    }
    rate = min(errors, key=lambda one: statistics.mean(errors[one]))
    return rate, {str(one): found for one, found in errors.items()}


def compare(
    budget: int, place: dict[str, Any], seeds: tuple[int, ...], out: Path
) -> dict[str, Any]:
    """Everything that the table and the picture need."""
    windows = prepare(
        make_config({**BASE, "optimizer": adam(0.1), "training": {"steps": 1}})
    ).task.train
    print("simulation, exact gradients", flush=True)
    exact = [simulated(seed, out)["loss_final"] for seed in seeds]
    rows: dict[str, Any] = {}
    for rule in RULES:
        print(f"{rule}: pilots on the ideal device, then the device", flush=True)
        rate, pilots = best_rate(rule, budget, out)
        runs = [counted(rule, rate, seed, budget, place, out) for seed in seeds]
        rows[rule] = {
            "learning_rate": rate,
            "pilots": pilots,
            "training_mse": [run["loss_final"] for run in runs],
            "spent": [run["device"]["spent"] for run in runs],
            "steps": [run["steps"] for run in runs],
            "seconds": [run["train_s"] for run in runs],
        }
    return {
        "device": place,
        "budget": budget,
        "seeds": seeds,
        "pilot_seeds": PILOTS,
        "settings": {"base": BASE, "rules": RULES},
        "exact_gradients": exact,
        "yardsticks": yardsticks(windows).errors,
        "rules": rows,
    }


def table(found: dict[str, Any]) -> str:
    """Markdown: errors as shares of the best constant's."""
    constant = found["yardsticks"]["constant"]
    lines = ["| trained with | training error / best constant's, per seed | shots |"]
    lines.append("| --- | --: | --: |")
    lines.append(
        f"| exact gradients, simulation | {_shares(found['exact_gradients'], constant)} | |"
    )
    for rule, row in found["rules"].items():
        spent = " ".join(map(str, row["spent"]))
        lines.append(f"| {rule} | {_shares(row['training_mse'], constant)} | {spent} |")
    for name, error in found["yardsticks"].items():
        lines.append(f"| {name} | {_shares([error], constant)} | 0 |")
    return "\n".join(lines)


def _shares(errors: list[float], constant: float) -> str:
    return ", ".join(f"{error / constant:.3g}" for error in errors)


def draw(found: dict[str, Any], path: Path) -> None:
    """One dot per run; lines for what needs no device."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    constant = found["yardsticks"]["constant"]
    for place, (rule, row) in enumerate(found["rules"].items()):
        shares = [error / constant for error in row["training_mse"]]
        axes.plot([place] * len(shares), shares, "o", color="#0072B2", label=rule)
    axes.set_xticks(range(len(found["rules"])), list(found["rules"]))
    axes.axhline(1, color="#E69F00", linestyle="--")
    axes.text(-0.45, 1.02, "best constant")
    exact = statistics.mean(found["exact_gradients"]) / constant
    axes.axhline(exact, color="#4D4D4D", linestyle=":")
    axes.text(-0.45, exact + 0.02, "exact gradients, simulation")
    axes.set_xlim(-0.5, len(found["rules"]) - 0.5)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("training error / best constant's")
    place = found["device"]
    axes.set_title(
        f"{found['budget']} shots on {place['name']} {place.get('noise') or ''}",
        fontsize=10,
    )
    figure.savefig(path, dpi=150, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/on_hardware"))
    parser.add_argument("--budget", type=int, default=40_000, help="shots of every run")
    parser.add_argument("--device", default="aer")
    parser.add_argument("--noise", default="fake_manila", help="of aer")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the runs")
    given = parser.parse_args()
    place = {"name": given.device}
    if given.device == "aer":
        place["noise"] = given.noise
    found = compare(given.budget, place, tuple(given.seeds), given.out)
    (given.out / "on_hardware.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(found, given.out / "on_hardware.png")
    print(table(found))


if __name__ == "__main__":
    main()
