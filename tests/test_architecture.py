"""The rules of the design that a program can check: layers, sizes, abstract or final."""

import ast
import importlib
import inspect
import pkgutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import qrnn_jax as qj

ROOT = Path(qj.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
SOURCES = [path for path in FILES if path.name != "__init__.py"]

# imports point to a smaller number, or stay inside a package
LAYERS = {"devices": 0, "ops": 1, "circuit": 2, "engines": 3, "gradients": 4, "cell": 5}
LAYERS |= {"controller": 6, "checks": 7, "expectations": 7, "setup": 8, "feedback": 9}
LAYERS |= {
    "recorded": 10,
    "branched": 10,
    "run": 11,
    "estimate": 12,
    "moments": 12,
    "ages": 12,
    "losses": 12,
}
LAYERS |= {"explanation": 7, "step_size": 8, "explain": 12, "cells": 13}
LAYERS |= {"hardware": 13}  # `qj.Device` is an engine, so it cannot be made of the public names
PUBLIC = {"cells", "losses", "hardware"}  # modules that are names of their own
OUTER = {
    "tasks",
    "baselines",
    "training",
    "validation",
    "reproduction",
    "plots",
    "cli",
    "__main__",
}
CORE_AT_TOP = {"__init__"}

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages([str(ROOT)], "qrnn_jax.")
    if found.name != "qrnn_jax.__main__"
]


def part_of(path: Path) -> str:
    """The top-level package or module that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """Absolute names of what a file imports from the library, local imports included."""
    package = ["qrnn_jax", *path.relative_to(ROOT).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found += [name] if name != "qrnn_jax" else [f"{name}.{a.name}" for a in node.names]
    return [name for name in found if name.split(".")[0] == "qrnn_jax"]


def upward(path: Path) -> list[str]:
    """The imports of a file that break the direction of the layers."""
    part = part_of(path)
    broken = []
    for name in imports(path):
        target = name.split(".")[1] if "." in name else ""
        if part in LAYERS:
            fine = target == part or LAYERS.get(target, 99) < LAYERS[part]
        else:  # outer: the public names, and other outer packages
            public = set(vars(qj)) - (set(LAYERS) - PUBLIC)
            fine = target in OUTER | {""} or (name.count(".") == 1 and target in public)
        if not fine:
            broken.append(name)
    return broken


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    if part_of(path) in CORE_AT_TOP:
        return
    assert part_of(path) in {*LAYERS, *OUTER}, "a new package needs a layer"
    assert upward(path) == []


def test_the_import_check_sees_an_upward_import(tmp_path: Path, monkeypatch: object) -> None:
    broken = ROOT / "ops" / "imaginary.py"
    text = "from qrnn_jax.run import run\nfrom ..engines import base\nimport numpy\n"
    original = Path.read_text
    monkeypatch.setattr(  # type: ignore[attr-defined]
        Path, "read_text", lambda self, *a, **k: text if self == broken else original(self, *a, **k)
    )
    assert upward(broken) == ["qrnn_jax.run", "qrnn_jax.engines"]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert {str(path): n for path, n in lengths.items() if n > 500} == {}
    assert statistics.median(lengths.values()) < 200


def functions(path: Path) -> dict[str, int]:
    """Lines of every function of a file, its docstring left out."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                assert first.end_lineno is not None
                length -= first.end_lineno - first.lineno + 1
            found[f"{path.relative_to(ROOT)}:{node.name}"] = length
    return found


def test_functions_are_short() -> None:
    lengths = {name: n for path in SOURCES for name, n in functions(path).items()}
    assert {name: n for name, n in lengths.items() if n > 40} == {}


def classes() -> list[type]:
    """Every class that the library defines."""
    return [
        value
        for module in MODULES
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]


def test_classes_are_abstract_or_final() -> None:
    """What can be constructed is never subclassed."""
    wrong = [
        (cls.__qualname__, base.__qualname__)
        for cls in classes()
        for base in cls.__mro__[1:]
        if base.__module__.startswith("qrnn_jax") and getattr(base, "__final__", False)
    ]
    assert wrong == []
    for cls in classes():
        if cls.__name__.startswith("Abstract"):
            assert not getattr(cls, "__final__", False), cls
            assert cls.__subclasses__(), f"{cls} has no final class"


def test_descriptions_and_settings_are_final() -> None:
    """Every cell, engine, rule and operation that is not abstract says so to the type checker."""
    kinds = (qj.AbstractCell, qj.AbstractEngine, qj.AbstractGradient, qj.AbstractObservable)
    kinds += (qj.AbstractGate, qj.AbstractChannel)
    for cls in classes():
        if issubclass(cls, kinds) and not cls.__name__.startswith("Abstract"):
            assert getattr(cls, "__final__", False), f"{cls} must be marked @final"


def test_nothing_uses_the_private_parts_of_jax() -> None:
    for path in FILES:
        assert "jax._src" not in path.read_text(), path


def test_public_names_are_reexported_as_themselves() -> None:
    """`X as X` in every `__init__`: type checkers then know the name is public."""
    for path in ROOT.rglob("__init__.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.level or "qrnn_jax" in str(node.module)):
                for alias in node.names:
                    assert alias.asname == alias.name, f"{path}: {alias.name}"


def test_importing_the_library_stays_light() -> None:
    heavy = ["typer", "click", "rich", "matplotlib", "pydantic"]
    code = f"import sys, qrnn_jax; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_library_changes_no_setting() -> None:
    code = (
        "import jax; before = dict(jax.config.values); import qrnn_jax; "
        "print({k for k, v in jax.config.values.items() if before.get(k) != v})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
