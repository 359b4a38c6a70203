"""Our truths are right, the committed record is whole, and the tools still return what it says.

The last test is marked `others`: it asks the tools again, and skips each one that is not installed
at its pinned version. A tool that changed makes it fail; then `python -m tests.others.record`.
"""

import json
from typing import Any

import numpy as np
import pytest

from tests.others.calls import CONFIDENCE, EXACT, MODULES, RECORD, ask, calls, judge, missing, pins
from tests.others.cases import CASES, Case
from tests.others.dense import GRADIENTS
from tests.others.record import PAGE, with_tables

DATA = json.loads(RECORD.read_text())
LINES = DATA["records"]
NAMES = [f"{line['tool']}-{line['case']}-{line['call']}" for line in LINES]


def line_of(**changed: Any) -> dict[str, Any]:
    """A line of the record for `judge`: two angles, three seeds, standard error 0.01."""
    line = {"seeds": [1, 2, 3], "raised": None, "truth": [0.5, -0.2], "standard_error": 0.01}
    line |= {"documented_unsupported": False}
    line |= {"values": [[0.51, -0.21], [0.49, -0.19], [0.5, -0.2]]}
    return line | changed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_library_and_numpy_agree_on_the_truth(case: Case) -> None:
    dense = GRADIENTS[case.name](case.angles)
    np.testing.assert_allclose(case.truth(), dense, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_record_holds_the_case_for_every_tool(case: Case) -> None:
    (described,) = [item for item in DATA["cases"] if item["name"] == case.name]
    assert described["circuit"] == case.text
    assert described["angles"] == list(case.angles)
    assert {line["tool"] for line in LINES if line["case"] == case.name} == set(MODULES)
    truths = [line["truth"] for line in LINES if line["case"] == case.name]
    for truth in [described["truth"], *truths]:
        np.testing.assert_allclose(truth, GRADIENTS[case.name](case.angles), rtol=0, atol=1e-9)


@pytest.mark.parametrize("line", LINES, ids=NAMES)
def test_recorded_verdict_follows_from_the_recorded_numbers(line: dict[str, Any]) -> None:
    assert line["verdict"] == judge(line)
    assert line["versions"] == {name: pins()[name] for name in line["versions"]}
    assert line["documentation"]


def test_page_shows_the_record() -> None:
    page = PAGE.read_text()
    assert with_tables(page, DATA) == page, "run `python -m tests.others.record`"


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "correct"),
        ({"truth": [0.5, -0.25]}, "wrong value"),
        ({"standard_error": None}, "correct"),
        ({"standard_error": None, "truth": [0.5, -0.20001]}, "wrong value"),
        ({"values": [[0.5, -9e4], [0.5, 0.0], [0.5, 3e5]]}, "noise dominated"),
        ({"raised": "KeyError: w"}, "raises: KeyError: w"),
        ({"raised": "KeyError: w", "documented_unsupported": True}, "documented as unsupported"),
        ({"seeds": None, "values": []}, "not applicable"),
    ],
)
def test_judge(changed: dict[str, Any], verdict: str) -> None:
    assert judge(line_of(**changed)) == verdict


@pytest.mark.others
@pytest.mark.parametrize("tool", MODULES)
def test_record_holds_every_call(tool: str) -> None:
    reason = missing(tool)
    if reason:
        pytest.skip(reason)
    asked = [(call.case, call.text) for call in calls(tool)]
    assert len(set(asked)) == len(asked)
    assert asked == [(line["case"], line["call"]) for line in LINES if line["tool"] == tool]


@pytest.mark.others
@pytest.mark.parametrize("line", LINES, ids=NAMES)
def test_tool_still_returns_what_is_recorded(line: dict[str, Any]) -> None:
    reason = missing(line["tool"])
    if reason:
        pytest.skip(reason)
    wanted = (line["case"], line["call"])
    (call,) = [c for c in calls(line["tool"]) if (c.case, c.text) == wanted]
    now = ask(line["tool"], call)
    assert now["verdict"] == line["verdict"]
    assert now["raised"] == line["raised"]
    if line["values"] and line["verdict"] != "noise dominated":
        # two samples, recorded and new, each with its own noise
        error = line["standard_error"]
        room = EXACT if error is None else CONFIDENCE * np.sqrt(2) * error
        np.testing.assert_allclose(now["values"], line["values"], rtol=0, atol=room)
