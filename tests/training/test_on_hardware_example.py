"""The example of docs/on-hardware.md, with next to no shots; and what its committed result says."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "docs" / "results" / "hardware" / "on_hardware.json"


@pytest.mark.slow
def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--device", "local", "--budget", "2000", "--seeds", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["on_hardware.py", *arguments])
    runpy.run_path(str(ROOT / "examples" / "on_hardware.py"), run_name="__main__")
    found = json.loads((tmp_path / "on_hardware.json").read_text())
    assert set(found["rules"]) == {"parameter-shift", "shared-shift", "spsa"}
    table = capsys.readouterr().out
    for rule, row in found["rules"].items():
        assert f"| {rule} | " in table
        assert row["spent"][0] <= 2000
        assert row["steps"] == [2]
    assert (tmp_path / "on_hardware.png").read_bytes()[1:4] == b"PNG"


def test_the_committed_runs_kept_their_budget() -> None:
    """Made by `python examples/on_hardware.py`."""
    found = json.loads(RESULT.read_text())
    assert found["device"] == {"name": "aer", "noise": "fake_manila"}
    assert not set(found["seeds"]) & set(found["pilot_seeds"])
    for row in found["rules"].values():
        assert len(row["spent"]) == len(row["training_mse"]) == len(found["seeds"])
        # a step was left out only where it did not fit
        steps = [spent / taken for spent, taken in zip(row["spent"], row["steps"], strict=True)]
        assert all(
            found["budget"] - each < spent <= found["budget"]
            for spent, each in zip(row["spent"], steps, strict=True)
        )
