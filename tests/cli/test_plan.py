"""`qrnn-jax plan`: what it prints and writes, and its exit codes."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import qrnn_jax as qj
from qrnn_jax.cli import main
from qrnn_jax.explanation import named
from qrnn_jax.training.planned import subject_of
from qrnn_jax.training.rule_text import rule_of

TINY = ["cosine", "--set", "cell.inputs=1", "--set", "cell.memory=1", "--set", "cell.depth=1"]
FAST = ["--steps", "2", "--batch", "2", "--shots", "50"]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_plan_is_printed_and_written(capfd: pytest.CaptureFixture) -> None:
    rules = ["--rule", "ParameterShift", "--rule", "spsa(step=0.2, directions=3)"]
    assert main(["plan", *TINY, *FAST, *rules, "--out", "a"]) == 0
    out, err = capfd.readouterr()
    written = json.loads(Path("a/plan.json").read_text())
    shift, spsa = written["plan"]["rules"]
    assert (shift["rows"], shift["executions"]) == (2 * (1 + 2 * 6 * 2), 2 * 25 * 50)
    assert (spsa["rule"], spsa["rows"]) == ("SPSA(step=0.2, directions=3)", 2 * 7)
    assert written["settings"]["cell"]["depth"] == 1
    assert {"machine", "versions"} < set(written)
    assert "exact variances" in written["plan"]["errors"]
    assert "SPSA(step=0.2, directions=3)" in out
    assert "\nadvice" in out
    assert "\x1b" not in out + err
    assert "planning SPSA(step=0.2, directions=3) ..." in err.splitlines()
    assert "timing the device with a few rows ..." in err.splitlines()
    assert shift["seconds"] > 0
    assert out.splitlines()[-1] == "Folder: a"


def test_the_plan_is_the_one_of_the_library() -> None:
    more = ["--rule", "shared-shift", "--error", "0.01", "--no-pilot", "--out", "a"]
    assert main(["plan", *TINY, *FAST, *more]) == 0
    written = json.loads(Path("a/plan.json").read_text())["plan"]
    subject = subject_of("cosine", TINY[2::2], 2, 2)
    found = qj.plan(
        subject.cell,
        2,
        batch=2,
        shots=50,
        rule=qj.SharedShift(),
        params=subject.params,
        xs=subject.xs,
        error=0.01,
        pilot=False,
    )
    assert written == json.loads(found.to_json())
    assert found.recommended is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shots", "0"], "`shots` must be an integer of 1 or more"),
        (["--batch", "0"], "Option `--batch` must be 1 or more"),
        (["--steps", "-1"], "Option `--steps` must be 1 or more"),
        (["--rule", "Backprop"], "must be a rule that a device can follow"),
        (["--rule", "paramtershift"], "try `ParameterShift`"),
        (["--rule", "SPSA(stepp=1)"], "Option `--rule` 'SPSA(stepp=1)'"),
        (["--rule", "SPSA("], "Option `--rule` must name a rule"),
        (["--device", "nowhere"], "must be one of ('local', 'aer', 'braket')"),
        (["--noise", "fake_manila"], "`noise` must be None for `local`"),
        (["--cell", "Takaky"], "cell"),
        (["--error", "0"], "`error` must be a positive number"),
    ],
)
def test_bad_input_is_exit_code_2(arguments, message: str, capfd: pytest.CaptureFixture) -> None:
    assert main(["plan", *TINY, "--steps", "2", *arguments]) == 2
    assert message in capfd.readouterr().err
    assert not Path("runs").exists()


def test_what_the_device_cannot_play_is_exit_code_5(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    assert main(["plan", "cosine", "--set", "cell.inputs=20", "--set", "cell.memory=1"]) == 5
    assert "error: The device must have 21 qubits, but has 20" in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "qiskit_aer.noise", None)
    qj.hardware.named.__globals__["_aer"].cache_clear()
    assert main(["plan", *TINY, *FAST, "--device", "aer"]) == 5
    assert "needs the package qiskit-aer" in capfd.readouterr().err
    qj.hardware.named.__globals__["_aer"].cache_clear()


def test_the_command_of_the_documentation_is_played_by_its_device() -> None:
    """Its cell fits on the chip; of the work only a part."""
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    page = Path(__file__).parents[2] / "docs" / "hardware.md"
    (line,) = re.findall(r"^    qrnn-jax (plan .*)$", page.read_text(), re.MULTILINE)
    less = ["--steps", "2", "--rule", "SPSA(step=0.2)"]
    assert main([*shlex.split(line), *less]) == 0


def test_rules_are_read_as_they_are_printed() -> None:
    for rule in (
        qj.SPSA(step=0.2, directions=8),
        qj.ParameterShift(allocation="weighted", horizon=3),
        qj.ParameterShift(angle_noise=True),
        qj.Riesz(),
    ):
        assert rule_of(named(rule)) == rule
