"""What a comparison of gradient rules found: rows, and a table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

HEADER = ("rule", "values", "d/d params", "d/d xs", "shifted circuits", "seconds")


@final
@dataclass(frozen=True)
class GradientRow:
    """One rule beside exact autodiff; all errors are largest absolute differences.

    Arguments:
        rule: the rule's name, with the settings that are not its defaults.
        values: error of the outputs; None where the rule gave no gradient at all.
        params: error of the loss's gradient in the parameters; None where refused.
        xs: error of the loss's gradient in the inputs; None where refused.
        evaluations: shifted circuits that the gradient took, without the unshifted run; None for
            rules that only a simulator can follow.
        seconds: one run of the compiled gradient, compilation left out; None where refused.
        refused: why the rule refused the gradient, or its part in `xs`; None if it did not.

    Example:
        >>> from qrnn_jax import validation
        >>> validation.GradientRow("Checkpointed", 0.0, 1e-16, 2e-16).max_abs
        2e-16
    """

    rule: str
    values: float | None = None
    params: float | None = None
    xs: float | None = None
    evaluations: int | None = None
    seconds: float | None = None
    refused: str | None = None

    @property
    def max_abs(self) -> float | None:
        """The largest of the errors; NaN if one is NaN, None if the rule gave no gradient."""
        errors = [error for error in (self.values, self.params, self.xs) if error is not None]
        return float(np.max(errors)) if errors else None

    def cells(self) -> tuple[str, ...]:
        """The row's texts, in the order of the table's columns."""
        errors = [_text(error) for error in (self.values, self.params, self.xs)]
        count = "-" if self.evaluations is None else f"{self.evaluations:,}"
        seconds = "-" if self.seconds is None else f"{self.seconds:.3f}"
        return (self.rule, *errors, count, seconds)


@final
@dataclass(frozen=True)
class GradientReport:
    """Every rule beside exact autodiff: a table as text, and the numbers behind it.

    Arguments:
        model: the cell, its number of wires, T.
        simulation: the engine, the plan it chose, the number type.
        rows: one per rule; the first is exact autodiff itself.

    `report["ParameterShift"]` is the row of that rule.

    Example:
        >>> from qrnn_jax import validation
        >>> row = validation.GradientRow("Checkpointed", 0.0, 1e-16, 2e-16, seconds=0.01)
        >>> report = validation.GradientReport("a model", "an engine", (row,))
        >>> report["Checkpointed"].xs
        2e-16
    """

    model: str
    simulation: str
    rows: tuple[GradientRow, ...]

    def __getitem__(self, rule: str) -> GradientRow:
        for row in self.rows:
            if row.rule == rule:
                return row
        raise KeyError(
            f"Argument `rule` must be one of {[row.rule for row in self.rows]}, but is {rule!r}."
        )

    def __str__(self) -> str:
        lines = [HEADER, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines)]
        table = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in lines
        ]
        refusals = [
            f"{row.rule} refuses{'' if row.params is None else ' d/d xs'}: {row.refused}"
            for row in self.rows
            if row.refused
        ]
        title = f"Gradient rules beside exact autodiff: {self.model}"
        return "\n".join([title, self.simulation, "", *table, *refusals])


def _text(error: float | None) -> str:
    if error is None:
        return "-"
    return "0" if error == 0 else f"{error:.1e}"
