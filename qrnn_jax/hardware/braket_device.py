"""Our OpenQASM 3 text on the local simulator of Amazon Braket (extra `braket`).

What was met in amazon-braket-default-simulator 1.41.2, and what stands against it:

    it draws without a seed                         its draws are taken from the job's seed
    shots come sorted by their outcomes             shuffled
    one row of angles per run                       one run after the other
    reset adds amplitudes, one register for all     see the dialect in `qasm.py`
"""

from functools import lru_cache
from typing import Any, final

import numpy as np

from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.protocol import GATES, AbstractDevice, Capabilities
from qrnn_jax.hardware.qasm import template_text
from qrnn_jax.hardware.template import Template

_NEEDED = (
    "`BraketDevice` needs the package amazon-braket-default-simulator; try "
    '`pip install "qrnn_jax[braket]"`.'
)


@final
class BraketDevice(AbstractDevice):
    """The state vector simulator of Amazon Braket, which plays the text of `to_openqasm3`.

    It judges the exported text: another team's parser and another team's simulator. It repeats the
    whole circuit for every branch of outcomes, so its time grows with shots and with T squared: for
    work use `LocalDevice`.

    Arguments:
        max_shots: shots per row in one job.

    Raises:
        ValueError: `max_shots` is no positive integer.
        ImportError: the extra is not installed; when it plays.

    Example:
        >>> import qrnn_jax as qj
        >>> qj.hardware.BraketDevice(max_shots=500).capabilities.max_shots
        500

    Source: the simulator of Amazon Braket, Apache 2.0.
    """

    replays_free = True

    def __init__(self, max_shots: int = 10_000) -> None:
        if isinstance(max_shots, bool) or not isinstance(max_shots, int) or max_shots < 1:
            raise ValueError(
                f"Argument `max_shots` must be an integer of 1 or more, but is {max_shots!r}."
            )
        self._max_shots = max_shots

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            GATES | {"measure", "reset"}, max_wires=20, max_rows=4096, max_shots=self._max_shots
        )

    def prepare(self, template: Template) -> None:
        _simulators()
        template_text(template, dialect="braket")  # refused here, if at all

    def run(self, template: Template, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        bits = np.zeros((len(rows), shots, template.steps, template.outputs), np.uint8)
        if not template.outputs:
            return bits
        make, program = _simulators()
        rng = np.random.default_rng(seed)
        simulator, text = make(rng), template_text(template, dialect="braket")
        wanted = {name for name in template.symbols if f" {name};" in text}
        for row, angles in enumerate(rows):
            inputs = {n: float(a) for n, a in zip(template.symbols, angles) if n in wanted}
            result = simulator.run(program(source=text, inputs=inputs), shots=shots)
            found = _read(result.measurements, template, shots, text)
            bits[row, :, template.read_steps.start :] = rng.permutation(found)
        return bits


def _read(measurements: Any, template: Template, shots: int, text: str) -> np.ndarray:
    """The bits of the steps that are read, (shots, steps, outputs).

    There is a column for every bit that the program writes, in their order, the scratch bit last.
    """
    shape = shots, len(template.read_steps), template.outputs
    scratch = f"bits[{template.steps * template.outputs}] = " in text
    found = np.array(measurements, np.uint8)
    if found.shape != (shots, shape[1] * shape[2] + scratch):
        raise DeviceError(
            f"The device must return {shots} shots of {shape[1] * shape[2] + scratch} bits, but "
            f"returned {found.shape}."
        )
    return found[:, : shape[1] * shape[2]].reshape(shape)


@lru_cache(maxsize=1)
def _simulators() -> tuple[Any, Any]:
    """A function that makes a simulator with given random numbers, and the class of programs."""
    try:
        from braket.default_simulator.state_vector_simulation import StateVectorSimulation
        from braket.default_simulator.state_vector_simulator import StateVectorSimulator
        from braket.ir.openqasm import Program
    except ImportError as error:
        raise ImportError(_NEEDED) from error

    class Simulation(StateVectorSimulation):
        """Draws from the random numbers of the job."""

        rng: np.random.Generator

        def retrieve_samples(self) -> np.ndarray:
            limits = np.cumsum(self.probabilities)
            return np.searchsorted(limits[:-1], self.rng.random(self.shots) * limits[-1], "right")

    class Simulator(StateVectorSimulator):
        """Makes such simulations."""

        def __init__(self, rng: np.random.Generator) -> None:
            super().__init__()
            self._random = rng

        def initialize_simulation(self, **kwargs: Any) -> Any:
            made = Simulation(kwargs["qubit_count"], kwargs["shots"], kwargs["batch_size"])
            made.rng = self._random
            return made

    return Simulator, Program
