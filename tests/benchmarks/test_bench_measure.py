"""The gate, the timing and the report: a wrong program is refused and has no time."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks import measure, memory, report
from benchmarks.measure import (
    Check,
    Gradient,
    Record,
    check,
    compare,
    prepare,
    reference,
    time_rounds,
)
from benchmarks.programs import BACKPROP, CHECKPOINTED, OURS, PLAIN
from benchmarks.workloads import W2, W3

WORKLOAD = replace(W2.small(), batch=12)


def honest(params, x, y):
    """A loss without a circuit, so that these tests compile in no time."""
    return jnp.mean((jnp.sin(params).sum() * x - y) ** 2) + params[0] * params[1]


def small_value_error(params, x, y):
    return honest(params, x, y) * 1.001


def small_gradient_error(params, x, y):
    """The right value with one wrong entry in the gradient."""
    ghost = params[2] - jax.lax.stop_gradient(params[2])
    return honest(params, x, y) + 1e-3 * ghost


def nan_gradient(params, x, y):
    """The right value with a NaN in the gradient."""
    return honest(params, x, y) + jnp.sqrt(0.0 * params[0])


def nan_value(params, x, y):
    return honest(params, x, y) * jnp.nan


def one_sequence_only(params, x, y):
    return honest(params, x[:1], y[:1])


WRONG = (small_value_error, small_gradient_error, nan_gradient, nan_value, one_sequence_only)
PROGRAMS = {PLAIN: honest, OURS: honest} | {loss.__name__: loss for loss in WRONG}


@pytest.fixture
def peer(monkeypatch):
    """Take the circuit-free loss for the peer's, and let a round last no longer than one call."""
    monkeypatch.setattr(measure, "plain_loss", lambda workload: honest)
    monkeypatch.setattr(measure, "_SECONDS_PER_ROUND", 1e-9)


def by_name(records):
    return {record.name: record for record in records}


# the gate


