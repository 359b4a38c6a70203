"""The frame of the laboratory: order, files, resuming, verdicts, the registries."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.training.recorder import Interrupted
from qrnn_jax.validation import Check, Settings, record
from qrnn_jax.validation.cells import chosen_cells, laboratory_cells
from qrnn_jax.validation.experiments import EXPERIMENTS, chosen
from qrnn_jax.validation.laboratory import run_laboratory
from qrnn_jax.validation.pilot import pilot_cell, pilot_inputs
from qrnn_jax.validation.record import failed
from qrnn_jax.validation.write_up import page, verdict
from tests.helpers import public_classes
from tests.validation.laboratory_fakes import NAN, Fakes, names

FILES = ["E1.json", "E1.png", "E2.json", "report.json", "report.md"]


def test_runs_all_in_float64_and_writes_everything(tmp_path: Path) -> None:
    fakes = Fakes(Check("guess", 3.0, 1.0, 2.0, "prediction"))
    with jax.enable_x64(False):
        records = run_laboratory(Settings(), tmp_path / "a", experiments=fakes.experiments)
        assert not jax.config.jax_enable_x64
    assert (fakes.runs, fakes.dtypes) == (["E1", "E2"], ["float64", "float64"])
    assert names(tmp_path / "a") == FILES
    whole = json.loads((tmp_path / "a" / "report.json").read_text())
    assert whole["failed"] == []
    assert [entry["name"] for entry in whole["experiments"]] == ["E1", "E2"]
    check = whole["experiments"][1]["checks"][0]
    assert (check["measured"], check["high"], check["passed"]) == (1e-13, 1e-10, True)
    assert whole["settings"] == {"full": False, "cells": [], "seed": 0}
    assert whole["versions"]["jax"] == jax.__version__
    assert whole["machine"]["cpus"] > 0
    assert whole["seconds"] == pytest.approx(sum(entry.seconds for entry in records))


def test_the_page_has_question_conclusion_checks_table_and_picture(tmp_path: Path) -> None:
    checks = Check("guess", 3.0, 1.0, 2.0, "prediction"), Check("broken", NAN, high=1.0)
    records = run_laboratory(Settings(), tmp_path, experiments=Fakes(*checks).experiments)
    text = page(records)
    assert text == (tmp_path / "report.md").read_text()
    assert "## E1: title E1\n\n*Question E1?*\n\nIt holds, mostly.\n\n![title E1](E1.png)" in text
    assert "| error | 1e-13 | <= 1e-10 | passed | exactness | a paper |" in text
    assert "| guess | 3 | 1 .. 2 | missed | prediction |  |" in text
    assert "| broken | nan | <= 1 | FAILED | exactness |  |" in text
    assert "**sizes**\n\n| T | error |\n| --- | --- |\n| 4 | 0.1235 |\n\nhow to read it" in text
    assert "Failed: E1: broken; E2: broken." in text
    assert "E2.png" not in text


def test_a_second_run_takes_up_what_is_finished(tmp_path: Path) -> None:
    fakes = Fakes(Check("broken", NAN, high=1.0))
    first = run_laboratory(Settings(), tmp_path, experiments=fakes.experiments)
    (tmp_path / "E1.png").unlink()
    (tmp_path / "E2.json").unlink()
    second = run_laboratory(Settings(), tmp_path, experiments=fakes.experiments)
    assert fakes.runs == ["E1", "E2", "E2"]
    assert names(tmp_path) == FILES  # the picture, too: drawn from the file
    assert second[0].seconds == first[0].seconds
    assert np.isnan(second[0].findings.checks[1].measured)
    assert page(second[:1]) == page(first[:1])


@pytest.mark.parametrize("settings", [Settings(full=True), Settings(cells=("pilot",))])
def test_other_settings_are_run_anew(tmp_path: Path, settings: Settings) -> None:
    fakes = Fakes()
    for one in (Settings(), settings):
        run_laboratory(one, tmp_path, ("E2",), experiments=fakes.experiments)
    assert fakes.runs == ["E2", "E2"]


def test_another_version_is_run_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    run_laboratory(Settings(), tmp_path, experiments=fakes.experiments)
    monkeypatch.setattr(record, "versions", lambda: {"qrnn_jax": "99"})
    run_laboratory(Settings(), tmp_path, ("E1",), experiments=fakes.experiments)
    assert fakes.runs == ["E1", "E2", "E1"]


def test_a_stop_keeps_what_is_finished(tmp_path: Path) -> None:
    class Impatient:
        """Asks to stop once E2 has begun."""

        stopped = False
        advance = end = staticmethod(lambda *_: None)

        def begin(self, experiment: object) -> None:
            self.stopped = experiment is fakes.experiments[1]

        def stopping(self) -> bool:
            return self.stopped

    fakes = Fakes()
    with pytest.raises(Interrupted, match="Stopped in experiment E2"):
        run_laboratory(Settings(), tmp_path, (), Impatient(), experiments=fakes.experiments)
    assert names(tmp_path) == ["E1.json", "E1.png"]
    run_laboratory(Settings(), tmp_path, experiments=fakes.experiments)
    assert fakes.runs == ["E1", "E2"]  # E2 was stopped before it ran at all
    assert names(tmp_path) == FILES


def test_only_what_must_hold_can_fail(tmp_path: Path) -> None:
    checks = (
        Check("off", 3.0, 1.0, 2.0, "prediction"),
        Check("drift", 2.0, high=1.0, kind="statistics"),
        Check("wrong", 1.0, high=1e-10),
    )
    records = run_laboratory(Settings(), tmp_path, ("E1",), experiments=Fakes(*checks).experiments)
    assert failed(records) == ["E1: drift", "E1: wrong"]
    assert [verdict(check) for check in checks] == ["missed", "FAILED", "FAILED"]


def test_unknown_names_are_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`only` .* 'E12'; try one of E1, E2"):
        chosen(("E1", "E12"))
    with pytest.raises(ValueError, match=r"`cells` .* 'takaky'; try one of takaki, .*pilot"):
        run_laboratory(Settings(cells=("takaky",)), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_every_public_cell_is_in_the_laboratory() -> None:
    cells = laboratory_cells()
    assert {type(cell) for cell in cells.values()} == public_classes(qj.AbstractCell)
    viqueira = [cell for cell in cells.values() if isinstance(cell, qj.cells.Viqueira)]
    assert {cell.ansatz for cell in viqueira} == {"EMCZ2", "EMCZ3"}
    alone = {"bausch", "cv"}  # no noise of qubits fits neurons that succeed, and modes
    ideal = [name for name in cells if not name.endswith("+noise") and name not in alone]
    assert len(cells) == 2 * len(ideal) + len(alone)
    for name in ideal:
        twin = cells[f"{name}+noise"]
        assert isinstance(twin, qj.cells.Noisy)
        assert twin.cell == cells[name]
    assert list(chosen_cells(Settings(cells=("pilot", "takaki")))) == ["takaki", "pilot"]


def test_experiments_have_their_names_in_order() -> None:
    numbers = [int(experiment.name.removeprefix("E")) for experiment in EXPERIMENTS]
    assert numbers == sorted(set(numbers))


def test_the_pilot_cell_is_the_one_of_the_notes() -> None:
    circuit = pilot_cell().circuit
    counts = circuit.count()
    assert (circuit.wires, circuit.weight_count, circuit.memory_wires) == (3, 7, (1, 2))
    assert counts["RX"] + counts["RZ"] == 7  # each weight once per step
    assert pilot_cell(0.8) != pilot_cell(0.35)
    assert pilot_cell(noisy=True).circuit.readout_errors == dict.fromkeys(range(3), (0.02, 0.02))
    longer, shorter = pilot_inputs(9, seed=3), pilot_inputs(4, seed=3)
    assert np.array_equal(longer.xs[:4], shorter.xs)
    assert np.array_equal(longer.weights, shorter.weights)
