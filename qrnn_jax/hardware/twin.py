"""The noisy twin of a device: what its counts should be, from its calibration."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell, check_inputs, check_params
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines import DensityMatrix
from qrnn_jax.hardware.build import templates
from qrnn_jax.hardware.calibration import Calibration
from qrnn_jax.hardware.protocol import AbstractDevice
from qrnn_jax.hardware.queue import Queue, device_of
from qrnn_jax.hardware.sections import Section, sections_of
from qrnn_jax.run import simulate
from qrnn_jax.setup import measurement_settings


@final
@dataclass(frozen=True)
class Twin:
    """What a noisy device returns on average: the circuit it plays, with its calibration as noise.

    Equation: y_t = O(params, sum_b P_t(b) v(b)), P_t = A diag(rho_t), A the read-out errors of the
    qubits that are measured at step t, rho_t from `DensityMatrix` on the transpiled circuit with
    the channels of `Calibration` behind every gate, reset and delay.

    Made by `twin`. The circuit is cut at its read-outs; each piece is a `CircuitCell` on the
    physical qubits in use, and the density matrix is handed on. It predicts; for gradients under
    noise use `cells.Noisy` with `Calibration.profile()`.

    Arguments:
        cell: the model.
        steps: T.
        settings: per measurement setting, what outcomes say, and the sections of the steps.

    Raises:
        ValueError: at a call, inputs that are not (T, features).

    Example:
        >>> import qrnn_jax as qj
        >>> def predict(cell, params, xs):  # with the extra `qiskit`
        ...     device = qj.hardware.named("aer", "fake_manila")
        ...     return qj.hardware.twin(cell, device, steps=len(xs))(params, xs)

    Source: Nielsen and Chuang, section 8.3, for the channels.
    """

    cell: AbstractCell
    steps: int
    settings: tuple[tuple[Group, tuple[Section, ...]], ...]

    def __call__(self, params: Any, xs: ArrayLike) -> Array:
        """The outputs (T, outputs) that counts scatter around.

        Arguments:
            params: the cell's.
            xs: (T, features), T the twin's.
        """
        xs = check_inputs(self.cell, xs)
        check_params(self.cell, params)
        if len(xs) != self.steps:
            raise ValueError(
                f"Argument `xs` must have the twin's {self.steps} steps, but has {len(xs)}."
            )
        circuit, _ = measurement_settings(self.cell)
        data = jax.vmap(lambda x: self.cell.data(params, x))(xs)
        tape = spread(circuit, self.cell.weights(params), data).reshape(-1)
        reads: Any = sum(
            _distributions(sections, tape) @ jnp.asarray(group.values, tape.dtype)
            for group, sections in self.settings
        )
        return jax.vmap(lambda read: self.cell.outputs(params, read))(reads)


def twin(
    cell: AbstractCell,
    device: AbstractDevice | Queue,
    steps: int,
    *,
    calibration: Calibration | None = None,
) -> Twin:
    """The noisy twin of a cell on a device that has a calibration.

    Equation: see `Twin`.

    Arguments:
        cell: the model.
        device: with a backend, such as `named("aer", "fake_manila")`, or a queue to one.
        steps: T, 1 or more.
        calibration: other numbers than the backend states, `Calibration.without_readout()` say.

    Returns:
        A function of (params, xs).

    Raises:
        TypeError: not such a device; a `FeedbackCell`.
        ValueError: as `templates`; a gate whose meaning is unknown.

    Example:
        >>> import qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> def make():  # with the extra `qiskit`
        ...     return qj.hardware.twin(cell, qj.hardware.named("aer", "fake_manila"), steps=5)

    Source: Nielsen and Chuang, section 8.3, for the channels.
    """
    check_cell(cell)
    device = device_of(device)
    if not isinstance(device, AbstractDevice) or device.calibration is None:
        raise TypeError(
            f"Argument `device` must be a device with a backend, but is {device!r}; "
            'try `named("aer", "fake_manila")`.'
        )
    numbers = device.calibration if calibration is None else calibration
    _, groups = measurement_settings(cell)
    made = []
    for group, template in zip(groups, templates(cell, steps)):
        pieces = sections_of(device.played(template), numbers, steps, template.outputs)
        made.append((group, pieces))
    return Twin(cell, steps, tuple(made))


def _distributions(sections: tuple[Section, ...], tape: Array) -> Array:
    """P_t(b), (T, 2**k): section by section, the state handed on."""
    carry, found = None, []
    for section in sections:
        row = tape[np.array(section.columns, int)][None]
        result = simulate(
            section.cell, jnp.zeros(0, tape.dtype), row, engine=DensityMatrix(), carry=carry
        )
        carry = result.carry
        found.append(result.outputs[0])
    return jnp.stack(found)