def test_the_reference_is_the_float64_loss_over_the_whole_batch(peer):
    numbers = WORKLOAD.draw()
    found = reference(WORKLOAD, numbers)
    x, y = numbers.x, numbers.y
    rows = [np.mean((np.sin(numbers.params).sum() * x[i] - y[i]) ** 2) for i in range(12)]
    expected = np.mean(rows) + numbers.params[0] * numbers.params[1]
    assert found.value == pytest.approx(expected, rel=1e-14)
    args = (jnp.asarray(numbers.params), jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(found.gradient, jax.grad(honest)(*args), rtol=0, atol=1e-14)


def test_a_changed_peer_misses_the_golden_loss(peer):
    value = reference(WORKLOAD, WORKLOAD.draw()).value
    reference(replace(WORKLOAD, golden=value + 4e-9), WORKLOAD.draw())
    with pytest.raises(
        ValueError, match=r"loss of W2 must be .*; the plain-JAX program or its data"
    ):
        reference(replace(WORKLOAD, golden=value + 1e-8), WORKLOAD.draw())


def test_wrong_programs_are_refused_and_not_timed(peer):
    expected, records = compare(WORKLOAD, PROGRAMS, rounds=2)
    found = by_name(records)
    assert list(found) == list(PROGRAMS)
    for name in (PLAIN, OURS):
        assert found[name].refused is None
        assert len(found[name].repeats_s) == 2
        assert found[name].check.value_error < 1e-5
        assert found[name].compile_s > 0
    for loss in WRONG:
        record = found[loss.__name__]
        assert record.refused.endswith("not timed")
        assert record.repeats_s == []
        assert record.median_s is record.best_s is None
    assert found["small_gradient_error"].check.value_error < 1e-5
    assert np.isnan(found["nan_gradient"].check.gradient_error)
    assert np.isfinite(expected.value)


@pytest.mark.parametrize(
    ("value", "gradient", "passed"),
    [
        (2.0, [1.0, -4.0, 0.0], True),
        (2.0002, [1.0, -4.0, 0.0], True),  # 1e-4 relative
        (2.0003, [1.0, -4.0, 0.0], False),
        (2.0, [1.0, -4.0, 0.0039], True),  # 1e-3 of the largest entry
        (2.0, [1.0, -4.0, 0.0041], False),
        (-2.0, [1.0, -4.0, 0.0], False),
        (2.0, [-4.0, 1.0, 0.0], False),
        (np.nan, [1.0, -4.0, 0.0], False),
        (2.0, [1.0, np.nan, 0.0], False),
        (2.0, [1.0, np.inf, 0.0], False),
    ],
)
def test_what_the_gate_lets_through(value, gradient, passed):
    expected = Gradient(2.0, np.array([1.0, -4.0, 0.0]))
    found = check(Gradient(value, np.array(gradient)), expected, gradient_tolerance=1e-3)
    assert found.passed is passed or found.passed == np.bool_(passed)


def test_programs_run_in_turn_and_short_ones_more_often(monkeypatch):
    calls = []

    def step(name):
        return lambda: calls.append(name) or (0.125 if calls[-2:] == [name] * 2 else 9.0)  # seconds

    monkeypatch.setattr(measure, "_SECONDS_PER_ROUND", 0.2)
    repeats = time_rounds({"a": step("a"), "b": step("b")}, rounds=2)
    assert calls == [*"aaabbb", *"aaabbb"]  # the first call of a turn is not counted
    assert repeats == {"a": [0.125] * 4, "b": [0.125] * 4}


def test_a_step_tells_the_seconds_of_one_call(monkeypatch):
    ready = prepare(honest, WORKLOAD.draw())
    clock = iter((1.0, 3.5))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    assert ready.step() == 2.5
    assert ready.found.gradient.dtype == np.float64
    assert ready.found.value == pytest.approx(reference_value(), rel=1e-5)


def reference_value():
    numbers = WORKLOAD.draw()
    return float(honest(numbers.params, numbers.x, numbers.y))


# the report


def record(name, *repeats, refused=None):
    return Record(
        name, 1.0, 2.0, 3_000_000, Check(1e-7, 2e-6, refused is None), refused, list(repeats)
    )


def test_ratios_are_those_of_medians():
    records = [
        record(PLAIN, 9.0, 10.0, 90.0),
        record(OURS, 1.0, 2.0, 2.5),
        record("wrong", refused="x"),
    ]
    assert report.ratios(records) == {OURS: {"median": 5.0, "best": 9.0}}


def test_the_table_shows_medians_and_ratios():
    lines = report.table(WORKLOAD, [record(PLAIN, 9.0, 10.0, 90.0), record(OURS, 1.0, 2.0, 2.5)])
    title, head, plain, ours, lead = lines.splitlines()
    assert lead == f"ours over {PLAIN}: 5.0x faster, temp 1.0x less"
    assert title.endswith("wires 3, steps 3, batch 12, parameters 12")
    assert head.split()[:6] == ["program", "median", "ms", "best", "ms", "faster"]
    assert plain.split()[-6:] == ["10000.00", "9000.00", "3.0", "3.0", "1e-07", "2e-06"]
    assert ours.split()[-7:] == ["2000.00", "1000.00", "5.0x", "3.0", "3.0", "1e-07", "2e-06"]


def test_a_refused_program_shows_its_reason_and_no_time():
    text = report.table(
        WORKLOAD, [record(PLAIN, 1.0), record(OURS, refused="value off; not timed")]
    )
    assert text.splitlines()[-1] == f"{OURS:<32}REFUSED: value off; not timed"


def test_without_the_peers_time_there_is_no_ratio():
    text = report.table(WORKLOAD, [record(PLAIN, refused="off; not timed"), record(OURS, 1.0)])
    assert "x" not in text.splitlines()[-1].removeprefix(OURS)


def test_ours_is_compared_with_every_other_program_but_not_with_itself():
    small = record(OURS, 1.0, 2.0, 3.0)
    small.temp_bytes = 1_000_000
    records = [record(PLAIN, 9.0, 10.0), small, record(CHECKPOINTED, 1.0), record("x", refused="y")]
    assert report.ours_over(records) == {
        PLAIN: {"median": 4.75, "best": 9.0, "temp_bytes": 3.0, "compile": 1.0}
    }
    lines = report.table(WORKLOAD, records).splitlines()
    assert lines[-1] == f"ours over {PLAIN}: 4.8x faster, temp 3.0x less"
    assert report.ours_over([record(PLAIN, 9.0)]) == {}


def test_ours_is_held_to_a_stricter_goal_than_the_gate():
    loose = replace_check(record(OURS, 1.0), Check(1e-7, 3e-5, True))
    peer = replace_check(record(PLAIN, 1.0), Check(1e-7, 3e-5, True))
    assert report.missed(WORKLOAD, [peer, loose]) == [
        f"MISSES ITS GOAL: {OURS}, gradient off by 3.0e-05 (promised 2e-05)"
    ]
    found = report.as_json(WORKLOAD, Gradient(0.5, np.zeros(12)), [peer, loose], {})
    assert found["programs"][OURS]["meets"] is False
    assert "meets" not in found["programs"][PLAIN]
    assert report.missed(WORKLOAD, [record(OURS, 1.0)]) == []


def test_json_says_what_where_and_with_which_versions():
    expected = Gradient(0.5, np.zeros(12))
    wrong = replace_check(
        record("wrong", refused="value off; not timed"), Check(np.nan, np.inf, False)
    )
    records = [record(PLAIN, 3.0, 4.0), record(OURS, 1.0), wrong]
    found = report.as_json(WORKLOAD, expected, records, {"quick": True})
    found = json.loads(json.dumps(found, allow_nan=False))
    assert found["sizes"] == {"wires": 3, "steps": 3, "batch": 12, "parameters": 12}
    assert found["reference"] == {"loss_float64": 0.5, "golden": None}
    assert {
        "cpu",
        "vector_bytes",
        "cores",
        "memory_bytes",
        "system",
        "device",
        "load_average",
    } == set(found["machine"])
    assert {"python", "qrnn_jax", "jax", "jaxlib", "numpy"} == set(found["versions"])
    assert found["versions"]["jax"] == jax.__version__
    assert found["quick"] is True
    assert found["programs"][PLAIN] == {
        "value_error": 1e-7,
        "gradient_error": 2e-6,
        "refused": None,
        "trace_s": 1.0,
        "compile_s": 2.0,
        "temp_bytes": 3_000_000,
        "median_s": 3.5,
        "best_s": 3.0,
        "repeats": 2,
        "repeats_s": [3.0, 4.0],
    }
    assert found["programs"]["wrong"] == {
        "value_error": None,
        "gradient_error": None,
        "refused": "value off; not timed",
    }
    assert found["ratios"] == {OURS: {"median": 3.5, "best": 3.0}}


def replace_check(given, found):
    given.check = found
    return given


# the command


@pytest.fixture
def quick(peer, monkeypatch, tmp_path):
    """Run the command on fake programs; its results go to a folder that must not be touched."""
    results = tmp_path / "results"
    monkeypatch.setattr(command, "_RESULTS", results)
    monkeypatch.setattr(command, "chosen_plan", lambda workload: "SomePlan")

    def run(*arguments, losses):
        monkeypatch.setattr(command, "programs", lambda workload: losses)
        return command.main([*arguments, "--only", "W2"]), results

    return run


def test_success_is_0_and_a_refusal_is_1(quick, capsys):
    code, results = quick("--quick", losses={PLAIN: honest, OURS: honest})
    assert code == 0
    assert "W2: time 2 programs" in capsys.readouterr().err  # progress
    code, results = quick("--quick", losses={PLAIN: honest, OURS: nan_value})
    assert code == 1
    assert "REFUSED: value off by nan" in capsys.readouterr().out
    assert not results.exists()


def test_ours_missing_its_goal_is_1(quick, capsys):
    def loose(params, x, y):
        """The right value; one entry of the gradient 5e-5 of the largest off."""
        ghost = params[2] - jax.lax.stop_gradient(params[2])
        return honest(params, x, y) + 5e-5 * ghost

    assert quick("--quick", losses={PLAIN: loose, OURS: honest})[0] == 0
    capsys.readouterr()
    assert quick("--quick", losses={PLAIN: honest, OURS: loose})[0] == 1
    assert "MISSES ITS GOAL: ours," in capsys.readouterr().out


def test_an_error_in_a_program_reaches_the_caller(quick):
    def broken(params, x, y):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        quick("--quick", losses={PLAIN: broken})


def test_quick_runs_write_elsewhere_or_nowhere(quick, tmp_path, capsys):
    code, results = quick("--quick", "--out", str(tmp_path / "else"), losses={PLAIN: honest})
    assert code == 0
    assert not results.exists()
    found = json.loads((tmp_path / "else" / "W2.json").read_text())
    assert found["quick"] is True
    assert found["plan"] == "SomePlan"
    with pytest.raises(SystemExit) as raised:
        quick("--quick", "--out", str(results / ".." / "results"), losses={PLAIN: honest})
    assert raised.value.code == 2
    assert "must not replace real results" in capsys.readouterr().err
    assert not results.exists()


def test_full_runs_write_into_the_results(quick, monkeypatch):
    monkeypatch.setitem(command.WORKLOADS, "W2", WORKLOAD)
    code, results = quick(losses={PLAIN: honest, OURS: honest})
    assert code == 0
    found = json.loads((results / "W2.json").read_text())
    assert found["quick"] is False
    assert len(found["programs"][OURS]["repeats_s"]) == 7


# memory


def test_ratios_of_peak_memory(monkeypatch):
    told = {BACKPROP: (400, None), CHECKPOINTED: (20, 5)}

    def fake(workload, name, *, quick):
        assert (workload, quick) == ("W3", True)
        return {"temp_bytes": told[name][0], "rss_rise_bytes": told[name][1], "peak_rss_bytes": 1}

    monkeypatch.setattr(command, "measure_apart", fake)
    found = command.memory("W3", quick=True)
    assert found["backprop_over_checkpointed"] == {"temp_bytes": 20.0, "rss_rise_bytes": None}
    assert "temp_bytes 20.0x" in command._memory_lines(found)


def test_checkpointing_needs_less_memory_on_a_long_sequence():
    workload = replace(W3, wires=6, layers=1, steps=400)
    found = {name: memory.measure_here(workload, name) for name in (BACKPROP, CHECKPOINTED)}
    assert found[BACKPROP]["temp_bytes"] > 5 * found[CHECKPOINTED]["temp_bytes"]


def test_memory_is_measured_in_a_process_of_its_own():
    found = memory.measure_apart("W3", BACKPROP, quick=True)
    assert found["temp_bytes"] > 0
    assert found["peak_rss_bytes"] > 50e6
    with pytest.raises(RuntimeError, match=r"(?s)Measuring nonsense on W3 failed: .*KeyError"):
        memory.measure_apart("W3", "nonsense", quick=True)
