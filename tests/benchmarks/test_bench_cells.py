"""The published cells: by hand as by the library, and nothing timed that was not accepted."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import cells, measure, paper_cells, plain_cells, report
from benchmarks.measure import Limits, NotRunError, Record, arguments, prepare
from benchmarks.programs import OURS, PLAIN
from benchmarks.workloads import Numbers


def gradient(loss, numbers):
    value, slopes = jax.jit(jax.value_and_grad(loss))(*arguments(numbers, "float64"))
    return float(value), np.asarray(slopes)


def agree(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(
        found[1], expected[1], rtol=0, atol=1e-12 * np.abs(expected[1]).max()
    )


@pytest.mark.parametrize(("name", "programs"), [
    ("takaki-batch", [PLAIN, paper_cells.CHECKPOINTED_PLAIN, paper_cells.BUILT_ONCE]),
    ("viqueira-batch", [PLAIN, paper_cells.BUILT_ONCE]),
])  # fmt: skip
def test_the_forms_by_hand_are_the_librarys_cell(name: str, programs: list[str]) -> None:
    case = paper_cells.CASES[name](True)
    expected = gradient(case.programs[OURS], case.numbers)
    for program in programs:
        agree(gradient(case.programs[program], case.numbers), expected)
    assert np.abs(expected[1]).min() > 0  # every parameter is seen


def test_the_modes_by_hand_are_the_librarys_cell() -> None:
    case = paper_cells.CASES["cv-sine"](True)
    expected = gradient(case.programs[OURS], case.numbers)
    agree(gradient(case.programs[paper_cells.SCAN], case.numbers), expected)


def test_takakis_constants_at_full_size_are_the_librarys() -> None:
    """Three inputs and three memory wires: the quick case has fewer."""
    import qrnn_jax as qj

    step = plain_cells.takaki(3, 3, 3)
    evolve = next(o for o in qj.cells.Takaki().circuit.operations if isinstance(o, qj.Evolution))
    np.testing.assert_allclose(step.constants["evolve"], evolve.matrix(jnp.array(0.2)), atol=1e-14)
    np.testing.assert_allclose(step.weights, [1, 1 / 3, 1 / 3, -1 / 3, 1 / 3, -1 / 3, -1 / 3, -1])


def test_the_cells_are_the_published_sizes() -> None:
    sizes = {name: make(False).sizes for name, make in paper_cells.CASES.items()}
    table = {name: tuple(found.values()) for name, found in sizes.items()}
    assert table == {
        "takaki": (6, 200, 1, 54),
        "takaki-batch": (6, 200, 32, 54),
        "viqueira": (3, 20, 1, 26),
        "viqueira-batch": (3, 20, 32, 26),
        "cv-sine": (3, 4, 10, 26),
        "bausch-mnist": (10, 99, 200, 1212),
    }


def test_nothing_by_hand_sees_the_library() -> None:
    assert not [name for name, value in vars(plain_cells).items() if "qrnn_jax" in str(value)]


# the command


@pytest.fixture
def one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_SECONDS_PER_ROUND", 1e-9)


def test_a_quick_run_checks_and_times_every_program(
    one_call: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with jax.enable_x64(False):
        assert cells.main(["--quick", "--only", "cv-sine", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "cells.json").read_text())
    assert found["quick"] is True
    assert {"cpu", "cores"} <= set(found["machine"])
    case = found["cells"]["cv-sine"]
    names = [paper_cells.SCAN, OURS, *(f"{OURS}, {rule}" for rule in paper_cells.RULES)]
    assert list(case["programs"]) == names
    for program in case["programs"].values():
        assert program["refused"] is None
        assert len(program["repeats_s"]) >= 2
        assert program["compile_s"] > 0
        assert program["gradient_error"] < 2e-5
    choice = case["automatic_over_best"]
    times = {name: program["median_s"] for name, program in case["programs"].items()}
    assert choice["median"] == pytest.approx(times[OURS] / min(times[name] for name in names[2:]))
    assert f"picked by hand ({choice['program']})" in capsys.readouterr().out


def test_a_quick_run_never_replaces_results() -> None:
    with pytest.raises(SystemExit):
        cells.main(["--quick", "--out", str(cells._RESULTS)])


def tiny(programs):
    """A case without a circuit."""
    rng = np.random.default_rng(0)
    numbers = Numbers(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=4))
    sizes = {"wires": 1, "steps": 3, "batch": 2, "parameters": 4}
    return paper_cells.Published("tiny", "no circuit", sizes, numbers, honest, programs)


def honest(params, x, y):
    return jnp.mean((jnp.sin(params).sum() * x - y) ** 2) + params[0] * params[1]


def wrong_entry(params, x, y):
    return honest(params, x, y) + 1e-2 * (params[2] - jax.lax.stop_gradient(params[2]))


def test_a_wrong_gradient_is_refused_and_not_timed(
    one_call: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = tiny({PLAIN: honest, OURS: honest, "ours, Backprop": wrong_entry})
    found, _ = cells.measure(case, 1)
    told = found["programs"]["ours, Backprop"]
    assert told["refused"].endswith("not timed")
    assert "median_s" not in told
    assert found["automatic_over_best"] is None  # nothing right was picked by hand
    monkeypatch.setitem(paper_cells.CASES, "viqueira", lambda quick: case)
    assert cells.main(["--quick", "--only", "viqueira"]) == 1


def test_the_choice_is_held_to_1_3_of_the_best_rule() -> None:
    def record(name: str, *repeats: float) -> Record:
        return Record(name, repeats_s=list(repeats))

    records = [record(PLAIN, 0.1), record(OURS, 1.0, 1.3, 5.0), record("ours, Backprop", 1.0)]
    found = cells.automatic_over_best([*records, record("ours, Checkpointed", 2.0)])
    assert found is not None
    assert (found["program"], found["median"], found["best"]) == ("ours, Backprop", 1.3, 1.0)
    assert found["meets"]
    records[1] = record(OURS, 1.4)
    slow = cells.automatic_over_best(records)
    assert slow is not None
    assert not slow["meets"]
    assert "MISSES ITS GOAL" in cells._choice_line(slow)
    assert cells.automatic_over_best(records[:2]) is None


def test_a_missed_choice_fails_a_full_run_only(
    one_call: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case = tiny({PLAIN: honest, OURS: honest, "ours, Backprop": honest})
    monkeypatch.setitem(paper_cells.CASES, "viqueira", lambda quick: case)
    monkeypatch.setattr(cells, "ALLOWED", 0.0)
    assert cells.main(["--quick", "--only", "viqueira"]) == 0
    assert cells.main(["--only", "viqueira", "--out", str(tmp_path)]) == 1


# limits


def test_what_is_too_large_is_not_run_and_what_is_too_slow_not_repeated(one_call: None) -> None:
    numbers = tiny({}).numbers
    with pytest.raises(NotRunError, match=r"needs .* GB for temporaries, more than the 0.0 GB"):
        prepare(lambda p, x, y: jnp.sum(jnp.sort(jnp.outer(p, x.ravel()))), numbers, Limits(9, 0.0))
    with pytest.raises(NotRunError, match="over 0 s is not repeated"):
        prepare(honest, numbers, Limits(seconds=0))


def test_a_program_that_is_not_run_is_told_and_is_no_failure(
    one_call: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "_LIMITS", Limits(seconds=0))
    case = replace(tiny({PLAIN: honest, OURS: honest}))
    found, exact = cells.measure(case, 1)
    assert exact
    assert "is not repeated" in found["programs"][PLAIN]["skipped"]
    assert "median_s" not in found["programs"][PLAIN]
    line = report.table(case, [Record(PLAIN, skipped="too slow")]).splitlines()[-1]
    assert line == f"{PLAIN:<32}NOT RUN: too slow"
