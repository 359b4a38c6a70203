"""`qrnn-jax reproduce`: the source papers' results, beside ours and the best classical control."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exit_codes import UNEXPECTED, exit_codes, say
from .options import Debug, Out, Resume
from .result_folder import result_folder
from .signals import Signals

if TYPE_CHECKING:
    from qrnn_jax.validation import Settings

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Reproductions to run, see --list.", metavar="[NAME]...",
                   show_default=False),
]  # fmt: skip
Listing = Annotated[bool, typer.Option("--list", help="Show all names and end.")]
Every = Annotated[bool, typer.Option("--all", help="Run all of them.")]
Full = Annotated[
    bool, typer.Option("--full/--quick", help="The size of the papers, or a look in minutes.")
]


def reproduce(
    names: Names = None,
    listing: Listing = False,
    every: Every = False,
    full: Full = False,
    out: Out = None,
    resume: Resume = False,
    debug: Debug = False,
) -> None:
    """Reproduce the results of the source papers, each beside its best classical control.

    Writes every number with the paper's and a verdict. Exit code 1 if a number fails that must be
    hit; one that misses what a paper reports is a finding.
    """
    with exit_codes(debug=debug):
        if listing:
            _print_list()
            return
        chosen = _chosen(names or [], every)
        from qrnn_jax.validation import Settings

        _run(chosen, Settings(full=full), result_folder("reproduce", out, resume=resume))


def _chosen(names: list[str], every: bool) -> tuple[str, ...]:
    """The names to run, in the order of the registry."""
    from qrnn_jax.reproduction import REPRODUCTIONS

    known = [experiment.name for experiment in REPRODUCTIONS]
    unknown = [name for name in names if name not in known]
    if unknown or not (names or every):
        found = f"holds {unknown[0]!r}" if unknown else "is empty; `--all` runs everything"
        raise ValueError(
            f"Argument `NAME` must name reproductions, but {found}; try one of {', '.join(known)}."
        )
    return tuple(name for name in known if every or name in names)


def _print_list() -> None:
    from qrnn_jax.reproduction import REPRODUCTIONS

    width = max(len(experiment.name) for experiment in REPRODUCTIONS)
    for experiment in REPRODUCTIONS:
        print(f"{experiment.name.ljust(width)}  {experiment.title}")


def _run(names: tuple[str, ...], settings: Settings, folder: Path) -> None:
    from qrnn_jax.reproduction import REPRODUCTIONS, write_reproduction
    from qrnn_jax.training.recorder import Interrupted
    from qrnn_jax.validation.laboratory import run_laboratory
    from qrnn_jax.validation.record import failed

    from .laboratory_progress import reporting
    from .reproduction_table import print_reproductions

    with Signals() as signals:
        try:
            with reporting(lambda: signals.received is not None) as reporter:
                records = run_laboratory(
                    settings,
                    folder,
                    names,
                    reporter,
                    experiments=REPRODUCTIONS,
                    write=write_reproduction,
                )
        except Interrupted as stop:
            say(f"{stop} Try: {_again(names, settings, folder)}")
            raise typer.Exit(signals.exit_code) from None
    print_reproductions(records, folder)
    if failed(records):
        raise typer.Exit(UNEXPECTED)


def _again(names: tuple[str, ...], settings: Settings, folder: Path) -> str:
    """The command that goes on where this one stopped."""
    words = ["qrnn-jax", "reproduce", *names, *(["--full"] if settings.full else [])]
    return shlex.join([*words, "--out", str(folder), "--resume"])
