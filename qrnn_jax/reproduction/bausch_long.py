"""Bausch's long sequences: recall a marked base, with the answer leaked by the targets, and not."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import qrnn_jax as qj
from qrnn_jax import baselines
from qrnn_jax.validation.experiment import (
    Check,
    Experiment,
    Findings,
    Progress,
    Settings,
    Table,
)

from .bausch_convergence import HEADER, NEVER, RATES, Contest, Count, count, parameters, told
from .bausch_long_picture import draw
from .bausch_memory_gradients import gradient_norms
from .bausch_models import Classical
from .bausch_training import Course, Draw

CELL = qj.cells.Bausch(lanes=3, workspace=5, stages=1, degree=3)
BATCH, RATE, THRESHOLD = 128, 0.01, 1e-3
PUBLISHED = {5: 80.0, 20: 115.0, 100: 95.0}  # median steps, figure 9
PUBLISHED_SPREAD = 115 / 80
MEDIAN, SPREAD = 250.0, 3.0
QUICK_LOSS = 0.4  # after 50 steps; a uniform guess has 0.805
SOURCE = f"figure 9, read off; controls without a leak are ours; {NEVER}"
KINDS = {"as coded": True, "without the leak": False}
BLIND = "as coded, inputs all 000"


class Size(NamedTuple):
    """How much is run.

    Arguments:
        lengths: of the sequences to train on.
        blind: one of them, at which all inputs are 000 once; trained gradients are those of it.
        seeds: runs of everything.
        steps, control_steps: at most, of the circuit and of the controls.
        gradient_lengths, sequences: where the gradient's norm is measured, and over how many.
    """

    lengths: tuple[int, ...]
    blind: int
    seeds: int
    steps: int
    control_steps: int
    gradient_lengths: tuple[int, ...]
    sequences: int


QUICK = Size((5,), 5, 2, 50, 100, (5, 10), 16)
FULL = Size((5, 20, 100), 20, 5, 1000, 1000, (5, 10, 20, 50, 100), 32)


def _sequences(length: int, leak: bool, blind: bool, count: int, seed: int) -> qj.tasks.Symbols:
    symbols = qj.tasks.marked_base(count, seed=seed, length=length, leak=leak)
    if not blind:
        return symbols
    return qj.tasks.Symbols(np.zeros_like(symbols.inputs), symbols.targets, symbols.mask)


def contest(length: int, *, leak: bool, blind: bool = False) -> Contest:
    """One length, with targets that give the answer away or not, and with inputs or without.

    Example:
        >>> from qrnn_jax.reproduction.bausch_long import contest
        >>> int(contest(5, leak=True, blind=True).draw(3, 0).inputs.max())
        0
    """
    drawn: Draw = partial(_sequences, length, leak, blind)
    return Contest(drawn, BATCH, RATE, THRESHOLD)


def networks() -> dict[str, Classical]:
    """The paper's LSTM and RNN; its 888 parameters count two biases per gate, ours have one.

    Example:
        >>> from qrnn_jax.reproduction.bausch_long import networks
        >>> [model.network.parameters for model in networks().values()]
        [848, 866]
    """
    return {
        "LSTM": Classical(baselines.Network("lstm", 8, 10, 8)),
        "RNN": Classical(baselines.Network("rnn", 8, 22, 8)),
    }


def run(settings: Settings, progress: Progress) -> Findings:
    """Three lengths and seeds; or one length and two seeds, for less than half of the steps."""
    size = FULL if settings.full else QUICK
    races = [(kind, length, contest(length, leak=leak)) for length in size.lengths
             for kind, leak in KINDS.items()]  # fmt: skip
    races += [(BLIND, size.blind, contest(size.blind, leak=True, blind=True))]
    parts = len(races) + 2 * len(size.lengths)
    courses: dict[tuple[str, int], Course] = {}
    for place, (kind, length, race) in enumerate(races):
        part = told(progress, place, parts, f"{kind}, length {length}")
        courses[kind, length] = race.compete(CELL, size.seeds, size.steps, part)
    counts = {key: _count(course, size.steps) for key, course in courses.items()}
    controls = _controls(size, progress, len(races), parts)
    gradients = _gradients(size, courses)
    found = _checks(counts, controls, size) if settings.full else _quick(counts, controls)
    tables = (_table(counts, controls, size), _gradient_table(gradients, size))
    series = {"steps": _series(counts, controls), "gradients": gradients, "cap": size.steps,
              "published": list(map(list, PUBLISHED.items()))}  # fmt: skip
    conclusion = f"{_conclusion(counts, controls, size)} {_faded(gradients)}"
    return Findings(conclusion, tuple(found), tables, series)


def _count(course: Course, cap: int) -> Count:
    return count(course, THRESHOLD, cap)


def _controls(size: Size, progress: Progress, place: int, parts: int) -> dict[tuple, Count]:
    """LSTM and RNN: they see no targets, so both kinds of sequences are the same to them."""
    found = {}
    for length in size.lengths:
        for name, model in networks().items():
            part = told(progress, place, parts, f"{name}, length {length}")
            race = contest(length, leak=False)
            course = race.control(model, size.seeds, size.control_steps, part)
            found[name, length] = _count(course, size.control_steps)
            place += 1
    return found


def _gradients(size: Size, courses: dict[tuple[str, int], Course]) -> list[list[Any]]:
    """Rows of length, norm of the whole and of the early half, at the start and after training."""
    start, trained = CELL.init(jax.random.key(0)), {}
    for kind in KINDS:
        course = courses[kind, size.blind]
        trained[f"trained {kind}"] = jnp.asarray(course.params[0])
    rows = []
    for length in size.gradient_lengths:
        symbols = qj.tasks.marked_base(size.sequences, seed=1, length=length)
        for name, params in {"start": start, **trained}.items():
            rows.append([name, length, *gradient_norms(CELL, params, symbols)])
    return rows


def _checks(
    counts: dict[tuple[str, int], Count], controls: dict[tuple, Count], size: Size
) -> list[Check]:
    def lstm(length: int) -> float:
        return controls["LSTM", length].median

    found = [
        Check(f"median steps as coded, length {length}", counts["as coded", length].reached, None,
              MEDIAN, "prediction", SOURCE, PUBLISHED[length], lstm(length), "LSTM, no leak")
        for length in size.lengths
    ]  # fmt: skip
    medians = [counts["as coded", length].reached for length in size.lengths]
    rivals = [lstm(length) for length in size.lengths]
    found += [
        Check("longest over shortest median, as coded", max(medians) / min(medians), None, SPREAD,
              "prediction", SOURCE, PUBLISHED_SPREAD, max(rivals) / min(rivals), "LSTM, no leak"),
        Check(f"runs that learn with inputs all 000, length {size.blind}",
              counts[BLIND, size.blind].learnt, 1, None, "prediction",
              "expected from the leak; never run before", None, 0.0, "any classical network"),
    ]  # fmt: skip
    found += [
        Check(f"runs of {size.seeds} that learn without the leak, length {length}",
              counts["without the leak", length].learnt, None, None, "prediction",
              "reported; there is no reference", None, controls["LSTM", length].learnt, "LSTM")
        for length in size.lengths
    ]  # fmt: skip
    return found


def _quick(counts: dict[tuple[str, int], Count], controls: dict[tuple, Count]) -> list[Check]:
    (length,) = QUICK.lengths
    source = "quick size: learning has begun; counts of steps need the full size"
    return [Check(f"median validation loss as coded, {QUICK.steps} steps",
                  counts["as coded", length].loss, None, QUICK_LOSS, "prediction", source, None,
                  controls["LSTM", length].loss, "LSTM, no leak")]  # fmt: skip


def _table(counts: dict[tuple[str, int], Count], controls: dict[tuple, Count], size: Size) -> Table:
    rows = [
        (length, *found.row(f"circuit, {kind}", parameters(CELL)))
        for (kind, length), found in counts.items()
    ]
    sizes = {name: model.network.parameters for name, model in networks().items()}
    rows += [(length, *found.row(name, sizes[name])) for (name, length), found in controls.items()]
    rates = ", ".join(f"{rate:g}" for rate in RATES)
    note = (
        f"Batch {BATCH}; learnt is a validation loss below {THRESHOLD:g}. Circuit: at most "
        f"{size.steps} steps. LSTM and RNN: at most {size.control_steps}, best of the learning "
        f"rates {rates}, loss of the last step only. Runs that never learn count the most steps."
    )
    return Table("Recall of a marked base", ("length", *HEADER), tuple(rows), note)


def _gradient_table(gradients: list[list[Any]], size: Size) -> Table:
    note = (
        "Norm of the gradient of the last target's probability, median over sequences without the "
        f"leak; trained at length {size.blind}. Early: its part from the weights in the first half "
        "of the sequence, where the base is marked."
    )
    header = ("parameters", "length", "norm", "norm, early half")
    return Table("Gradient against length", header, tuple(map(tuple, gradients)), note)


def _series(
    counts: dict[tuple[str, int], Count], controls: dict[tuple, Count]
) -> dict[str, list[list[float]]]:
    """Model -> rows of length, median steps and share of runs that learnt."""
    found: dict[str, list[list[float]]] = {}
    for (kind, length), one in counts.items():
        found.setdefault(f"circuit, {kind}", []).append([length, one.median, one.learnt / one.runs])
    for (name, length), one in controls.items():
        found.setdefault(name, []).append([length, one.median, one.learnt / one.runs])
    return found


def _conclusion(
    counts: dict[tuple[str, int], Count], controls: dict[tuple, Count], size: Size
) -> str:
    def learnt(found: dict[Any, Count], kind: str) -> str:
        return ", ".join(f"{found[kind, length].learnt}" for length in size.lengths)

    blind = counts[BLIND, size.blind]
    lengths = ", ".join(map(str, size.lengths))
    return (
        f"Of {size.seeds} circuits each, at lengths {lengths}: {learnt(counts, 'as coded')} learn "
        f"as coded in {size.steps} steps, and {learnt(counts, 'without the leak')} where the "
        f"projected targets do not give the answer away; of the LSTMs {learnt(controls, 'LSTM')} "
        f"in {size.control_steps} steps. As coded but with all inputs 000, {blind.learnt} of "
        f"{blind.runs} learn, median loss {blind.loss:.2g}"
        + (
            ": the published curve is no evidence that inputs are remembered."
            if blind.learnt
            else "."
        )
    )


def _faded(gradients: list[list[Any]]) -> str:
    """How the early half's gradient does at the longest length."""
    longest = max(row[1] for row in gradients)
    early = {row[0]: row[3] for row in gradients if row[1] == longest}
    norms = ", ".join(f"{norm:.1g} {name}" for name, norm in early.items())
    return f"Gradient in the first half of {longest} steps, norm: {norms}."


EXPERIMENT = Experiment(
    name="bausch-long",
    title="a marked base, recalled at the end",
    question="Does the network remember over long sequences, or do its targets tell it?",
    run=run,
    draw=draw,
)
