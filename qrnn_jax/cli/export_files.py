"""What `qrnn-jax export` reads, writes and prints."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.box import SIMPLE_HEAVY
from rich.console import Console
from rich.table import Table

import qrnn_jax as qj
from qrnn_jax.training import load_checkpoint, strict_json
from qrnn_jax.training.complaints import ConfigError
from qrnn_jax.training.config import make_config, read_settings
from qrnn_jax.training.experiment import Experiment, prepare
from qrnn_jax.training.files import read_capped, write_atomically
from qrnn_jax.training.presets import DEFAULT, preset_or_file

SUFFIXES = {"qasm3": "qasm", "braket": "qasm", "qiskit": "qpy", "pennylane": "py"}
MAX_BYTES = 2**19  # of a program that is checked


class Model(NamedTuple):
    """A cell with numbers.

    Arguments:
        name: of the cell.
        cell: the model.
        params: its parameters.
        origin: where they come from, in words.
        xs: (T, features), what it is fed.

    Example:
        >>> from qrnn_jax.cli.export_files import Model
        >>> Model._fields
        ('name', 'cell', 'params', 'origin', 'xs')
    """

    name: str
    cell: qj.AbstractCell
    params: Any
    origin: str
    xs: np.ndarray


def model_from(source: str | None, overrides: Sequence[str], steps: int) -> Model:
    """The cell and parameters that a preset, a file or a run folder describes.

    Arguments:
        source: as on the command line; None for the default preset.
        overrides: texts `section.key=value`.
        steps: T; the first inputs of the task's test are taken.

    Raises:
        ConfigError: an unknown preset, wrong settings, a run without a checkpoint, more steps than
            the task has.

    Example:
        >>> from qrnn_jax.cli.export_files import model_from
        >>> model = model_from("cosine", ["cell.inputs=1", "cell.memory=1"], 3)
        >>> model.xs.shape, model.origin
        ((3, 1), 'initial parameters of seed 0')
    """
    run = Path(source) if source is not None and (Path(source) / "config.json").exists() else None
    settings = (
        preset_or_file(source or DEFAULT) if run is None else read_settings(run / "config.json")
    )
    config = make_config(settings, overrides)
    with jax.enable_x64(config.training.precision == "float64"):
        experiment = prepare(config)
        params, origin = _parameters(experiment, run)
    xs = np.asarray(experiment.task.test.inputs[0], np.float64)
    if steps > len(xs):
        raise ConfigError(
            f"Option `--steps` must be at most {len(xs)}, the length of the task's test, but is "
            f"{steps}."
        )
    return Model(config.cell.name, experiment.cell, params, origin, xs[:steps])


def _parameters(experiment: Experiment, run: Path | None) -> tuple[Any, str]:
    """Initial parameters, or trained ones; and what they are."""
    start = experiment.start()
    if run is None:
        return start.state.params, f"initial parameters of seed {experiment.config.training.seed}"
    found = load_checkpoint(run / "checkpoints", start)
    if found is None:
        raise ConfigError(f"Run folder {run} must hold a checkpoint, but has none; try a preset.")
    best = experiment.selects_best
    params = found.tree.best.params if best else found.tree.state.params
    step = int(found.tree.best.step if best else found.tree.state.step)
    return params, f"parameters of step {step} of {run}"


def write_export(model: Model, kind: str, bound: bool, folder: Path) -> dict[str, Any]:
    """Write the programs and export.json.

    Arguments:
        model: what is exported.
        kind: a key of `SUFFIXES`.
        bound: numbers in the place of symbols.
        folder: made where missing.

    Returns:
        What export.json holds.

    Raises:
        ValueError: a circuit that a device cannot play, or that the format cannot say.
        ImportError: an extra that is not installed.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.cli.export_files import model_from, write_export
        >>> model = model_from("cosine", ["cell.inputs=1", "cell.memory=1"], 2)
        >>> with tempfile.TemporaryDirectory() as name:
        ...     found = write_export(model, "qasm3", False, Path(name))
        ...     sorted(path.name for path in Path(name).iterdir())
        ['circuit.qasm', 'export.json']
    """
    cell, steps = model.cell, len(model.xs)
    tape = qj.hardware.angles(cell, model.params, model.xs)
    found = qj.hardware.templates(cell, steps)
    settings, contents = [], []
    for number, template in enumerate(found):
        name = "circuit" if len(found) == 1 else f"circuit_{number}"
        contents.append(_content(model, kind, number, template, tape if bound else None))
        settings.append({
            "file": f"{name}.{SUFFIXES[kind]}",
            "measured": [list(pair) for pair in template.measured],
            "instructions": template.count(),
        })  # fmt: skip
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model.params)
    with jax.enable_x64(True):
        weights = cell.weights(params)
        data = jax.vmap(lambda x: cell.data(params, x))(model.xs)
    written = {
        "format": kind, "steps": steps, "cell": repr(cell), "wires": found[0].wires,
        "observables": [repr(observable) for observable in cell.observables],
        "bound": bound, "settings": settings, "parameters": model.origin,
        "columns": qj.hardware.columns(cell), "symbols": list(found[0].symbols),
        "angles": tape.tolist(), "weights": np.asarray(weights, float).tolist(),
        "data": np.asarray(data, float).tolist(), "inputs": model.xs.tolist(),
    }  # fmt: skip
    text = strict_json(written, indent=2) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for setting, content in zip(settings, contents, strict=True):
        write_atomically(folder / str(setting["file"]), content)
    write_atomically(folder / "export.json", text.encode())
    return written


def _content(
    model: Model, kind: str, number: int, template: qj.hardware.Template, tape: np.ndarray | None
) -> bytes:
    """The bytes of one program."""
    if kind in ("qasm3", "braket"):
        return qj.hardware.to_openqasm3(
            model.cell, len(model.xs), setting=number, angles=tape,
            dialect="standard" if kind == "qasm3" else "braket",
        ).encode()  # fmt: skip
    if kind == "pennylane":
        return qj.hardware.pennylane_module(template, angles=tape).encode()
    circuit = qj.hardware.to_qiskit(template)
    from qiskit import qpy

    if tape is not None:
        values = dict(zip(template.symbols, tape.ravel().tolist()))
        circuit = circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})
    file = io.BytesIO()
    qpy.dump(circuit, file)
    return file.getvalue()


def print_export(written: dict[str, Any], folder: Path) -> None:
    """Print what was written, one row per program.

    Arguments:
        written: what `write_export` returned.
        folder: where it is.

    Example:
        >>> from qrnn_jax.cli.export_files import print_export
        >>> callable(print_export)
        True
    """
    table = Table(box=SIMPLE_HEAVY, pad_edge=False)
    for header in ("program", "measured", "instructions"):
        table.add_column(header)
    for setting in written["settings"]:
        measured = " ".join(f"{letter}{wire}" for wire, letter in setting["measured"])
        counts = ", ".join(f"{count} {name}" for name, count in setting["instructions"].items())
        table.add_row(setting["file"], measured, counts)
    console = Console(highlight=False, markup=False)
    console.print()
    console.print(table)
    symbols = "bound to numbers" if written["bound"] else "open"
    console.print(
        f"{written['wires']} wires, {written['steps']} steps, {len(written['symbols'])} angles, "
        f"{symbols}; numbers in export.json: {written['parameters']}."
    )
    console.print(f"Folder: {folder}", soft_wrap=True)


def check_program(path: Path) -> None:
    """Print what an OpenQASM 3 file holds.

    Arguments:
        path: the file, at most 512 KiB.

    Raises:
        ValueError: refused, with the line and the reason.
        OSError: not readable.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax.cli.export_files import check_program
        >>> with tempfile.TemporaryDirectory() as name:
        ...     size = (Path(name) / "a.qasm").write_text("OPENQASM 3.0; qubit q; U(0, 0, 1) q;")
        ...     check_program(Path(name) / "a.qasm")
        1 qubits, 0 bits, 0 inputs: a flat program.
          1 U
    """
    try:
        text = read_capped(path, MAX_BYTES).decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"File {path} must be ASCII text, but: {error}.") from None
    try:
        found = qj.hardware.check_openqasm3(text)
    except qj.hardware.ProgramError as error:
        raise ValueError(f"File {path} is refused. {error}") from None
    counts = f"{found['qubits']} qubits, {found['bits']} bits, {len(found['inputs'])} inputs"
    print(f"{counts}: a flat program.")
    for name, count in found["operations"].items():
        print(f"  {count} {name}")
