"""The committed reproductions: bounds are those of the code, and the page quotes their numbers."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from qrnn_jax.reproduction import (
    bausch_long,
    bausch_memorisation,
    bausch_words,
    bausch_xor,
    cv_against_lstm,
    cv_series,
    cv_trends,
    takaki_cosine,
    takaki_interaction,
    takaki_spin,
    takaki_triangle,
    viqueira_shots,
    viqueira_trajectories,
)

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = DOCS / "results" / "reproductions"
Bounds = tuple[float | None, float | None]


@cache
def record(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def checks(name: str) -> dict[str, Any]:
    return {check["name"]: check for check in record(name)["checks"]}


def forecast_bounds(plan: Any) -> list[tuple[str, str, Bounds]]:
    name, kind = f"takaki-{plan.task.split('_')[0]}", ("", "", "best", "second best")
    which = f"{kind[plan.rank + 1]} of {plan.judged} seeds"
    return [
        (name, f"train MSE, {which}", (None, plan.train)),
        (name, f"free-running MSE, 50 steps, {which}", (None, plan.free)),
    ]


BOUNDS: list[tuple[str, str, Bounds]] = [
    ("bausch-memorisation", "median loss", (None, bausch_memorisation.LOSS)),
    ("bausch-memorisation", "median overhead at the end", (None, bausch_memorisation.OVERHEAD)),
    ("bausch-memorisation", "runs of 5 whose drawn words have no error",
     (bausch_memorisation.FAULTLESS * 5, None)),
    ("bausch-memorisation", "seconds per step and seed", (None, bausch_memorisation.SECONDS)),
    ("bausch-xor", "runs of 10 that learn within 1000 steps", (bausch_xor.SHARE * 10, None)),
    ("bausch-xor", "median steps", bausch_xor.MEDIAN),
    ("bausch-words", "runs of 10 that learn within 1000 steps", (bausch_words.SHARE * 10, None)),
    ("bausch-words", "median steps", bausch_words.MEDIAN),
    ("bausch-words", "mean steps of the small circuit", (bausch_words.SMALL_MEAN, None)),
    *(("bausch-long", f"median steps as coded, length {length}", (None, bausch_long.MEDIAN))
      for length in bausch_long.FULL.lengths),
    ("bausch-long", "longest over shortest median, as coded", (None, bausch_long.SPREAD)),
    *(("cv-series", f"{series}: mean train MSE, epoch {epoch}", (None, most))
      for epoch, rows in cv_series.EXPECTED.items() for series, (_, most) in rows.items()),
    *(("cv-against-lstm", f"{series}: first epoch of mean train MSE < 0.001",
       (None, cv_against_lstm.MOST)) for series in cv_against_lstm.SERIES),
    *(("cv-against-lstm", f"{series}: epochs of the LSTM over ours",
       (cv_against_lstm.RATIO, None)) for series in cv_against_lstm.SERIES),
    ("cv-trends", "sine: transmissivity 0.2 over 1, median train MSE", (cv_trends.LOSSY, None)),
    ("cv-trends", "bessel: window 2 over 4, median train MSE", (cv_trends.SHORT, None)),
    ("cv-trends", "sine: noise 0.1 over 0.001, median train MSE", (cv_trends.NOISY, None)),
    *(bound for plan in (takaki_cosine.FULL, takaki_triangle.FULL, takaki_spin.FULL)
      for bound in forecast_bounds(plan)),
    ("takaki-interaction", "train MSE at tau 0.01: as without memory",
     (0.98 * takaki_interaction.BOUND, 1.02 * takaki_interaction.BOUND)),
    *(("viqueira-shots", f"mean {split} RMSE, {shots} shots, {noise}", (None, mean + 2 * sd))
      for shots, rows in viqueira_shots.PUBLISHED.items() for split, (mean, sd) in rows.items()
      for noise in viqueira_shots.NOISES),
    ("viqueira-trajectories", "worst of 20 outputs, in standard errors, 20000 shots",
     (None, viqueira_trajectories.WORST)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "check", "bounds"), BOUNDS)
def test_committed_bounds_are_those_of_the_code(name: str, check: str, bounds: Bounds) -> None:
    found = checks(name)[check]
    for stored, bound in zip((found["low"], found["high"]), bounds):
        assert stored == (None if bound is None else pytest.approx(bound, rel=1e-12))


def measured(name: str, check: str) -> float:
    return checks(name)[check]["measured"]


def cell(name: str, title: str, row: Any, column: str) -> float:
    """An entry of a record's table, by the first entry of its row."""
    (table,) = (found for found in record(name)["tables"] if found["title"] == title)
    (line,) = (line for line in table["rows"] if line[0] == row)
    return line[table["header"].index(column)]


def forecast(series: str, how: str) -> float:
    return measured("cv-against-lstm", f"{series}: median forecast MSE, 110 points, {how}")


