"""`qrnn-jax validate --device`: table, files, exit codes."""

import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.cli import main
from qrnn_jax.validation import DeviceReport, DeviceRow, compare_device, draw_device

COMMAND = ["validate", "--device", "local", "--cell", "pilot", "--shots", "300"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_counts_stand_beside_their_prediction(capfd: pytest.CaptureFixture) -> None:
    assert main([*COMMAND, "--out", "a"]) == 0
    out, err = capfd.readouterr()
    assert sorted(path.name for path in Path("a").iterdir()) == ["device.json", "device.png"]
    assert max(map(len, out.splitlines())) <= 80
    whole = json.loads(Path("a/device.json").read_text())
    assert (whole["device"], whole["noise"], whole["shots"]) == ("local", None, 300)
    assert len(whole["rows"]) == 5
    for row in whole["rows"]:
        assert row["predicted"] == row["ideal"]
        expected = (row["counted"] - row["predicted"]) / row["stderr"]
        assert row["z"] == pytest.approx(expected, abs=1e-5)
        assert 0.02 < row["stderr"] < 0.06  # at most 1 / sqrt(299)
        line = rf"pilot +{row['step'] + 1} +1 .*{row['counted']:+.3f}".replace("+", r"\+")
        assert re.search(line.replace(r" \+", " +"), out)
    assert whole["rms_z"] == pytest.approx(np.sqrt(np.mean([r["z"] ** 2 for r in whole["rows"]])))
    assert "Counts are within 5 standard errors of the prediction" in out
    assert err.splitlines() == ["pilot: prediction ...", "pilot: 300 shots ..."]


def test_a_device_that_differs_is_exit_code_1(monkeypatch, capfd) -> None:  # type: ignore[no-untyped-def]
    """Every second outcome is 1, whatever it was."""
    play, odd = qj.hardware.LocalDevice.run, (np.arange(302) % 2).astype(np.uint8)[:, None, None]
    monkeypatch.setattr(qj.hardware.LocalDevice, "run", lambda *given: play(*given) | odd)
    assert main([*COMMAND, "--shots", "302", "--out", "a"]) == 1
    assert "Counts are NOT within 5 standard errors" in capfd.readouterr().out


def test_a_device_that_fails_is_exit_code_5(monkeypatch, capfd) -> None:  # type: ignore[no-untyped-def]
    def broken(*given: object) -> None:
        raise RuntimeError("the line is dead")

    monkeypatch.setattr(qj.hardware.LocalDevice, "run", broken)
    monkeypatch.setattr("qrnn_jax.hardware.attempts.time.sleep", lambda seconds: None)
    assert main([*COMMAND, "--shots", "303", "--out", "a"]) == 5
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert "error: The device must play a job, but failed 4 times: RuntimeError: the line is" in err
    assert not Path("a").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.parametrize("cells", [1, 2])
def test_a_signal_stops_between_the_circuits(monkeypatch, capfd, number, code, cells) -> None:  # type: ignore[no-untyped-def]
    """Sent while the first cell's shots are played, at the last as at any other circuit."""
    play, sent = qj.hardware.LocalDevice.run, []

    def interrupted(*given: object) -> np.ndarray:
        if not sent:  # a second one ends the process
            sent.append(os.kill(os.getpid(), number))
        return play(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(qj.hardware.LocalDevice, "run", interrupted)
    shots = str(304 + cells + 2 * number)  # none that are remembered
    more = ["--cell", "takaki"] * (cells - 1)
    assert main([*COMMAND, *more, "--shots", shots, "--out", "a"]) == code
    err = capfd.readouterr().err
    assert "Stopping before the next circuits; once more to stop at once." in err
    place = "takaki: prediction" if cells == 2 else "the report"
    assert err.splitlines()[-1] == f"Stopped before {place}; nothing was written."
    assert not Path("a").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--device", "nowhere"], 2, "`name` must be one of"),
        (["--device", "local", "--noise", "fake_manila"], 2, "`noise` must be None for `local`"),
        (["--device", "local", "--cell", "takaky"], 2, "holds 'takaky'; try one of takaki"),
        (["--device", "local", "--shots", "0"], 2, "`shots` must be an integer of 1 or more"),
        (["--device", "local", "--full"], 2, "Option `--full` must stand without `--device`"),
        (["--device", "local", "--only", "E1"], 2, "Option `--only` must stand without"),
        (["--noise", "fake_manila"], 2, "Option `--noise` must stand with `--device`"),
        (["--shots", "10"], 2, "Option `--shots` must stand with `--device`"),
        (["--device", "local", "--cell", "cv"], 2, "must have a circuit on qubits"),
    ],
)
def test_bad_input(capfd, arguments: list[str], code: int, message: str) -> None:  # type: ignore[no-untyped-def]
    assert main(["validate", *arguments]) == code
    assert message in capfd.readouterr().err


def test_outcomes_all_alike_have_a_score() -> None:
    assert DeviceRow("a", 0, 0, 1.0, 1.0, 1.0, 0.0).z == 0
    sure = DeviceRow("a", 0, 0, 1.0, 0.9, 1.0, 0.0)
    assert sure.z == np.inf
    assert not DeviceReport("local", None, 10, (sure,)).passed


def test_the_picture_shows_counts_with_their_errors() -> None:
    rows = [DeviceRow("a", t, k, 0.9, 0.5 - 0.1 * t, 0.4, 0.05) for t in range(3) for k in range(2)]
    figure = draw_device(DeviceReport("aer", "fake_manila", 100, tuple(rows)))
    assert len(figure.axes) == 2
    axes = figure.axes[1]
    ideal, predicted = axes.get_lines()[0].get_ydata(), axes.get_lines()[1].get_ydata()
    np.testing.assert_allclose(ideal, 0.9)
    np.testing.assert_allclose(predicted, [0.5, 0.4, 0.3])
    (bars,) = axes.containers
    np.testing.assert_allclose(np.asarray(bars.lines[0].get_ydata(), float), 0.4)
    assert axes.get_ylabel() == "a, output 2"


def test_a_snapshot_is_compared_with_its_twin() -> None:
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    report = compare_device("aer", "fake_manila", cells=("pilot",), steps=2, shots=1000, seed=1)
    assert report.passed
    assert max(abs(row.ideal - row.predicted) for row in report.rows) > 0.02
