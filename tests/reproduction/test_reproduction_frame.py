"""The frame of the reproductions: registry, page, controls, resuming, the committed results."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qrnn_jax.cli.laboratory_progress import finished_line
from qrnn_jax.reproduction import REPRODUCTIONS, write_reproduction
from qrnn_jax.reproduction.write_up import PAPERS, page, row, uncontrolled
from qrnn_jax.validation import Check, Experiment, Findings, Settings, Table
from qrnn_jax.validation.laboratory import run_laboratory
from qrnn_jax.validation.record import Record, failed
from qrnn_jax.validation.write_up import verdict

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "reproductions"
HIT = Check("RMSE", 0.206899, 0.206897, 0.206901, "exactness", "a log", 0.206899, 0.0002, "ridge")
MISSED = Check("MSE", 0.5, None, 0.1, "prediction", "ours", None, 1e-30, "linear AR(8)")


class Counting:
    """A reproduction that counts how often it has run."""

    def __init__(self, *checks: Check, name: str = "viqueira-fake") -> None:
        self.runs = 0
        self.checks = checks
        self.experiment = Experiment(name, "a title", "A question?", self.run)

    def run(self, settings: Settings, progress: object) -> Findings:
        del settings, progress
        self.runs += 1
        table = Table("sizes", ("T", "error"), ((4, 0.5),))
        return Findings("It comes out.", self.checks, (table,))

    def records(self, folder: Path) -> tuple[Record, ...]:
        return run_laboratory(
            Settings(), folder, experiments=(self.experiment,), write=write_reproduction
        )


def test_names_are_unique_and_begin_with_a_paper() -> None:
    names = [experiment.name for experiment in REPRODUCTIONS]
    assert len(set(names)) == len(names)
    assert {name.split("-")[0] for name in names} <= set(PAPERS)
    for experiment in REPRODUCTIONS:
        assert experiment.question.endswith("?")
        assert experiment.draw is not None


def test_a_run_writes_page_and_numbers(tmp_path: Path) -> None:
    fake = Counting(HIT, MISSED)
    fake.records(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "reproduction.json", "reproduction.md", "viqueira-fake.json",
    ]  # fmt: skip
    whole = json.loads((tmp_path / "reproduction.json").read_text())
    (entry,) = whole["experiments"]
    first = entry["checks"][0]
    assert (first["published"], first["control"], first["control_name"], first["passed"]) == (
        0.206899, 0.0002, "ridge", True,
    )  # fmt: skip
    text = (tmp_path / "reproduction.md").read_text()
    head = "| reproduction | measure | paper | ours | control | verdict |"
    assert head in text
    line = "| viqueira-fake | RMSE | 0.206899 | 0.206899 | 0.0002 (ridge) | passed: within 2e-06 |"
    assert line in text
    assert "| viqueira-fake | MSE | - | 0.5 | 1e-30 (linear AR(8)) | missed: <= 0.1 |" in text
    assert text.index("## Viqueira") < text.index(head) < text.index("### viqueira-fake")
    assert "It comes out." in text
    assert "**sizes**" in text
    assert "Expectations: a log; ours." in text


def test_the_page_keeps_papers_apart(tmp_path: Path) -> None:
    first = Counting(HIT).records(tmp_path)
    second = Counting(MISSED, name="takaki-fake").records(tmp_path)
    text = page([*first, *second])
    assert text.index("## Takaki") < text.index("takaki-fake") < text.index("## Viqueira")


def test_a_failed_number_is_named_at_the_top(tmp_path: Path) -> None:
    records = Counting(replace(HIT, measured=0.21)).records(tmp_path)
    assert "Failed: viqueira-fake: RMSE." in page(records)


def test_resuming_keeps_what_a_paper_reports_and_the_control(tmp_path: Path) -> None:
    fake = Counting(HIT, MISSED)
    first, second = fake.records(tmp_path), fake.records(tmp_path)
    assert fake.runs == 1
    assert second[0].findings.checks == first[0].findings.checks == (HIT, MISSED)


def test_older_result_files_have_no_control() -> None:
    old = {"name": "error", "measured": 1.0, "low": None, "high": 2.0, "kind": "exactness"}
    whole = {"conclusion": "", "checks": [old | {"source": ""}], "tables": [], "series": {}}
    (check,) = Findings.from_json(whole).checks
    assert (check.published, check.control, check.control_name) == (None, None, "")


@pytest.mark.parametrize("lost", [{"control": None}, {"control_name": ""}])
def test_a_check_without_a_control_is_found(tmp_path: Path, lost: dict) -> None:
    records = Counting(HIT, replace(MISSED, **lost)).records(tmp_path)
    assert uncontrolled(records) == ["viqueira-fake: MSE"]
    assert uncontrolled(Counting(HIT, name="cv-fake").records(tmp_path)) == []


def test_a_number_without_bounds_is_reported_and_has_not_passed(tmp_path: Path) -> None:
    check = replace(MISSED, high=None, published=0.25)
    (record,) = Counting(HIT, check).records(tmp_path)
    assert row(record, check)[2:] == ("0.25", "0.5", "1e-30 (linear AR(8))", "reported")
    (entry,) = json.loads((tmp_path / "reproduction.json").read_text())["experiments"]
    assert [found["passed"] for found in entry["checks"]] == [True, None]
    assert finished_line(record, True).split(": ")[1] == "1/1 + 1 reported checks, found finished"


def test_no_number_at_all_fails_even_without_bounds(tmp_path: Path) -> None:
    check = Check("RMSE", float("nan"), control=0.0002, control_name="ridge")
    (record,) = Counting(check).records(tmp_path)
    assert verdict(check) == "FAILED"
    assert failed([record]) == ["viqueira-fake: RMSE"]
    (entry,) = json.loads((tmp_path / "reproduction.json").read_text())["experiments"]
    assert entry["checks"][0]["passed"] is False


def test_a_record_of_no_listed_paper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'somebody-fake' begins with none of bausch, cv, .* try"):
        Counting(HIT, name="somebody-fake").records(tmp_path)


NOT_RUN: set[str] = set()  # in full size; docs/reproductions.md says so, too


def test_the_committed_results_are_complete_but_for_those_not_run() -> None:
    """Full size, each row with its control, nothing lost that must hold."""
    whole = json.loads((RESULTS / "reproduction.json").read_text())
    assert whole["settings"]["full"]
    assert whole["failed"] == []
    found = {entry["name"]: entry for entry in whole["experiments"]}
    expected = [each for each in REPRODUCTIONS if each.name not in NOT_RUN]
    assert list(found) == [experiment.name for experiment in expected]
    for experiment in expected:
        entry = found[experiment.name]
        assert entry["checks"]
        for check in entry["checks"]:
            assert check["control"] is not None, check["name"]
            assert check["control_name"], check["name"]
            bounded = check["low"] is not None or check["high"] is not None
            assert (check["passed"] is None) != bounded, check["name"]
        assert (RESULTS / f"{experiment.name}.png").exists()
    assert (RESULTS / "reproduction.md").exists()
