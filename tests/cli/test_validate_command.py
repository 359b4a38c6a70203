"""`qrnn-jax validate`: what it prints and writes, its exit codes, stopping and going on."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from qrnn_jax.cli import main
from qrnn_jax.validation import Check, laboratory
from tests.validation.laboratory_fakes import NAN, Fakes, names

WRONG = Check("a broken rule", 0.5, high=1e-10)
MISSED = Check("a guess", 3.0, 1.0, 2.0, "prediction")
FILES = ["E1.json", "E1.png", "E2.json", "report.json", "report.md"]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Put fake experiments in place of the real ones, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def put(fakes: Fakes) -> Fakes:
        defaults = {**laboratory.run_laboratory.__kwdefaults__, "experiments": fakes.experiments}
        monkeypatch.setattr(laboratory.run_laboratory, "__kwdefaults__", defaults)
        return fakes

    return put


def test_a_run_ends_with_a_table(use, capfd: pytest.CaptureFixture) -> None:
    use(Fakes(MISSED))
    assert main(["validate"]) == 0
    out, err = capfd.readouterr()
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(r"validate-\d{8}-\d{6}", folder.name)
    assert names(folder) == FILES
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if "title E1" in line]
    assert re.search(r"E1 title E1 +1/2 +1e-13 +\d+ s +It holds, mostly\.", row)
    assert "E1 missed: a guess: 3, expected 1 .. 2." in out
    assert re.search(r"All that must hold holds; \d+ s in all\.", out)
    assert f"Report: {folder}/report.md" in out
    assert re.sub(r"\d+\.\d s", "0.0 s", err).splitlines() == [
        "E1 title E1 ...",
        "E1 title E1: 1/2 checks, 0.0 s",
        "E2 title E2 ...",
        "E2 title E2: 1/2 checks, 0.0 s",
    ]


@pytest.mark.parametrize("check", [WRONG, Check("drift", NAN, high=1.0, kind="statistics")])
def test_a_failed_check_is_exit_code_1(use, capfd, check: Check) -> None:
    use(Fakes(check))
    assert main(["validate", "--only", "E2", "--out", "a"]) == 1
    out = capfd.readouterr().out
    assert f"E2 FAILED: {check.name}" in out
    assert "1 of the checks that must pass FAILED" in out
    assert names(Path("a")) == ["E2.json", "report.json", "report.md"]


def test_settings_reach_the_experiments(use) -> None:
    use(Fakes())
    command = ["validate", "--full", "--cell", "pilot", "--cell", "takaki", "--out", "a"]
    assert main(command) == 0
    settings = json.loads(Path("a/E2.json").read_text())["settings"]
    assert settings == {"full": True, "cells": ["pilot", "takaki"], "seed": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "E99"], "`only` must name experiments, but holds 'E99'; try one of E1, E2."),
        (["--cell", "takaky"], "holds 'takaky'; try one of takaki, viqueira-emcz2"),
        (["--resume"], "Option `--resume` must come with `--out`"),
        (["--out", "a"], "must name a folder without results, but a has some; try `--resume`"),
    ],
)
def test_bad_input_is_exit_code_2(use, capfd, arguments, message: str) -> None:
    fakes = use(Fakes())
    Path("a").mkdir()
    Path("a/E7.json").write_text("{}")
    assert main(["validate", *arguments]) == 2
    assert message in capfd.readouterr().err
    assert fakes.runs == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_stopped_and_resumed(use, capfd, number: int, code: int) -> None:
    fakes = use(Fakes(during=lambda: os.kill(os.getpid(), number)))
    assert main(["validate", "--cell", "pilot", "--out", "a b"]) == code
    assert names(Path("a b")) == ["E1.json", "E1.png"]
    last = capfd.readouterr().err.splitlines()[-1]
    again = "qrnn-jax validate --cell pilot --out 'a b' --resume"
    assert last == f"Stopped in experiment E2. Try: {again}"
    fakes.during = lambda: None
    assert main(["validate", "--cell", "pilot", "--out", "a b", "--resume"]) == 0
    assert "E1 title E1: 1/1 checks, found finished" in capfd.readouterr().err
    assert fakes.runs == ["E1", "E2", "E2"]
    assert names(Path("a b")) == FILES
