"""What an experiment is: settings in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["exactness", "statistics", "prediction"]


@final
@dataclass(frozen=True)
class Settings:
    """How large an experiment is.

    Arguments:
        full: the full size, for committed results; else the quick one, to see that all is well.
        cells: names of the registry of cells to look at; empty for all.
        seed: of everything random.

    Example:
        >>> from qrnn_jax import validation
        >>> validation.Settings().full
        False
    """

    full: bool = False
    cells: tuple[str, ...] = ()
    seed: int = 0


@final
@dataclass(frozen=True)
class Check:
    """One number beside what was expected of it.

    Arguments:
        name: what was measured, in words.
        measured: the number.
        low: the least acceptable value; None for no bound.
        high: the largest acceptable value; None for no bound. Without either the number is
            reported and not judged.
        kind: "exactness" (a failure is a bug, and makes the command fail), "statistics" (holds with
            near certainty for the fixed seeds; a failure makes the command fail, too), or
            "prediction" (what the literature or our own notes expected; a miss is a finding).
        source: where the expectation comes from.
        published: the same number in a paper, its code or its author's log; None if there is none.
        control: the same number for the best classical control on the same data; None if none.
        control_name: which control that is.

    Example:
        >>> from qrnn_jax import validation
        >>> validation.Check("error", 3e-14, high=1e-10).passed
        True
    """

    name: str
    measured: float
    low: float | None = None
    high: float | None = None
    kind: Kind = "exactness"
    source: str = ""
    published: float | None = None
    control: float | None = None
    control_name: str = ""

    @property
    def judged(self) -> bool:
        """Whether the number can pass: it has a bound, or is none at all, which always fails."""
        bounded = self.low is not None or self.high is not None
        return bounded or self.measured != self.measured

    @property
    def passed(self) -> bool:
        """Whether the number is within its bounds; NaN never is."""
        above = (
            self.measured >= self.low if self.low is not None else self.measured == self.measured
        )
        return above and (self.high is None or self.measured <= self.high)


@final
@dataclass(frozen=True)
class Table:
    """Rows of numbers and words.

    Arguments:
        title: one line.
        header: names of the columns.
        rows: one tuple per row.
        note: how to read it.

    Example:
        >>> from qrnn_jax import validation
        >>> validation.Table("sizes", ("T", "circuits"), ((4, 48),)).rows
        ((4, 48),)
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@final
@dataclass(frozen=True)
class Findings:
    """What an experiment found: everything that its report and its picture need.

    Arguments:
        conclusion: the answer in one or two sentences, made from the numbers.
        checks: numbers beside their expectations.
        tables: what the page shows.
        series: named lists of numbers for the picture; plain JSON.

    Example:
        >>> from qrnn_jax import validation
        >>> validation.Findings("It holds.").to_json()["conclusion"]
        'It holds.'
    """

    conclusion: str
    checks: tuple[Check, ...] = ()
    tables: tuple[Table, ...] = ()
    series: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists, each check with `passed`: None where it is not judged."""
        whole = asdict(self)
        for entry, check in zip(whole["checks"], self.checks):
            entry["passed"] = check.passed if check.judged else None
        return whole

    @staticmethod
    def from_json(whole: dict[str, Any]) -> Findings:
        """What `to_json` gave, also after a file: null among the numbers is NaN.

        Example:
            >>> from qrnn_jax import validation
            >>> found = validation.Findings("It holds.", (validation.Check("error", 0.0, high=1),))
            >>> validation.Findings.from_json(found.to_json()) == found
            True
        """
        known = [{k: v for k, v in entry.items() if k != "passed"} for entry in whole["checks"]]
        nan = float("nan")
        checks = [
            Check(**{**c, "measured": nan if c["measured"] is None else c["measured"]})
            for c in known
        ]
        tables = [
            Table(t["title"], tuple(t["header"]), tuple(map(tuple, t["rows"])), t["note"])
            for t in whole["tables"]
        ]
        return Findings(whole["conclusion"], tuple(checks), tuple(tables), whole["series"])


Progress = Callable[[float, str], None]  # (fraction done, what is being done)


@final
@dataclass(frozen=True)
class Experiment:
    """One question, one file.

    Arguments:
        name: short, such as "E1" or "takaki-cosine"; names its files, too.
        title: a few words.
        question: what is asked, in a sentence.
        run: (settings, progress) -> findings; deterministic for given settings.
        draw: findings -> a picture, from their `series` alone; None for no picture.

    Example:
        >>> from qrnn_jax import validation
        >>> ask = validation.Experiment("E0", "nothing", "Is it so?", lambda settings, progress:
        ...     validation.Findings("It is so."))
        >>> ask.run(validation.Settings(), print).conclusion
        'It is so.'
    """

    name: str
    title: str
    question: str
    run: Callable[[Settings, Progress], Findings]
    draw: Callable[[Findings], Figure] | None = None


def all_passed(checks: Sequence[Check], kind: Kind) -> bool:
    """Whether every check of a kind passed.

    Example:
        >>> from qrnn_jax.validation import Check
        >>> from qrnn_jax.validation.experiment import all_passed
        >>> all_passed([Check("error", 1.0, high=0.1)], "exactness")
        False
    """
    return all(check.passed for check in checks if check.kind == kind)
