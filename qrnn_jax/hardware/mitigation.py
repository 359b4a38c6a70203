"""Read-out errors taken out of the means: linear, and a hook for libraries that do it.

Equation: counts follow A p, with A_ij = P(read i | true j); the mean of v(b) over p is the mean of
(A^-T v)(b) over A p. So nothing but the table of values changes: outcomes stay shots, estimates
stay means over shots, and their sample variance is the variance of the mitigated estimate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit.readout_error import check_probability
from qrnn_jax.hardware.build import templates
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue, device_of
from qrnn_jax.hardware.template import Angle, Instruction, Template

Mitigation = Callable[[Template, np.ndarray], np.ndarray]


@final
@dataclass(frozen=True)
class LinearMitigation:
    """The inverse of read-out errors that strike every qubit on its own.

    Equation: v' = (A_1^-T (x) .. (x) A_k^-T) v, A_j = [[1 - p01, p10], [p01, 1 - p10]]. A mean of k
    factors has its standard error grown by about prod_j 1 / (1 - p01_j - p10_j).

    Unbiased for means, and so for gradients by shift rules, where the errors are such and known.
    Errors that strike qubits jointly need a hook of your own: any function (template, values) ->
    values' with values (2**k, M), the first recorded bit most significant, returning the same shape
    or (T, 2**k, M). With the inverse of a joint matrix from a mitigation library, in that order of
    bits: `lambda template, values: inverse.T @ values`. Define it once: it is part of the engine.

    Arguments:
        flips: (place, p01, p10) of every place that is read: P(read 1 | true 0), P(read 0 | true
            1). Places are qubits of the backend where the device has one, else wires.
        device: says which place is read at which step, a queue for the one behind it; None: places
            are wires.

    Raises:
        TypeError: no device.
        ValueError: no probabilities, or p01 + p10 is not below 1; at run time, a place without.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> operations = (qj.X(0), qj.ReadoutError(0, 0.0, 0.2), qj.Reset(0))
        >>> cell = qj.CircuitCell(qj.Circuit(1, operations), qj.Z(0))
        >>> mitigation = qj.hardware.LinearMitigation(((0, 0.0, 0.2),))
        >>> device = qj.hardware.LocalDevice()
        >>> engine = qj.Device(device, shots=10_000, mitigation=mitigation)
        >>> ys = qj.run(cell, jnp.zeros(0), jnp.zeros((1, 0)), engine=engine, key=jax.random.key(0))
        >>> bool(abs(ys[0, 0] + 1) < 0.05)  # without: -0.6
        True

    Source: Bravyi et al., Phys. Rev. A 103, 042605 (2021), the tensor-product noise model.
    """

    flips: tuple[tuple[int, float, float], ...]
    device: AbstractDevice | Queue | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "flips", tuple(map(tuple, self.flips)))  # hashable, from any list
        object.__setattr__(self, "device", _device(self.device))
        for place, p01, p10 in self.flips:
            check_probability(p01, f"p01 of place {place}")
            check_probability(p10, f"p10 of place {place}")
            if not p01 + p10 < 1:
                raise ValueError(
                    f"Argument `flips` must have p01 + p10 below 1, but place {place} has "
                    f"{p01 + p10:.4g}: its outcomes say nothing; try another qubit."
                )

    def __call__(self, template: Template, values: np.ndarray) -> np.ndarray:
        """The values of recorded outcomes, (T, 2**k, M).

        Arguments:
            template: what is played.
            values: of true outcomes, (2**k, M).
        """
        known = {place: (p01, p10) for place, p01, p10 in self.flips}
        places = places_of(self.device, template)
        missing = sorted(set(places.ravel().tolist()) - known.keys())
        if missing:
            raise ValueError(
                f"Argument `flips` must hold every place that is read, but lacks {missing}; try "
                "`calibrated(device, cell, steps=...)`."
            )
        tables = []
        for row in places.tolist():
            inverse: Any = np.eye(1)
            for p01, p10 in (known[place] for place in row):
                error = np.array([[1 - p01, p10], [p01, 1 - p10]])
                inverse = np.kron(inverse, np.linalg.inv(error))
            tables.append(inverse.T @ values)
        return np.array(tables)

    @staticmethod
    def of_backend(device: AbstractDevice | Queue) -> "LinearMitigation":
        """From the numbers that a device's backend states about itself.

        Arguments:
            device: with a backend, or a queue to one.

        Raises:
            TypeError: it has none.
        """
        device = device_of(device)
        if not isinstance(device, AbstractDevice) or device.calibration is None:
            raise TypeError(
                f"Argument `device` must be a device with a backend, but is {device!r}; "
                "try `calibrated(device, cell, steps=...)`."
            )
        qubits = enumerate(device.calibration.qubits)
        flips = tuple((place, *qubit.flips) for place, qubit in qubits if sum(qubit.flips) < 1)
        return LinearMitigation(flips, device)


def calibrated(
    device: AbstractDevice | Queue,
    cell: AbstractCell,
    steps: int,
    *,
    shots: int = 10_000,
    key: int = 0,
) -> LinearMitigation:
    """Read-out errors measured on the device itself: all qubits in |0>, then all in |1>.

    Equation: p01 = share of 1 in the first run, p10 = share of 0 in the second. Preparing |1> takes
    a gate, whose error counts as one of the read-out.

    Arguments:
        device: with a backend, its qubits are read where the cell's circuit reads them.
        cell: whose read-outs.
        steps: T, as it will be run.
        shots: of each of the two circuits; a queue's budget pays for them, its journal and memory
            keep them.
        key: tells repeated calibrations apart.

    Returns:
        A `LinearMitigation`. Its own shot noise stays in what it mitigates: each factor of a mean
        is off by a share of about sqrt((p01 + p10) / shots); take more shots than the runs have.

    Raises:
        ValueError: outcomes that say nothing; `shots` that is no integer of 1 or more.
        DeviceError: as `Queue`.

    Example:
        >>> import qrnn_jax as qj
        >>> operations = (qj.RX(0, qj.Weight(0)), qj.ReadoutError(0, 0.1, 0.3), qj.Reset(0))
        >>> cell = qj.CircuitCell(qj.Circuit(1, operations), qj.Z(0))
        >>> found = qj.hardware.calibrated(qj.hardware.LocalDevice(), cell, steps=2)
        >>> [round(p, 1) for p in found.flips[0]]
        [0, 0.1, 0.3]

    Source: Bravyi et al., Phys. Rev. A 103, 042605 (2021).
    """
    queue = device if isinstance(device, Queue) else Queue(device)
    known: dict[int, tuple[float, float]] = {}
    for template in templates(cell, steps):
        places = places_of(queue.device, template)
        reads = [i for i in template.before if i.name == "measure" and i.bit is not None]
        new: dict[int, Instruction] = {}
        for row in places.tolist():
            for place, read in zip(row, sorted(reads, key=lambda i: i.bit or 0)):
                if place not in known:
                    new.setdefault(place, read)
        known |= _measured(queue, new, shots, key) if new else {}
    flips = tuple((place, *known[place]) for place in sorted(known))
    on_qubits = queue.device.calibration is not None
    return LinearMitigation(flips, queue.device if on_qubits else None)


def _measured(
    queue: Queue, reads: dict[int, Instruction], shots: int, key: int
) -> dict[int, tuple[float, float]]:
    """The error of each place: one wire for each, all 0 and all 1."""
    count = len(reads)
    turns = [Instruction("rx", (wire,), Angle(0)) for wire in range(count)]
    measures = [
        Instruction("measure", (wire,), bit=wire, flips=read.flips)
        for wire, read in enumerate(reads.values())
    ]
    measured = tuple((wire, "Z") for wire in range(count))
    template = Template(count, 1, 1, measured, (*turns, *measures), ())
    rows = np.array([[0.0], [np.pi]])
    layout = None if queue.device.calibration is None else tuple(reads)
    bits = queue.run(template, rows, shots, (key,), layout=layout)[:, :, 0]  # (2, S, k)
    zero, one = bits.mean(axis=1)
    return {place: (float(zero[wire]), float(1 - one[wire])) for wire, place in enumerate(reads)}


def _device(given: Any) -> AbstractDevice | None:
    """The device behind a queue; None stays None."""
    device = device_of(given)
    if device is not None and not isinstance(device, AbstractDevice):
        raise TypeError(
            f"Argument `device` must be a device or None, but is {device!r}; "
            "try `qj.hardware.LocalDevice()`."
        )
    return device


def places_of(device: AbstractDevice | Queue | None, template: Template) -> np.ndarray:
    """(T, k), what is read at each step: qubits of a backend, else wires.

    Arguments:
        device: None for wires; a queue for the device behind it.
        template: what is played.

    Raises:
        TypeError: no device.
    """
    device = _device(device)
    if device is None or device.calibration is None:
        wires = [wire for wire, _ in template.measured]
        return np.tile(np.array(wires, int), (template.steps, 1))
    places = np.zeros((template.steps, template.outputs), int)
    for instruction in device.played(template):
        if instruction.target is not None:
            places[instruction.target] = instruction.qubits[0]
    places[: template.read_steps.start] = places[template.read_steps.start]  # read nowhere
    return places


@lru_cache(maxsize=64)
def values_for(mitigation: Mitigation | None, template: Template, group: Any) -> np.ndarray:
    """What each recorded outcome says about the reads, (T, 2**k, M).

    Arguments:
        mitigation: None for the outcomes as they are.
        template: what is played.
        group: what true outcomes say, `values` (2**k, M).
    """
    values, steps = group.values, template.steps
    if mitigation is not None:
        values = np.asarray(mitigation(template, values.copy()), float)
    if values.shape not in (group.values.shape, (steps, *group.values.shape)):
        raise ValueError(
            f"Argument `mitigation` must return values of shape {group.values.shape}, or one such "
            f"table for each of {steps} steps, but returned {values.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError("Argument `mitigation` must return finite values, but did not.")
    return np.broadcast_to(values, (steps, *group.values.shape))
