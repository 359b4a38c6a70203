"""`qrnn-jax reproduce`: what it prints and writes, its exit codes, stopping and going on."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import qrnn_jax.reproduction as reproduction
from qrnn_jax.cli import main
from qrnn_jax.validation import Check
from tests.validation.laboratory_fakes import Fakes, names

HIT = Check("RMSE", 0.206899, 0.206897, 0.206901, "exactness", "a log", 0.206899, 0.0002, "ridge")
MISSED = Check("MSE", 0.5, None, 0.1, "prediction", "ours", None, 1e-30, "linear AR(8)")
FILES = [
    "reproduction.json", "reproduction.md", "takaki-a.json", "takaki-a.png", "viqueira-b.json",
]  # fmt: skip


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Put fake experiments in place of the real ones, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def put(fakes: Fakes) -> Fakes:
        named = zip(fakes.experiments, ("takaki-a", "viqueira-b"))
        known = tuple(replace(experiment, name=name) for experiment, name in named)
        monkeypatch.setattr(reproduction, "REPRODUCTIONS", known)
        return fakes

    return put


def test_a_run_ends_with_paper_ours_control_verdict(use, capfd: pytest.CaptureFixture) -> None:
    use(Fakes(HIT, MISSED))
    assert main(["reproduce", "--all"]) == 0
    out, err = capfd.readouterr()
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(r"reproduce-\d{8}-\d{6}", folder.name)
    assert names(folder) == FILES
    assert max(map(len, out.splitlines())) <= 100
    assert re.search(r"reproduction +measure +paper +ours +control +verdict", out)
    assert re.search(r"RMSE +0\.206899 +0\.206899 +0\.0002 \(ridge\) +passed: within 2e-06", out)
    assert re.search(r"MSE +- +0\.5 +1e-30 \(linear AR\(8\)\) +missed: <= 0\.1", out)
    assert "takaki-a: It holds, mostly." in out
    assert f"Page: {folder}/reproduction.md" in out
    assert "\x1b" not in out + err


def test_where_there_is_no_terminal_lines_have_a_fixed_width(use, capfd) -> None:
    use(Fakes(replace(HIT, name="a measure with a long name, " * 5)))
    assert main(["reproduce", "--all"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert max(map(len, [line for line in lines if "━" in line or "measure" in line])) == 100


def test_names_choose_in_the_order_of_the_registry(use) -> None:
    fakes = use(Fakes(HIT))
    assert main(["reproduce", "viqueira-b", "takaki-a", "--out", "a"]) == 0
    assert fakes.runs == ["E1", "E2"]
    assert main(["reproduce", "viqueira-b", "--out", "b"]) == 0
    assert fakes.runs == ["E1", "E2", "E2"]
    assert names(Path("b")) == ["reproduction.json", "reproduction.md", "viqueira-b.json"]
    assert main(["reproduce", "viqueira-b", "--all", "--out", "c"]) == 0
    assert names(Path("c")) == FILES


def test_a_number_that_must_be_hit_and_is_not_is_exit_code_1(use, capfd) -> None:
    use(Fakes(replace(HIT, measured=0.21)))
    assert main(["reproduce", "viqueira-b", "--out", "a"]) == 1
    assert "1 numbers that must be hit FAILED" in capfd.readouterr().out


def test_the_list_runs_nothing(use, capfd: pytest.CaptureFixture) -> None:
    fakes = use(Fakes())
    assert main(["reproduce", "--list"]) == 0
    assert capfd.readouterr().out.splitlines() == ["takaki-a    title E1", "viqueira-b  title E2"]
    assert fakes.runs == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["takaki"], "`NAME` must name reproductions, but holds 'takaki'; try one of takaki-a, "),
        (["takaki-a", "E9"], "holds 'E9'; try one of takaki-a, viqueira-b."),
        ([], "but is empty; `--all` runs everything; try one of takaki-a, viqueira-b."),
        (["--all", "--resume"], "Option `--resume` must come with `--out`"),
        (["--all", "--out", "a"], "must name a folder without results, but a has some"),
    ],
)
def test_bad_input_is_exit_code_2(use, capfd, arguments: list[str], message: str) -> None:
    fakes = use(Fakes())
    Path("a").mkdir()
    Path("a/takaki-a.json").write_text("{}")
    assert main(["reproduce", *arguments]) == 2
    assert message in capfd.readouterr().err
    assert fakes.runs == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_stopped_and_resumed(use, capfd, number: int, code: int) -> None:
    fakes = use(Fakes(HIT, during=lambda: os.kill(os.getpid(), number)))
    assert main(["reproduce", "--all", "--full", "--out", "a b"]) == code
    assert names(Path("a b")) == ["takaki-a.json", "takaki-a.png"]
    last = capfd.readouterr().err.splitlines()[-1]
    again = "qrnn-jax reproduce takaki-a viqueira-b --full --out 'a b' --resume"
    assert last == f"Stopped in experiment viqueira-b. Try: {again}"
    fakes.during = lambda: None
    assert main(["reproduce", "--all", "--full", "--out", "a b", "--resume"]) == 0
    assert "takaki-a title E1: 2/2 checks, found finished" in capfd.readouterr().err
    assert fakes.runs == ["E1", "E2", "E2"]
    assert names(Path("a b")) == FILES
