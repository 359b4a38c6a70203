"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="PRESET|FILE",
        help="sunspots (the default), cosine, triangle, spin_chain, decreasing_triangle, or a TOML "
        "or JSON file, such as the config.json of another run.",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Replace one setting, the value as in TOML: cell.memory=2, optimizer.name=bfgs. "
        "Another name starts its section afresh. May be repeated.",
        metavar="KEY=VALUE",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the results; by default runs/NAME-TIME.",
        metavar="DIR",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on in --out: what is finished is kept.")]
Noise = Annotated[
    str | None,
    typer.Option(
        help="For --device aer: the snapshot of a real device, fake_manila.",
        metavar="NAME",
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
