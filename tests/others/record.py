"""Asks every installed tool and writes what came back; needs the extra `others`.

    python -m tests.others.record

writes `docs/results/others.json` and the tables of `docs/others.md`.
"""

import json
import platform
from typing import Any

import jax

from tests.others.calls import MODULES, RECORD, REPOSITORY, ask, calls, digits, missing
from tests.others.cases import CASES

PAGE = REPOSITORY / "docs" / "others.md"
START, END = "<!-- tables: python -m tests.others.record -->", "<!-- end of tables -->"
COMMAND = "python -m tests.others.record"


def record() -> dict[str, Any]:
    """The whole record; raises where a tool is missing, so that no half record is written."""
    absent = [reason for reason in map(missing, MODULES) if reason]
    if absent:
        raise SystemExit("\n".join(absent))
    return {
        "command": COMMAND,
        "python": platform.python_version(),
        "cases": [
            {
                "name": case.name,
                "circuit": case.text,
                "angles": list(case.angles),
                "truth": digits(case.truth()),
            }
            for case in CASES
        ],
        "records": [ask(tool, call) for tool in MODULES for call in calls(tool)],
    }


def number(value: float) -> str:
    return f"{value:.1e}" if abs(value) >= 1000 else f"{value:.4f}".replace("-0.0000", "0.0000")


def vector(values: list[float]) -> str:
    return "(" + ", ".join(map(number, values)) + ")"


def returned(line: dict[str, Any]) -> str:
    """What a row of a table says in its column 'returned'."""
    return line["raised"] or "; ".join(map(vector, line["values"])) or "-"


def rows(lines: list[dict[str, Any]]) -> list[str]:
    """The table of one case and, below it, what the documentation says."""
    table = ["| tool | call | returned | verdict |", "| --- | --- | --- | --- |"]
    for line in lines:
        verdict = line["verdict"].split(":")[0]
        table.append(f"| {line['tool']} | `{line['call']}` | {returned(line)} | {verdict} |")
    said = dict.fromkeys(f"* {line['tool']}: {line['documentation']}" for line in lines)
    return [*table, "", "What the documentation says:", "", *said, ""]


def tables(record: dict[str, Any]) -> str:
    """The versions, then one section per case, as Markdown."""
    versions = {name: v for line in record["records"] for name, v in line["versions"].items()}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [f"Run with {listed}; Python {record['python']}.", ""]
    for case in record["cases"]:
        angles = ", ".join(map(str, case["angles"]))
        parts += [
            f"### {case['name']}",
            "",
            f"{case['circuit']}. Angles ({angles}); the gradient is **{vector(case['truth'])}**.",
            "",
            *rows([line for line in record["records"] if line["case"] == case["name"]]),
        ]
    return "\n".join(parts)


def with_tables(page: str, record: dict[str, Any]) -> str:
    """The page with everything between its two markers replaced."""
    before, after = page.split(START)[0], page.split(END)[1]
    return f"{before}{START}\n\n{tables(record)}\n{END}{after}"


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    result = record()
    RECORD.write_text(json.dumps(result, indent=1) + "\n")
    PAGE.write_text(with_tables(PAGE.read_text(), result))
    for line in result["records"]:
        print(f"{line['tool']:17} {line['case']:18} {line['verdict']:40} {line['call']}")


if __name__ == "__main__":
    main()
