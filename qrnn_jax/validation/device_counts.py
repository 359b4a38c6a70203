"""A device beside its prediction: outputs from counts, z-scores, and what noise takes away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import jax
import numpy as np

import qrnn_jax as qj

from .cells import cell_inputs, laboratory_cells

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUND = 5.0  # standard errors
CELLS = ("takaki", "viqueira-emcz2")
STEPS = 5
SHOTS = 2048


@final
@dataclass(frozen=True)
class DeviceRow:
    """One output at one step.

    Arguments:
        cell: its name.
        step, output: counted from 0.
        ideal: without noise.
        predicted: what counts should scatter around.
        counted: the mean over shots.
        stderr: its standard error.

    Example:
        >>> from qrnn_jax.validation import DeviceRow
        >>> DeviceRow("takaki", 0, 0, 0.9, 0.8, 0.7, 0.05).z
        -2.0
    """

    cell: str
    step: int
    output: int
    ideal: float
    predicted: float
    counted: float
    stderr: float

    @property
    def z(self) -> float:
        """How far the counts are from the prediction, in standard errors."""
        apart = self.counted - self.predicted
        if not self.stderr:  # all shots alike
            return 0.0 if abs(apart) < 1e-6 else float(np.copysign(np.inf, apart))
        return round(apart / self.stderr, 6)


@final
@dataclass(frozen=True)
class DeviceReport:
    """Prediction beside counts.

    Arguments:
        device, noise: by name.
        shots: of every circuit.
        rows: one per cell, step and output.

    Example:
        >>> from qrnn_jax.validation import DeviceReport, DeviceRow
        >>> DeviceReport("local", None, 10, (DeviceRow("a", 0, 0, 0.9, 0.8, 0.7, 0.05),)).rms_z
        2.0
    """

    device: str
    noise: str | None
    shots: int
    rows: tuple[DeviceRow, ...]

    @property
    def rms_z(self) -> float:
        """About 1 where the prediction holds."""
        return float(np.sqrt(np.mean([row.z**2 for row in self.rows])))

    @property
    def largest_z(self) -> float:
        """The largest |z|."""
        return max(abs(row.z) for row in self.rows)

    @property
    def passed(self) -> bool:
        """Whether all counts are within `BOUND` standard errors of the prediction."""
        return self.largest_z < BOUND

    def to_json(self) -> dict[str, Any]:
        """Everything, the scores included."""
        return {
            "device": self.device,
            "noise": self.noise,
            "shots": self.shots,
            "rms_z": self.rms_z,
            "largest_z": self.largest_z,
            "bound": BOUND,
            "passed": self.passed,
            "rows": [{**asdict(row), "z": row.z} for row in self.rows],
        }


def compare_device(
    device: str,
    noise: str | None = None,
    *,
    cells: Sequence[str] = (),
    steps: int = STEPS,
    shots: int = SHOTS,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> DeviceReport:
    """Run cells on a device and put its counts beside what a density matrix predicts.

    Equation: z = (counted - predicted) / stderr. Predicted is `DensityMatrix` on the cell or, where
    the device has noise, on its `hardware.twin`.

    Arguments:
        device, noise: as `hardware.named`.
        cells: of the laboratory, by name; none: a Takaki and a Viqueira cell.
        steps: T.
        shots: of every circuit.
        seed: of parameters, inputs and shots.
        progress: told what is being done.

    Returns:
        A `DeviceReport`.

    Raises:
        ValueError: unknown names; a cell that a device cannot read.
        DeviceError: the device fails, lacks what a cell needs, or is not installed.

    Example:
        >>> from qrnn_jax.validation import compare_device
        >>> compare_device("local", cells=("pilot",), steps=2, shots=200).passed
        True

    Source: Nielsen and Chuang, section 8.3, for the noise.
    """
    if isinstance(shots, bool) or not isinstance(shots, int) or shots < 1:
        raise ValueError(f"Argument `shots` must be an integer of 1 or more, but is {shots!r}.")
    known = laboratory_cells()
    for name in cells:
        if name not in known:
            raise ValueError(
                f"Argument `cells` must name cells of the laboratory, but holds {name!r}; "
                f"try one of {', '.join(known)}."
            )
    player = qj.hardware.named(device, noise)
    rows: list[DeviceRow] = []
    for name in cells or CELLS:
        rows += _rows(name, player, noise is not None, (steps, shots, seed), progress)
    return DeviceReport(device, noise, shots, tuple(rows))


def _rows(
    name: str,
    player: qj.hardware.AbstractDevice,
    noisy: bool,
    sizes: tuple[int, int, int],
    progress: Callable[[str], None],
) -> list[DeviceRow]:
    steps, shots, seed = sizes
    cell = laboratory_cells()[name]
    params, xs = cell_inputs(cell, steps, seed)
    progress(f"{name}: prediction")
    ideal = np.asarray(qj.run(cell, params, xs, engine=qj.DensityMatrix()))
    predicted = ideal
    if noisy:
        predicted = np.asarray(qj.hardware.twin(cell, player, steps)(params, xs))
    progress(f"{name}: {shots} shots")
    counted, stderr = _counts(cell, params, xs, qj.Device(player, shots=shots), seed)
    return [
        DeviceRow(name, t, k, *(float(v[t, k]) for v in (ideal, predicted, counted, stderr)))
        for t, k in np.ndindex(ideal.shape)
    ]


def _counts(
    cell: qj.AbstractCell, params: Any, xs: Any, engine: qj.Device, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    logger = logging.getLogger("jax")  # writes the traceback of a callback, too
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        found = qj.simulate(cell, params, xs, engine=engine, key=jax.random.key(seed))
        return np.asarray(found.outputs), np.asarray(found.stderr)
    except jax.errors.JaxRuntimeError as error:  # how errors leave a callback
        lines = [line for line in str(error).splitlines() if "Error: " in line]
        said = lines[-1].split("Error: ", 1)[1] if lines else str(error)
        raise qj.hardware.DeviceError(said) from error
    finally:
        logger.setLevel(before)


def draw_device(report: DeviceReport) -> Figure:
    """One panel per cell and output: ideal, predicted, and counts with error bars.

    Arguments:
        report: what `compare_device` returned.

    Returns:
        A figure.

    Example:
        >>> from qrnn_jax.validation import DeviceReport, DeviceRow, draw_device
        >>> row = DeviceRow("a", 0, 0, 0.9, 0.8, 0.7, 0.05)
        >>> len(draw_device(DeviceReport("local", None, 10, (row,))).axes)
        1
    """
    from qrnn_jax.plots.picture import BLUE, GREY, RED, new_axes, new_figure, set_title

    panels = list(dict.fromkeys((row.cell, row.output) for row in report.rows))
    figure = new_figure(7.0, 1.2 + 2.3 * len(panels))
    device = report.device + (f" with the noise of {report.noise}" if report.noise else "")
    set_title(figure, f"{device}: {report.shots} shots, r.m.s. z = {report.rms_z:.2f}")
    for axes, (cell, output) in zip(new_axes(figure, len(panels)), panels):
        rows = [row for row in report.rows if (row.cell, row.output) == (cell, output)]
        steps = [row.step + 1 for row in rows]
        if report.noise:
            axes.plot(steps, [row.ideal for row in rows], ":", color=GREY, label="without noise")
        axes.plot(steps, [row.predicted for row in rows], "-", color=BLUE, label="predicted")
        counted, errors = [row.counted for row in rows], [row.stderr for row in rows]
        axes.errorbar(steps, counted, errors, fmt="o", color=RED, ms=4, capsize=3,
                      label="counted, 1 s.e.")  # fmt: skip
        axes.set_ylabel(cell if output == 0 else f"{cell}, output {output + 1}")
        axes.set_xticks(steps)
    figure.axes[0].legend(frameon=False, fontsize=9, ncols=3, loc="best")
    figure.axes[-1].set_xlabel("step")
    return figure
