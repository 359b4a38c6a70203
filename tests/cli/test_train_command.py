"""`qrnn-jax train` where all goes well: what it prints and what it writes."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from qrnn_jax.cli import main
from qrnn_jax.cli.exit_codes import exit_codes
from qrnn_jax.cli.progress import BarReporter, PlainReporter, bar, duration, reporting
from qrnn_jax.cli.table import print_summary
from tests.training.tiny_run import write_settings

SUMMARY: dict[str, Any] = {
    "task": {"name": "sunspots"},
    "cell": {"name": "Takaki"},
    "test_steps": 53,
    "test_mse": {"model": 400.0, "persistence": 1117.0, "linear_ar": 415.0, "variance": 2783.0},
    "test_mse_scaled": {"model": 4.0, "persistence": 11.17, "linear_ar": 4.15, "variance": 27.83},
    "linear_ar_order": 16,
    "verdict": ["The model beats the linear autoregression (400 against 415)."],
    "loss_initial": 0.5,
    "loss_final": 0.0123456,
    "steps": 300,
    "skipped_steps": 2,
    "selected": {"step": 250, "by": "least validation loss"},
    "compile_s": 6.2,
    "train_s": 75.0,
    "free_running": {"steps": 53, "mse": 3099.0, "mse_scaled": 0.2},
    "shift_vs_autodiff_max_abs": 4.02e-16,
}
CHANGE = "output.checkpoint_seconds=0.25"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_from_a_file(here: Path, capfd: pytest.CaptureFixture) -> None:
    settings = write_settings(here)
    assert main(["train", settings, "--steps", "7", "--seed", "3", "--set", CHANGE]) == 0
    out, err = capfd.readouterr()
    (folder,) = (here / "runs").iterdir()
    assert re.fullmatch(r"tiny-\d{8}-\d{6}", folder.name)
    config = json.loads((folder / "config.json").read_text())
    assert (config["training"]["steps"], config["training"]["seed"]) == (7, 3)
    assert config["output"]["checkpoint_seconds"] == 0.25
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["seed"] == 3
    assert all(sentence in out for sentence in summary["verdict"])
    assert f"Run folder: runs/{folder.name}" in out
    lines = err.splitlines()
    assert lines[0].startswith("Training Takaki on cosine for 7 steps in float32, in runs/tiny-")
    assert lines[1] == "compiling ..."
    assert re.fullmatch(r"step 7/7  loss 0?\.?\d\S*  done", lines[3])


def test_a_config_of_a_run_is_a_config_for_another(here: Path) -> None:
    settings = write_settings(here)
    assert main(["train", settings, "--steps", "3", "--out", "a"]) == 0
    assert main(["train", "a/config.json", "--out", "b"]) == 0
    names = ("metrics.jsonl", "config.json")
    assert all((here / "a" / n).read_bytes() == (here / "b" / n).read_bytes() for n in names)


def test_resume_without_a_source_goes_on_with_the_run(here: Path) -> None:
    settings = write_settings(here)
    assert main(["train", settings, "--steps", "3", "--out", "a"]) == 0
    assert main(["train", "--out", "a", "--resume", "--steps", "6"]) == 0
    assert json.loads((here / "a" / "summary.json").read_text())["steps"] == 6


def test_module_and_help_in_a_process() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "qrnn_jax", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    found = run("train", "--help")
    assert found.returncode == 0
    for option in ("--out", "--steps", "--seed", "--set", "--resume", "sunspots (the default)"):
        assert option in found.stdout
    refused = run("train", "cosin")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "error: Preset must be known, or a file ending in .toml or .json, but is 'cosin'; "
        "try `cosine`."
    ]
    assert refused.stdout == ""


def test_the_table_fits_80_columns_and_is_sorted(capsys: pytest.CaptureFixture) -> None:
    print_summary(SUMMARY, Path("runs/x"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if re.search(r"\d %", line)]
    assert [" ".join(row.split()) for row in rows] == [
        "Takaki (this model) 400 4 14.4 %",
        "linear autoregression, order 16 415 4.15 14.9 %",
        "persistence: next = present 1117 11.17 40.1 %",
        "mean of the test span 2783 27.83 100 %",
    ]
    text = " ".join(lines)
    assert "Skipped 2 steps" in text
    assert "step 250 (least validation loss)" in text
    assert "4.0e-16" in text


def test_equal_units_give_one_column(capsys: pytest.CaptureFixture) -> None:
    errors = {**SUMMARY["test_mse"], "linear_ar": 1e-9}
    same = {**SUMMARY, "test_mse": errors, "test_mse_scaled": errors, "free_running": None}
    print_summary({**same, "shift_vs_autodiff_max_abs": None}, Path("runs/x"))
    out = capsys.readouterr().out
    assert "scaled" not in out
    assert re.search(r"order 16 +1e-09 +< 0.001 %", out)
    assert "Free-running" not in out
    assert "autodiff" not in out


def test_plain_progress_is_not_a_flood(capsys: pytest.CaptureFixture) -> None:
    reporter = PlainReporter(1000, lambda: False)
    for step in range(1, 1001):
        reporter.advance(step, 0.5 / step, None, 130.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step    1/1000  loss 0.5  2 min 10 s left",
        "step 1000/1000  loss 0.0005  done",
    ]


def test_the_bar_shows_loss_and_time_left() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    with bar(console) as progress:
        reporter = BarReporter(progress, 400, lambda: True)
        reporter.stage("compiling")
        reporter.advance(50, 0.1, 0.02, 14.0)
        reporter.advance(100, 0.012345, None, 12.0)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "100/400  loss 0.01235  validation 0.02  12 s left" in text
    assert reporter.stopping()


def test_without_a_terminal_progress_is_plain() -> None:
    with reporting(10, lambda: False) as reporter:
        assert isinstance(reporter, PlainReporter)


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 59.6, 61, 3599.9, 90_000)] == [
        "0 s",
        "1 min 00 s",
        "1 min 01 s",
        "1 h 00 min",
        "25 h 00 min",
    ]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("bad"), 2, "error: bad"),
        (OSError(28, "File x (3 bytes) must be writable"), 4, "error: File x (3 bytes) must be"),
        (FileNotFoundError(2, "No such file", "x"), 4, "error: [Errno 2] No such file: 'x'"),
        (MemoryError("too much"), 2, "error: too much"),
        (KeyError("k"), 1, "error: KeyError: 'k'; try `--debug` for the place in the code."),
    ],
)
def test_errors_have_their_codes(
    error: Exception, code: int, line: str, capsys: pytest.CaptureFixture
) -> None:
    import typer

    with pytest.raises(typer.Exit) as stop, exit_codes(debug=False):
        raise error
    assert stop.value.exit_code == code
    assert capsys.readouterr().err.startswith(line)


def test_importing_the_command_line_is_light() -> None:
    heavy = ["typer", "click", "rich", "matplotlib", "pydantic"]
    code = f"import sys, qrnn_jax.cli; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_default_is_the_sunspots() -> None:
    from qrnn_jax.cli.train import _settings

    assert _settings(None, None, resume=False)["task"]["name"] == "sunspots"