AVERAGED = "trained on averaged outcomes, epoch 100"
XOR, WORDS, EACH = "Elman's XOR", "Elman's words", "Every seed"
# number, how it is printed, and words of the line that it stands in
PRINTED = [
    (measured("bausch-memorisation", "median loss"), "1.5e-5", "Memorisation** reproduces"),
    (1e3 * measured("bausch-memorisation", "seconds per step and seed"), "1.0", "side by side"),
    (measured("bausch-xor", "median steps"), "235", "XOR** reproduces"),
    (measured("bausch-words", "median steps"), "205", "Words** reproduce"),
    (measured("cv-series", "sine: mean train MSE, epoch 50"), "4.4e-5", "at epoch 50"),
    (measured("cv-series", "bessel: mean train MSE, epoch 50"), "3.0e-5", "at epoch 50"),
    (measured("cv-series", "triangle: mean train MSE, epoch 50"), "2.6e-4", "at epoch 50"),
    (measured("cv-series", "damped cosine: mean train MSE, epoch 50"), "2.9e-5", "earlier re-run"),
    (forecast("sine", "epoch 50"), "0.032", "Free-running forecasts over 110"),
    (forecast("damped cosine", "epoch 50"), "0.0065", "Free-running forecasts over 110"),
    (forecast("bessel", "epoch 50"), "0.011", "damped cosine, 0.011"),
    (forecast("triangle", "epoch 50"), "0.128", "damped cosine, 0.011"),
    (forecast("sine", AVERAGED), "1.7e-5", "Trained with averaged outcomes to epoch 100"),
    (forecast("damped cosine", AVERAGED), "2.4e-9", "no better for triangle"),
    (forecast("triangle", AVERAGED), "0.155", "no better for triangle"),
    (forecast("bessel", AVERAGED), "384", "no better for triangle"),
    (measured("cv-trends", "sine: transmissivity 0.2 over 1, median train MSE"), "19", "Channel"),
    (measured("cv-trends", "bessel: window 2 over 4, median train MSE"), "19", "Channel loss"),
    (measured("cv-trends", "sine: noise 0.1 over 0.001, median train MSE"), "60", "Channel loss"),
    (100 * measured("cv-digits", "CV-QRNN: mean test accuracy"), "95.6", "Digits 3 against 6"),
    (100 * measured("cv-digits", "LSTM: mean test accuracy"), "98.3", "Digits 3 against 6"),
    (cell("takaki-spin", EACH, "seed 7", "free MSE, 50"), "0.036", "within 0.04 free-running"),
    (cell("takaki-spin", EACH, "seed 8", "free MSE, 50"), "0.022", "within 0.04 free-running"),
    (cell("takaki-spin", EACH, "seed 9", "free MSE, 50"), "0.0042", "within 0.04 free-running"),
    (measured("takaki-spin", "free-running MSE, 50 steps, best of 2 seeds"), "0.083", "spin chain"),
    (measured("viqueira-seeds", "mean test RMSE of 10 seeds"), "0.0061", "Ten fresh seeds"),
    (cell("viqueira-seeds", "Controls", "LSTM", "test RMSE"), "0.0044", "have test 0.0044"),
    (cell("viqueira-seeds", "Controls", "GRU", "test RMSE"), "0.0039", "have test 0.0044"),
    (measured("viqueira-replay", "minutes of training") * 60, "91", "task (a)"),
]


@pytest.mark.parametrize(("number", "text", "words"), PRINTED)
def test_the_page_quotes_the_committed_numbers(number: float, text: str, words: str) -> None:
    digits = len(re.sub(r"e.*|\.", "", text).lstrip("0"))
    assert float(f"{number:.{digits - 1}e}") == float(text)
    lines = [line for line in (DOCS / "reproductions.md").read_text().splitlines() if words in line]
    assert any(re.search(rf"(?<![\d.]){re.escape(text)}(?![\d])", line) for line in lines)


@pytest.mark.parametrize(
    ("name", "plan", "trained", "free"),
    [
        ("takaki-cosine", takaki_cosine.FULL, 9, 9),
        ("takaki-triangle", takaki_triangle.FULL, 10, 9),
        ("takaki-spin", takaki_spin.FULL, 4, 3),
    ],
)
def test_the_page_counts_the_seeds_that_hold(name: str, plan: Any, trained: int, free: int) -> None:
    seeds = [f"seed {seed}" for seed in range(10)]
    train = [cell(name, EACH, seed, "train MSE") <= plan.train for seed in seeds]
    alone = [cell(name, EACH, seed, "free MSE, 50") <= plan.free for seed in seeds]
    assert (sum(train), sum(alone)) == (trained, free)


@pytest.mark.parametrize(("bias", "learnt"), [("0", 0), ("pi", 1)])
def test_the_page_counts_the_runs_from_other_biases(bias: str, learnt: int) -> None:
    found = cell("bausch-xor", XOR, f"circuit, bias mean {bias}", "learnt")
    assert found == f"{learnt} of 10"
    words = "Started at bias 0 none of 10 ends within 1000 steps, at bias pi 1."
    assert words in (DOCS / "reproductions.md").read_text()
