"""The pages of the gallery are what the cells say today."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import jax
import pytest

import qrnn_jax as qj

DOCS = Path(qj.__file__).parent.parent / "docs"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_gallery"] = module
    spec.loader.exec_module(module)
    return module


GALLERY = generator()


@pytest.mark.parametrize("entry", GALLERY.ENTRIES, ids=lambda entry: entry.name)
def test_a_page_is_up_to_date_and_has_its_picture(entry: object) -> None:
    folder = DOCS / "gallery"
    with jax.enable_x64(False):
        assert (folder / f"{entry.name}.md").read_text() == GALLERY.page(entry)  # type: ignore[attr-defined]
    assert (folder / f"{entry.name}.png").exists()  # type: ignore[attr-defined]


@pytest.mark.parametrize("entry", GALLERY.ENTRIES, ids=lambda entry: entry.name)
def test_the_five_lines_run(entry: object) -> None:
    with jax.enable_x64(False):
        exec("import jax, jax.numpy as jnp, qrnn_jax as qj\n" + entry.code, {})  # type: ignore[attr-defined]


def test_every_public_cell_has_a_page() -> None:
    shown = {type(entry.make()) for entry in GALLERY.ENTRIES}
    classes = {value for value in vars(qj.cells).values() if isinstance(value, type)}
    public = {cell for cell in classes if issubclass(cell, qj.AbstractCell)}
    assert public - shown == {qj.cells.Noisy}  # any of the others, with noise
