"""The named workloads: circuits, data and parameters, and the loss each must reproduce.

Data come from `numpy.random.default_rng(0)`: x (batch, steps), then y (batch, steps), both uniform
in [-0.9, 0.9], then the parameters, uniform in [-1.5, 1.5]. The loss is the mean over batch and
time of (<Z_0>_t - y_t)^2, with <Z_0> read after step t, exactly and without back-action.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple, final

import numpy as np

DATA_BOUND = 0.9
PARAMETER_BOUND = 1.5


class Numbers(NamedTuple):
    """One draw, float64: x and y (batch, steps), params (parameters,)."""

    x: np.ndarray
    y: np.ndarray
    params: np.ndarray


@final
@dataclass(frozen=True)
class Workload:
    """One benchmark problem.

    Arguments:
        name: "W1" to "W4", or "S1".
        title: what kind of problem it is.
        family: "reset" (readout register A traced out and put back to |0> after every step) or
            "unitary" (RY, RZ and a ring of CNOTs; nothing is reset).
        wires: qubits.
        inputs: how many of the first qubits are encoded with RY(arccos x_t).
        layers: repetitions of the trainable layer in one step.
        steps: T.
        batch: B, sequences.
        golden: the float64 loss at the full size; None where the size was changed.
        gradient_tolerance: allowed max|g - g64| / max|g64| in float32, for any program.
        gradient_goal: the same figure for a program of ours: what the library promises.
    """

    name: str
    title: str
    family: str
    wires: int
    inputs: int
    layers: int
    steps: int
    batch: int
    golden: float | None
    gradient_tolerance: float
    gradient_goal: float

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The wire pairs of the ZZ gates of one layer."""
        return tuple(combinations(range(self.wires), 2)) if self.family == "reset" else ()

    @property
    def rotations(self) -> tuple[int, int, int]:
        """Shape of the rotation angles: (layers, wires, rotations per wire)."""
        return (self.layers, self.wires, 3 if self.family == "reset" else 2)

    @property
    def parameters(self) -> int:
        """All rotation angles (C order), then all ZZ angles (layers, pairs)."""
        return int(np.prod(self.rotations)) + self.layers * len(self.pairs)

    @property
    def sizes(self) -> dict[str, int]:
        """What the running time depends on."""
        return {
            "wires": self.wires,
            "steps": self.steps,
            "batch": self.batch,
            "parameters": self.parameters,
        }

    def small(self) -> "Workload":
        """A problem of the same kind that compiles in seconds, without a golden loss.

        Two layers at least: after one layer of ZZ gates, <Z_0> would not feel the memory.
        """
        return replace(self, wires=3, inputs=2, layers=2, steps=3, batch=2, golden=None)

    def draw(self) -> Numbers:
        """The data and parameters of this workload."""
        rng = np.random.default_rng(0)
        shape = (self.batch, self.steps)
        x = rng.uniform(-DATA_BOUND, DATA_BOUND, shape)
        y = rng.uniform(-DATA_BOUND, DATA_BOUND, shape)
        return Numbers(x, y, rng.uniform(-PARAMETER_BOUND, PARAMETER_BOUND, self.parameters))


W1 = Workload(
    name="W1",
    title="mixed state: the read-out register is reset after every step",
    family="reset",
    wires=6,
    inputs=3,
    layers=3,
    steps=20,
    batch=32,
    golden=0.27180837,
    gradient_tolerance=1e-4,
    gradient_goal=2e-5,
)
W2 = Workload(
    name="W2",
    title="pure state: nothing is reset",
    family="unitary",
    wires=10,
    inputs=2,
    layers=2,
    steps=50,
    batch=16,
    golden=0.27919909,
    gradient_tolerance=1e-4,
    gradient_goal=2e-5,
)
W3 = replace(
    W2,
    name="W3",
    title="pure state, a long sequence",
    wires=8,
    steps=784,
    batch=8,
    golden=0.27367948,
    gradient_tolerance=5e-4,  # float32 rounding, repeated over 784 steps
    gradient_goal=2e-4,
)
W4 = replace(W2, name="W4", title="pure state, wide", wires=20, steps=4, batch=1, golden=0.27011799)
S1 = replace(
    W1, name="S1", title="one sequence of W1, by the parameter-shift rule", batch=1, golden=None
)
WORKLOADS = {workload.name: workload for workload in (W1, W2, W3, W4, S1)}
