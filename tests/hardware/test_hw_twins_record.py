"""The committed comparison of counts and predictions: what the page says is what was measured."""

import json

import numpy as np
import pytest

from tests.hardware import record_twins
from tests.hardware.own_noise import CELLS


@pytest.fixture(scope="module")
def whole() -> dict:
    return json.loads(record_twins.PATH.read_text())


def predictions(cell: dict) -> dict[str, dict]:
    seen = cell["snapshot"]
    own = {"ideal": cell["ideal"], "own": cell["own"]}
    return {**own, "twin": seen["twin"], "mitigated": seen["mitigated"]}


@pytest.mark.parametrize("name", CELLS)
def test_counts_are_where_they_were_predicted(whole: dict, name: str) -> None:
    cell = whole["cells"][name]
    assert (whole["steps"], whole["shots"]) == (5, 2048)
    for found in predictions(cell).values():
        assert found["numbers"] >= 40
        assert found["largest_z"] < 5
        # 40 numbers: four standard errors of the r.m.s. are 0.45
        assert 0.55 < found["rms_z"] < 1.45
    assert cell["own"]["rms_effect_of_noise"] > 5 * cell["snapshot"]["rms_stderr"]
    seen = cell["snapshot"]
    assert seen["twin"]["rms_gap"] < seen["profile"]["rms_gap"] < seen["ideal"]["rms_gap"]
    assert seen["ideal"]["rms_z"] > 3
    assert seen["twin without waiting"]["rms_gap"] > 1.3 * seen["twin"]["rms_gap"]


def test_the_page_shows_the_record(whole: dict) -> None:
    assert record_twins.tables(whole) in record_twins.PAGE.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_the_record_comes_out_again(whole: dict, name: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Two draws of the eight, T = 5: the same seeds, so the same predictions; counts within 5."""
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit` (qiskit, qiskit-aer)")
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    monkeypatch.setattr(record_twins, "SEEDS", 2)
    cell = {**record_twins.ideal_and_own(name), "snapshot": record_twins.snapshot(name)}
    for kind, found in predictions(cell).items():
        assert found["numbers"] == 10
        assert found["largest_z"] < 5, kind
        assert found["rms_z"] < 2, kind
    assert np.isfinite(cell["snapshot"]["shrinkage"]["twin"]).all()
