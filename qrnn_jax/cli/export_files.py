"""What `qrnn-jax export` writes: one program per measurement setting, and export.json."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import jax
import numpy as np

import qrnn_jax as qj
from qrnn_jax.training import strict_json
from qrnn_jax.training.files import write_atomically

from .export_model import Model

SUFFIXES = {"qasm3": "qasm", "braket": "qasm", "qiskit": "qpy", "pennylane": "py"}


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
        >>> from qrnn_jax.cli.export_files import write_export
        >>> from qrnn_jax.cli.export_model import model_from
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
