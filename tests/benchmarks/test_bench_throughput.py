"""Throughput beside ceilings: nothing is timed that was not accepted."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import pytest

from benchmarks import throughput


def test_a_quick_run_checks_and_times_every_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with jax.enable_x64(False):
        assert throughput.main(["--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "throughput.json").read_text())
    assert list(found["cases"]) == ["W1, batch 8", "W3, batch 2", "Bausch's MNIST, batch 4"]
    for case in found["cases"].values():
        assert case["fraction_of_gemm"] > 0
        assert 0 < case["gradient_error"] < 5e-4
        assert case["seconds_per_sequence"] == pytest.approx(case["median_s"] / case["batch"])
    assert "of sgemm" in capsys.readouterr().out


def test_a_wrong_gradient_is_refused_and_not_timed() -> None:
    def wrong(quick: bool) -> throughput.Case:
        honest = throughput.unitary(quick)
        loss = lambda p, x, y: honest.loss(p, x, y) + (p.dtype == "float32") * 1e-3 * p.sum()  # noqa: E731
        return replace(honest, loss=loss)

    with jax.enable_x64(False):
        found = throughput.measure([wrong], 1, quick=True)
    (case,) = found["cases"].values()
    assert case["refused"]
    assert "median_s" not in case
    assert "REFUSED" in throughput.table(found)
