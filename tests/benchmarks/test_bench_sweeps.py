"""Sweeps: every point is checked, what would take too long is left out and said, and drawn."""

import json
from pathlib import Path

import jax
import pytest

from benchmarks import measure, sweeps
from benchmarks.measure import arguments
from benchmarks.picture import draw_sweeps, swept
from benchmarks.plain_fused import fused_loss
from benchmarks.programs import FUSED, OURS, PLAIN
from benchmarks.sweeps import SWEEPS
from benchmarks.workloads import Workload


@pytest.fixture
def one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_SECONDS_PER_ROUND", 1e-9)


def test_a_quick_run_checks_times_and_draws(
    one_call: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with jax.enable_x64(False):
        code = sweeps.main(["--quick", "--only", "width-W4", "--out", str(tmp_path)])
    assert code == 0
    found = json.loads((tmp_path / "sweeps.json").read_text())
    assert found["quick"] is True
    (sweep,) = found["sweeps"].values()
    assert sweep["axis"] == "wires"
    assert [point["sizes"]["wires"] for point in sweep["points"]] == [3, 4]
    for point in sweep["points"]:
        assert set(point["programs"]) == {PLAIN, OURS, FUSED}
        assert all(told["gradient_error"] < 2e-5 for told in point["programs"].values())
    sizes, times = swept(sweep, OURS)
    assert sizes == [3, 4]
    assert times[0] == 1e3 * sweep["points"][0]["programs"][OURS]["median_s"]
    assert (tmp_path / "sweeps.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "sweeps.png") in capsys.readouterr().out
    assert sweeps.main(["--picture", "--out", str(tmp_path)]) == 0


def makers(**wrong):
    """All programs are the one by hand, so that only it compiles; but for those given."""
    return {name: wrong.get(name, fused_loss) for name in sweeps.MAKERS}


def test_a_wrong_program_is_refused_at_its_point(
    one_call: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(workload: Workload):
        honest = fused_loss(workload)
        ghost = lambda p: p[2] - jax.lax.stop_gradient(p[2])  # noqa: E731
        if workload.batch == 2:
            return honest
        return lambda p, x, y: honest(p, x, y) + 1e-2 * ghost(p)

    monkeypatch.setattr(sweeps, "MAKERS", makers(ours=wrong))
    found, accepted = sweeps.measure(SWEEPS["batch-W2"].small(), 1)
    first, second = (point["programs"] for point in found["points"])
    assert not accepted
    assert first[OURS]["median_s"] > 0
    assert "gradient off by" in second[OURS]["refused"]
    assert "median_s" not in second[OURS]
    assert second[PLAIN]["median_s"] > 0
    assert swept(found, OURS)[0] == [2]


def test_what_would_take_too_long_is_left_out_and_said(
    one_call: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "MAKERS", makers())
    sweep = SWEEPS["batch-W2"].small()
    known = {PLAIN: (1, 2.5), OURS: (1, 1.9)}  # at batch 1; twice that is 5.0 and 3.8 s
    _, records = sweeps.compare_at(sweep, 2, known, 1)
    told = {record.name: record.skipped for record in records}
    assert told == {
        PLAIN: "by its time at batch 1 a step would take about 5.0 s, over the 4 s allowed here",
        OURS: None,
        FUSED: None,
    }


def test_a_wire_doubles_the_work() -> None:
    width, length = SWEEPS["width-W4"], SWEEPS["length-W3"]
    assert width.work(12) / width.work(8) == 16
    assert length.work(112) / length.work(16) == 7


def test_the_sweeps_are_the_described_ones() -> None:
    points = {
        name: [tuple(sweep.point(size).sizes.values())[:3] for size in sweep.sizes]
        for name, sweep in SWEEPS.items()
    }
    assert points == {
        "batch-W1": [(6, 20, batch) for batch in (1, 8, 32, 256)],
        "batch-W2": [(10, 50, batch) for batch in (1, 8, 64, 256)],
        "length-W3": [(8, steps, 8) for steps in (16, 112, 784)],
        "width-W4": [(wires, 4, 1) for wires in (4, 8, 12, 16, 18)],
    }


def test_the_last_known_time_is_of_the_largest_point_that_ran(
    one_call: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that was left out once is left out at the larger points, too."""
    monkeypatch.setattr(sweeps, "MAKERS", makers())
    monkeypatch.setattr(sweeps, "_LIMITS", sweeps._LIMITS._replace(seconds=1e-9))
    found, accepted = sweeps.measure(SWEEPS["batch-W2"].small(), 1)
    assert accepted  # left out is not refused
    told = [point["programs"][OURS]["skipped"] for point in found["points"]]
    assert all("is not repeated" in reason for reason in told)
    assert swept(found, OURS) == ([], [])


def test_without_results_there_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no .*sweeps.json"):
        draw_sweeps(tmp_path)


def test_the_reference_of_a_sweep_is_the_plain_loss() -> None:
    """`fused_loss` in float64 stands in for it; its gradient is compared in the other files."""
    workload = SWEEPS["width-W4"].point(4)
    args = arguments(workload.draw(), "float64")
    expected = jax.grad(sweeps.MAKERS[PLAIN](workload))(*args)
    assert abs(jax.grad(fused_loss(workload))(*args) - expected).max() < 1e-12
