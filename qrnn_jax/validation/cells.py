"""The registry of cells that the laboratory looks at: every public kind, small, and noisy twins."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np

import qrnn_jax as qj

from .experiment import Settings
from .pilot import STRONG, pilot_cell

NOISE = "+noise"  # what the name of a noisy twin ends in


@cache
def laboratory_cells() -> dict[str, qj.AbstractCell]:
    """Name -> cell; each name with "+noise" is the same under the "laboratory" noise.

    Neurons that succeed by post-selection, and modes, have no noisy twin.

    Example:
        >>> from qrnn_jax.validation.cells import laboratory_cells
        >>> laboratory_cells()["takaki+noise"].features
        1
    """
    ideal: dict[str, qj.AbstractCell] = {
        "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
        "viqueira-emcz2": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
        "viqueira-emcz3": qj.cells.Viqueira(2, 1, layers=1, uploads=0, ansatz="EMCZ3"),
        "pilot": pilot_cell(STRONG),
        "reuploading": reuploading_cell(),
        "feed-forward": feed_forward_cell(),
    }
    profile = qj.NoiseProfile.preset("laboratory")
    noisy = {name + NOISE: qj.cells.Noisy(cell, profile) for name, cell in ideal.items()}
    apart = {"bausch": qj.cells.Bausch(1, 2, 1, 1), "cv": qj.cells.CVQRNN(io=1, hidden=1)}
    return {**ideal, **noisy, **apart}


def takes_bits(cell: qj.AbstractCell) -> bool:
    """Whether the inputs are bits: then outputs have no derivative in them.

    Example:
        >>> from qrnn_jax.validation.cells import laboratory_cells, takes_bits
        >>> [name for name, cell in laboratory_cells().items() if takes_bits(cell)]
        ['bausch']
    """
    return any(isinstance(operation, qj.Flip) for operation in cell.circuit.operations)


def chosen_cells(settings: Settings) -> dict[str, qj.AbstractCell]:
    """The cells that the settings name; all of them for none.

    Raises:
        ValueError: a name that no cell has.

    Example:
        >>> from qrnn_jax import validation
        >>> from qrnn_jax.validation.cells import chosen_cells
        >>> list(chosen_cells(validation.Settings(cells=("pilot",))))
        ['pilot']
    """
    known = laboratory_cells()
    for name in settings.cells:
        if name not in known:
            raise ValueError(
                f"Argument `cells` must name cells of the laboratory, but holds {name!r}; "
                f"try one of {', '.join(known)}."
            )
    return {
        name: cell for name, cell in known.items() if not settings.cells or name in settings.cells
    }


def cell_inputs(cell: qj.AbstractCell, steps: int, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Parameters and a series at a random place; longer series begin like shorter ones.

    Arguments:
        cell: any.
        steps: T.
        seed: of NumPy's `default_rng` and of JAX's key.

    Returns:
        params, xs (T, features) with entries in [-0.9, 0.9], or bits.

    Example:
        >>> from qrnn_jax.validation.cells import cell_inputs, laboratory_cells
        >>> cell_inputs(laboratory_cells()["pilot"], 4)[1].shape
        (4, 1)
    """
    params = jax.tree.map(np.asarray, cell.init(jax.random.key(seed)))
    xs = np.random.default_rng(seed).uniform(-0.9, 0.9, (steps, cell.features))
    return params, (xs > 0).astype(float) if takes_bits(cell) else xs


def reuploading_cell() -> qj.CircuitCell:
    """Data uploaded twice, a weight scaled by data, a weight used twice, a controlled rotation.

    Example:
        >>> from qrnn_jax.validation.cells import reuploading_cell
        >>> reuploading_cell().circuit.weight_count
        4
    """
    operations = (
        qj.RY(0, qj.Data(0)),
        qj.RX(0, qj.Weight(0) * qj.Data(0)),
        qj.CRX(0, 1, qj.Weight(1)),
        qj.RY(1, 0.7 * qj.Weight(0) + 0.2),
        qj.RZZ(1, 2, qj.Weight(2)),
        qj.RX(2, qj.Weight(3) * qj.Data(1)),
        qj.RX(1, 1.3 * qj.Data(0) + 0.4),
        qj.CNOT(2, 0),
        qj.RX(0, 0.9),
        qj.Reset(0),
    )
    return qj.CircuitCell(qj.Circuit(3, operations), (qj.Z(0), qj.Z(0) @ qj.Y(1)))


def feed_forward_cell() -> qj.CircuitCell:
    """A qubit measured in mid-step; its outcome decides on a trained rotation of the memory.

    Wires: 0 data, 1 memory, 2 the recorded bit.

    Example:
        >>> from qrnn_jax.validation.cells import feed_forward_cell
        >>> feed_forward_cell().circuit.bit_wires
        (2,)
    """
    operations = (
        qj.RY(0, qj.Data(0)),
        qj.RX(1, qj.Weight(0)),
        qj.CNOT(1, 0),
        qj.RX(0, qj.Weight(1)),
        qj.Measure(0, to=2),
        qj.If(2, qj.RY(1, qj.Weight(2))),
        qj.RZ(1, 0.4),
        qj.RY(0, qj.Weight(3)),
        qj.CNOT(0, 1),
        qj.Reset(0),
    )
    return qj.CircuitCell(qj.Circuit(3, operations), (qj.Z(0), qj.Z(2)))
