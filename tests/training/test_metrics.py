"""Metrics files: strict JSON, one row per line, robust against a torn end."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from qrnn_jax import training


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def no_constants(text):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_what_is_not_finite_becomes_null(path, bad):
    training.append_metrics(path, [{"step": 1, "loss": bad, "nested": [{"deep": bad}, 2.5]}])
    row = no_constants(path.read_text())
    assert row == {"step": 1, "loss": None, "nested": [{"deep": None}, 2.5]}
    assert training.read_metrics(path) == [row]


def test_numbers_of_numpy_and_jax_keep_their_values():
    value = {
        "integer": np.int64(3),
        "flag": np.bool_(True),
        "float": np.float64(0.1),
        "jax": jnp.asarray(0.1),
        "array": np.array([[1.0, np.nan], [3.0, 4.0]]),
        "tuple": (1, 2),
        3: "name",
        "none": None,
    }
    found = no_constants(training.strict_json(value))
    assert found["array"] == [[1.0, None], [3.0, 4.0]]
    assert found["flag"] is True
    assert found["float"] == found["jax"] == 0.1
    assert found["integer"] == 3
    assert found["tuple"] == [1, 2]
    assert found["3"] == "name"


def test_what_has_no_place_in_json_is_refused(path):
    with pytest.raises(TypeError, match="complex has no place in JSON"):
        training.strict_json({"a": 1j})
    with pytest.raises(TypeError, match="PosixPath has no place in JSON"):
        training.append_metrics(path, [{"step": 1}, {"step": path}])
    assert not path.exists()  # a bad row leaves nothing half written


def test_rows_are_appended_in_order(path):
    training.append_metrics(path, [{"step": 1}, {"step": 2}])
    training.append_metrics(path, ({"step": n} for n in (3, 4)))
    training.append_metrics(path, [])
    assert [row["step"] for row in training.read_metrics(path)] == [1, 2, 3, 4]
    assert path.read_text().count("\n") == 4


def test_a_torn_last_line_is_ignored_wherever_it_is_torn(path):
    training.append_metrics(path, [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        assert [row["step"] for row in training.read_metrics(path)] == [1]
    path.write_bytes(whole)
    assert len(training.read_metrics(path)) == 2


def test_a_torn_character_is_ignored(path):
    path.write_bytes(b'{"step": 1}\n{"step": 2, "note": "\xc3')
    assert training.read_metrics(path) == [{"step": 1}]


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"loss": 1}', '{"step": "1"}', "[" * 100_000])
def test_a_broken_line_in_the_middle_is_named(path, line):
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl must hold one JSON object .* line 2 is"):
        training.read_metrics(path)


def test_truncation_drops_later_rows_and_a_torn_end(path):
    training.append_metrics(path, [{"step": n, "loss": n / 7} for n in range(1, 6)])
    with open(path, "ab") as file:
        file.write(b'{"step": 6, "lo')
    training.truncate_metrics(path, 3)
    assert path.read_bytes().endswith(b"}\n")
    training.append_metrics(path, [{"step": 4, "loss": 4 / 7}])
    rows = training.read_metrics(path)
    assert rows == [{"step": n, "loss": n / 7} for n in range(1, 5)]
    assert [name.name for name in path.parent.iterdir()] == ["metrics.jsonl"]


def test_truncating_nothing(path):
    training.truncate_metrics(path, 3)
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "missing" / "metrics.jsonl"
    with pytest.raises(OSError, match=r"metrics\.jsonl \(12 bytes\) must be writable, but No such"):
        training.append_metrics(path, [{"step": 1}])
