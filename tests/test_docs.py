"""Every public name has an example, and every example runs as users run it: in float32."""

import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import jax
import pytest
import typer

import qrnn_jax as qj
from qrnn_jax import baselines, cells, hardware, plots, tasks, training, validation
from qrnn_jax.cli.app import app

ROOT = Path(qj.__file__).parent
REPOSITORY = ROOT.parent
NAMES = sorted(
    found.name
    for found in pkgutil.walk_packages([str(ROOT)], "qrnn_jax.")
    if found.name != "qrnn_jax.__main__"
)
PUBLIC = [
    (module, name)
    for module in (qj, cells, tasks, baselines, training, validation, plots, hardware)
    for name, value in sorted(vars(module).items())
    if not name.startswith("_")
    and (inspect.isclass(value) or inspect.isfunction(value))
    and value.__module__.startswith("qrnn_jax")
]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[name for _, name in PUBLIC])
def test_public_name_has_a_docstring_with_an_example(module: ModuleType, name: str) -> None:
    text = inspect.getdoc(getattr(module, name)) or ""
    assert ">>>" in text, f"{module.__name__}.{name} must have a runnable example"
    assert text.splitlines()[0].rstrip().endswith((".", ":")), "the first line is a sentence"


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    with jax.enable_x64(False):
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_pages_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All python blocks of one page run in one namespace, top to bottom."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    with jax.enable_x64(False):
        exec("\n".join(blocks), {"__name__": "page"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_on_pages_are_read(page: Path) -> None:
    """Every option is known and has a value of its kind; nothing is run."""
    commands = cast(Any, typer.main.get_command(app)).commands
    lines = re.findall(r"^(?:\s*|.*&& )qrnn-jax (\w.*)$", page.read_text(), re.MULTILINE)
    for line in lines:
        name, *arguments = shlex.split(line, comments=True)
        commands[name].make_context(name, arguments)  # raises at what it does not know


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_on_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
