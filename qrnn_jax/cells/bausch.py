"""The recurrent network of quantum neurons of Bausch (2020)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import comb, pi
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import (
    RY,
    AbstractOperation,
    Circuit,
    Data,
    Flip,
    Neuron,
    Postselect,
    Probabilities,
    Read,
    Slot,
    UnitaryNeuron,
    Weight,
)
from qrnn_jax.circuit.explicit_neuron import explicit_neuron

_MODES = {"postselect": Neuron, "unitary": UnitaryNeuron}


@final
@dataclass(frozen=True)
class Bausch(AbstractCell):
    """The QRNN of Bausch: quantum neurons on a workspace, words in and out on lanes.

    Equations, with I lanes (first, lane 0 the most significant bit of a word) and H workspace
    wires; every neuron has all other H + I - 1 wires as its sources:

        write     X^(input bit) on each lane
        input     a neuron on each workspace wire
        work      `stages` times: RY on each workspace wire, then a neuron on each of them
        unwrite   X^(input bit) on each lane: the lanes, controls only so far, are |0..0> again
        output    a neuron on each lane
        read      p_t = the outcome distribution of the lanes, 2^I numbers
        project   the lanes on the word given with the input, then back to |0..0>

    The projection happens after the reading: a target word given there is never seen by its own
    output (teacher forcing), but the workspace is conditioned on it. `sample` draws the words
    instead. `log_success` counts the neurons' survival and the projections together.

    Arguments:
        lanes: I, 1 or more.
        workspace: H, 1 or more.
        stages: work stages, 0 or more.
        degree: of the neurons, 0 to H + I - 1.
        order: of the neurons, 1 or more.
        mode: "postselect", what the paper simulates: neurons succeed, and the state is
            renormalised; or "unitary", the ideal amplification that the paper describes.
        bias_mean: fixed part of every neuron's bias, radians; pi/2 is the paper's pi/4.
        bias_sd: standard deviation of the trained part at the start, radians.
        weight_sd: the same of all other angles of neurons.
        rotation_sd: the same of the RY.

    Shapes: params, one vector of H m (1 + stages) + stages H + I m angles, m = sum_{k <= degree}
    binom(H + I - 1, k), in the order of the circuit: input neurons, each stage's RY and then its
    neurons, output neurons; a neuron's bias first, then subsets by size, then lexicographic.
    x (T, 2 I): the bits of the input word, then of the word projected on. y (T, 2^I).

    A device would need the ancillas of `explicit_circuit`. Where words given before the scored step
    hold the answer, projecting on them gives it away: the paper's long sequences do so. With a C++
    compiler the whole loop is native code (reverse mode only), up to 6 lanes; else the automatic
    rule for long sequences is `Checkpointed(every=1)`, faster here than storing everything.

    Raises:
        ValueError: a size out of range, an unknown mode.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> cell = qj.cells.Bausch(lanes=2, workspace=8, stages=2, degree=2)
        >>> cell.init(jax.random.key(0)).shape
        (1212,)

    Source: Bausch, Recurrent Quantum Neural Networks, NeurIPS 33 (2020), arXiv 2006.14619.
    """

    lanes: int
    workspace: int
    stages: int
    degree: int
    order: int = 2
    mode: str = "postselect"
    bias_mean: float = pi / 2
    bias_sd: float = 0.1
    weight_sd: float = 0.01
    rotation_sd: float = 0.01

    def __post_init__(self) -> None:
        highest = self.lanes + self.workspace - 1
        for name, least in {
            "lanes": 1,
            "workspace": 1,
            "stages": 0,
            "degree": 0,
            "order": 1,
        }.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"Argument `{name}` must be an integer of {least} or more, but is {value!r}."
                )
        if self.degree > highest:
            raise ValueError(
                f"Argument `degree` must be at most {highest}, the sources of a neuron, but is "
                f"{self.degree}; try `degree={highest}`."
            )
        if self.mode not in _MODES:
            raise ValueError(
                f"Argument `mode` must be one of {list(_MODES)}, but is {self.mode!r}."
            )

    @property
    def _lane_wires(self) -> range:
        return range(self.lanes)

    @property
    def _workspace_wires(self) -> range:
        return range(self.lanes, self.lanes + self.workspace)

    @property
    def _neuron_size(self) -> int:
        """m, the angles of a neuron."""
        sources = self.lanes + self.workspace - 1
        return sum(comb(sources, size) for size in range(self.degree + 1))

    @cached_property
    def circuit(self) -> Circuit:
        def neuron(target: int, angles: tuple[Slot, ...]) -> list[AbstractOperation]:
            return [_MODES[self.mode](self._sources(target), target, angles, self.order)]

        return Circuit(self.lanes + self.workspace, self._step(neuron))

    def explicit_circuit(self) -> Circuit:
        """One step with the ancillas that a device would need: the oracle, and for export.

        Equation: see `circuit/explicit_neuron.py`: 2^order rotations of an ancilla per neuron, each
        made of m controlled RY; the ancillas are shared by all neurons, since each leaves them in
        |0>.

        Returns:
            A circuit with `order` more wires, last, and the weights, data and outputs of the cell
            in mode "postselect".

        Example:
            >>> import qrnn_jax as qj
            >>> cell = qj.cells.Bausch(lanes=1, workspace=1, stages=0, degree=1)
            >>> cell.explicit_circuit().count()["Controlled"]
            14
        """
        first = self.lanes + self.workspace

        def neuron(target: int, angles: tuple[Slot, ...]) -> list[AbstractOperation]:
            ancillas = tuple(range(first, first + self.order))
            return list(explicit_neuron(self._sources(target), target, angles, ancillas))

        return Circuit(first + self.order, self._step(neuron))

    def _step(
        self, neuron: Callable[[int, tuple[Slot, ...]], list[AbstractOperation]]
    ) -> list[AbstractOperation]:
        """The step, with neurons made by `neuron(target, angles)`."""
        index = iter(range(10**9))

        def layer(targets: range) -> list[AbstractOperation]:
            found = []
            for target in targets:
                bias, *others = (Weight(next(index)) for _ in range(self._neuron_size))
                found += neuron(target, (bias + self.bias_mean, *others))
            return found

        write = [Flip(lane, Data(lane)) for lane in self._lane_wires]
        operations = [*write, *layer(self._workspace_wires)]
        for _ in range(self.stages):
            operations += [RY(wire, Weight(next(index))) for wire in self._workspace_wires]
            operations += layer(self._workspace_wires)
        operations += [*write, *layer(self._lane_wires), Read()]
        operations += [Flip(lane, Data(self.lanes + lane)) for lane in self._lane_wires]
        return [*operations, *(Postselect(lane, 0) for lane in self._lane_wires)]

    def _sources(self, target: int) -> tuple[int, ...]:
        return tuple(wire for wire in range(self.lanes + self.workspace) if wire != target)

    @cached_property
    def observables(self) -> tuple[Probabilities, ...]:
        return (Probabilities(tuple(self._lane_wires)),)

    @property
    def features(self) -> int:
        return 2 * self.lanes

    @property
    def outputs_count(self) -> int:
        return 2**self.lanes

    def init(self, key: Array) -> Array:
        neuron = np.full(self._neuron_size, self.weight_sd)
        neuron[0] = self.bias_sd
        layer, rotations = (
            np.tile(neuron, self.workspace),
            np.full(self.workspace, self.rotation_sd),
        )
        stages = [rotations, layer] * self.stages
        spread = np.concatenate([layer, *stages, np.tile(neuron, self.lanes)])
        return jax.random.normal(key, spread.shape) * jnp.asarray(spread, jnp.result_type(float))

    def weights(self, params: Array) -> Array:
        return params

    def data(self, params: Array, x: Array) -> Array:
        del params
        return x

    def outputs(self, params: Array, reads: Array) -> Array:
        del params
        return reads

    def feedback(self, y: Array) -> Array:
        raise ValueError(
            "A free-running forecast must know the next input before the step, but a word is drawn "
            "from the outputs and projected on; try `qj.cells.sample`."
        )

    def domain(self) -> tuple[float, float]:
        return (0.0, 1.0)
