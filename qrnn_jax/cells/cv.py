"""The continuous-variable recurrent network of Siemaszko et al. (2023)."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.cell import AbstractCell, CircuitCell
from qrnn_jax.circuit import (
    AbstractModeOperation,
    Beamsplitter,
    Circuit,
    Data,
    Displacement,
    Homodyne,
    Kerr,
    Loss,
    QuadX,
    QuadXX,
    Rotation,
    Squeezing,
    Weight,
)
from qrnn_jax.run import run

_PASSIVE, _ACTIVE = 0.1, 0.01  # standard deviations of the initial weights


@final
@dataclass(frozen=True)
class CVQRNN(AbstractCell):
    """The network of optical modes of Siemaszko, McDermott, Buraczewski, Le Saux and Stobinska.

    Equations, with `io` input modes (first) and `hidden` modes, N together, hbar = 2, from vacuum:

        measure  x of the input modes, which are then empty (before the first step: nothing happens)
        encode   D(x_t) on each input mode: <x> grows by 2 x_t
        evolve   interferometer, squeezers S(s_i), interferometer, displacements D(r_i, phi_i),
                 with `kerr` then exp(i k_i n^2); `layers` different ones, each after an encoding,
                 and all of that `repetitions` times with the same weights
        lose     each photon is kept with probability `transmissivity`
        read     y_t = scale * mean of <x> over the input modes, or over the hidden ones

    An interferometer has N columns; column j has a beamsplitter (theta, phi) on modes (k, k+1)
    wherever j + k is even; then rotations of modes 0 .. N-2 (of mode 0 for N = 1).

    Arguments:
        io: input and output modes, 1 or more.
        hidden: modes that carry the memory, 0 or more.
        layers: 1 or more.
        repetitions: 1 or more.
        transmissivity: of energy, in [0, 1].
        kerr: whether the non-Gaussian gates are there; they need `engine=Fock(cutoff)`.
        homodyne: "averaged": outcomes are averaged over, so that y_t is the mean of what many runs
            give. "sampled": each run has outcomes of its own, as published; then the input holds
            standard normal numbers, too. `expected_loss` is the closed form of the latter's mean.
        readout: "io" or "hidden".

    Shapes: params, flat: per layer [interferometer: thetas, phis, rotations | s | interferometer |
    r | phi | k with `kerr`], then `scale`, last: 26 numbers for N = 3. x (T, 1), raw, usually in
    [0, 1]; for "sampled" (T, 1 + io): the input, then the numbers of the measurement *before* the
    step (those of the first step do nothing). y (T, 1).

    Without `kerr` y is an affine function of the inputs, plus Gaussian noise if sampled: a linear
    filter of order T does as much. Compare with one.

    Raises:
        ValueError: a size out of range, an unknown choice.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.CVQRNN(io=1, hidden=2)
        >>> params = cell.init(jax.random.key(0))
        >>> params.shape, qj.run(cell, params, jnp.linspace(0, 1, 4)[:, None]).shape
        ((26,), (4, 1))

    Source: Quantum Mach. Intell. 5 (2023), doi 10.1007/s42484-023-00117-0, arXiv 2207.00378, and
    the authors' published program.
    """

    io: int = 1
    hidden: int = 2
    layers: int = 1
    repetitions: int = 1
    transmissivity: float = 1.0
    kerr: bool = False
    homodyne: str = "averaged"
    readout: str = "io"

    def __post_init__(self) -> None:
        for name, least in (("io", 1), ("hidden", 0), ("layers", 1), ("repetitions", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"Argument `{name}` must be {least} or more, but is {getattr(self, name)}."
                )
        for name, choices in (
            ("homodyne", ("averaged", "sampled")),
            ("readout", ("io", "hidden")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"Argument `{name}` must be one of {list(choices)}, but is "
                    f"{getattr(self, name)!r}."
                )
        if self.readout == "hidden" and not self.hidden:
            raise ValueError(
                'Argument `readout` must be "io" without hidden modes, but is "hidden".'
            )
        if not 0 <= self.transmissivity <= 1:
            raise ValueError(
                f"Argument `transmissivity` must be in [0, 1], but is {self.transmissivity}."
            )

    @property
    def modes(self) -> int:
        """N, input modes first."""
        return self.io + self.hidden

    @property
    def read_modes(self) -> range:
        """The modes whose mean <x> is the output."""
        return range(self.io) if self.readout == "io" else range(self.io, self.modes)

    @cached_property
    def circuit(self) -> Circuit:
        operations: list[AbstractModeOperation] = []
        for mode in range(self.io):
            draw = Data(1 + mode) if self.homodyne == "sampled" else None
            operations.append(Homodyne(mode, draw=draw))
        for _ in range(self.repetitions):
            index = count()
            for _ in range(self.layers):
                operations += [Displacement(mode, Data(0)) for mode in range(self.io)]
                operations += self._layer(index)
        if self.transmissivity < 1:
            operations += [Loss(mode, self.transmissivity) for mode in range(self.modes)]
        return Circuit(self.modes, operations)

    def _layer(self, index: "count[int]") -> list[AbstractModeOperation]:
        modes = range(self.modes)
        operations = interferometer(self.modes, index)
        operations += [Squeezing(mode, Weight(next(index))) for mode in modes]
        operations += interferometer(self.modes, index)
        magnitudes = [Weight(next(index)) for _ in modes]
        displacements = [Displacement(m, magnitudes[m], Weight(next(index))) for m in modes]
        if not self.kerr:
            return operations + displacements
        kerrs = [Kerr(mode, Weight(next(index))) for mode in modes]
        return operations + [gate for pair in zip(displacements, kerrs) for gate in pair]

    @cached_property
    def observables(self) -> tuple[QuadX, ...]:
        return tuple(QuadX(mode) for mode in self.read_modes)

    @property
    def features(self) -> int:
        return 1 if self.homodyne == "averaged" else 1 + self.io

    @property
    def outputs_count(self) -> int:
        return 1

    def init(self, key: Array) -> Array:
        angles, modes = interferometer_size(self.modes), self.modes
        one = [_PASSIVE] * angles + [_ACTIVE] * modes + [_PASSIVE] * angles
        one += [_ACTIVE] * modes + [_PASSIVE] * modes + [_ACTIVE] * modes * self.kerr
        deviations = jnp.array(one * self.layers)
        weights = deviations * jax.random.normal(key, deviations.shape)
        return jnp.concatenate([weights, jnp.ones(1, weights.dtype)])

    def weights(self, params: Array) -> Array:
        return params[:-1]

    def data(self, params: Array, x: Array) -> Array:
        del params
        return x

    def outputs(self, params: Array, reads: Array) -> Array:
        return params[-1:] * jnp.mean(reads)

    def feedback(self, y: Array) -> Array:
        if self.homodyne == "sampled":
            raise ValueError(
                'A free-running forecast must know all inputs, but with `homodyne="sampled"` each '
                'step needs new random numbers; try `homodyne="averaged"`.'
            )
        return y

    def domain(self) -> tuple[float, float]:
        return (-jnp.inf, jnp.inf)


def interferometer_size(modes: int) -> int:
    """How many angles an interferometer has: N (N-1) + max(1, N-1)."""
    return modes * (modes - 1) + max(1, modes - 1)


def interferometer(modes: int, index: "count[int]") -> list[AbstractModeOperation]:
    """The rectangular mesh on N modes; weights are taken in the order thetas, phis, rotations."""
    pairs = [(k, k + 1) for j in range(modes) for k in range(modes - 1) if (j + k) % 2 == 0]
    thetas = [Weight(next(index)) for _ in pairs]
    phis = [Weight(next(index)) for _ in pairs]
    mesh = [Beamsplitter(*pair, theta, phi) for pair, theta, phi in zip(pairs, thetas, phis)]
    turns = [Rotation(mode, Weight(next(index))) for mode in range(max(1, modes - 1))]
    return [*mesh, *turns]


def output_variance(cell: CVQRNN, params: Array, steps: int) -> Array:
    """How much the outputs of a sampled run scatter, without sampling.

    Equation: Var(y_t) = scale^2 (V_averaged - V_sampled), V the variance of the mean of x over the
    read modes at the read-out: the law of total variance. It does not depend on the inputs.

    Arguments:
        cell: without `kerr`; its `homodyne` does not matter.
        params: as for the cell.
        steps: T.

    Returns:
        (T,), 0 or more.

    Raises:
        ValueError: the cell is not Gaussian.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> cell = qj.cells.CVQRNN(io=1, hidden=1)
        >>> qj.cells.output_variance(cell, cell.init(jax.random.key(0)), 4).shape
        (4,)

    Source: derived; checked against samples in `tests/cells/test_cv.py`.
    """
    if cell.kerr:
        raise ValueError(
            "Argument `cell` must be Gaussian, but has `kerr=True`: then the scatter depends on "
            "the inputs and on the outcomes; try many sampled runs."
        )
    averaged, sampled = (_square(cell, params, steps, how) for how in ("averaged", "sampled"))
    return params[-1] ** 2 * (averaged - sampled)


def expected_loss(cell: CVQRNN, params: Array, windows: Array, targets: Array) -> Array:
    """The mean over homodyne outcomes of the mean squared error of the last outputs, closed form.

    Equation: L = mean over windows of (E[y_T] - target)^2 + Var(y_T).

    Arguments:
        cell: without `kerr`; its `homodyne` does not matter.
        params: as for the cell.
        windows: (batch, T, 1), inputs without random numbers.
        targets: (batch,) or (batch, 1).

    Returns:
        A number: what the published, sampled loss is on average. Free of noise, and `jax.grad`
        gives its exact gradient.

    Raises:
        ValueError: the cell is not Gaussian; as `run`.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.CVQRNN(io=1, hidden=1)
        >>> params, windows = cell.init(jax.random.key(0)), jnp.full((5, 4, 1), 0.3)
        >>> bool(qj.cells.expected_loss(cell, params, windows, jnp.full(5, 0.6)) < 0.01)
        True

    Source: derived; checked against samples in `tests/cells/test_cv.py`.
    """
    averaged = replace(cell, homodyne="averaged")
    means = jax.vmap(lambda xs: run(averaged, params, xs)[-1, 0])(windows)
    variance = output_variance(cell, params, windows.shape[1])[-1]
    return jnp.mean((means - jnp.reshape(targets, (-1,))) ** 2) + variance


def _square(cell: CVQRNN, params: Array, steps: int, homodyne: str) -> Array:
    """<(mean of x over the read modes)^2> at each read-out, (T,), all inputs and draws 0.

    With draws of 0 the means of both kinds agree, so that their squares differ by variances only.
    """
    alike = replace(cell, homodyne=homodyne)
    modes = cell.read_modes
    products = tuple(QuadXX(first, second) for first in modes for second in modes)
    squares = CircuitCell(alike.circuit, products)
    nothing = np.zeros((steps, alike.features))
    return jnp.mean(run(squares, alike.weights(params), nothing), axis=1)
