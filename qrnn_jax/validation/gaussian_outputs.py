"""Outputs of a small circuit as S shots would return them, drawn in one stroke: a Gaussian.

The T recorded outcomes o_t of one repetition are correlated. An average of S repetitions has
exactly the mean and 1/S of the covariance of one, so its first two moments are exact for any S, and
by the central limit theorem the Gaussian is right for S >= 100. Both moments come from two linear
maps per step on the memory's state, a vector of D = 4^n Pauli coordinates:

    sum_t = sum_b I_b,    sign_t = sum_b v_b I_b,    E[o_s o_t] = 1 . sign_t sum_{t-1} .. sign_s rho

with I_b the instrument of outcome b, v_b = +-1 blurred by read-out error, 1 . the trace. The maps
are trigonometric in the input, so a few inputs serve all windows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj

PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


class Moments(NamedTuple):
    """Of the scored outcomes of one repetition.

    Arguments:
        mean: (W,).
        covariance: (W, W).
    """

    mean: Array
    covariance: Array

    def draw(self, shots: Any, key: Array) -> Array:
        """The average over `shots` repetitions, (W,)."""
        ridge = 1e-6 * jnp.eye(len(self.mean), dtype=self.mean.dtype)  # where an outcome is certain
        root = jnp.linalg.cholesky(self.covariance + ridge)
        noise = root @ jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + noise / jnp.sqrt(shots)


@final
@dataclass(frozen=True)
class OutcomeModel:
    """What one repetition of a cell records, as a function of its angles.

    For cells with one input per step, first wires that are read as the parity Z..Z and reset right
    after, and the weights as angles, each once per step.

    Arguments:
        cell: the model; read-out error and channels included.
        scored: W, how many of the last outputs count.
        dtype: complex64 or complex128.

    Raises:
        ValueError: a cell whose reset wires are not the first ones, or that does more than reset
            them behind its read-out.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.validation.gaussian_outputs import OutcomeModel
        >>> cell = qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=1)
        >>> params, xs = cell.init(jax.random.key(0)), jnp.array([0.3, -0.2, 0.8])
        >>> model = OutcomeModel(cell, scored=2)
        >>> found = model.moments(model.steps(model.nodes(params[1:]), xs))
        >>> bool(jnp.allclose(found.mean, qj.run(cell, params, xs[:, None])[1:, 0], atol=1e-5))
        True
    """

    cell: qj.AbstractCell
    scored: int
    dtype: Any = jnp.complex64

    def __post_init__(self) -> None:
        circuit = self.cell.circuit
        first = circuit.wires - len(circuit.memory_wires)
        behind = circuit.operations[circuit.read_index :]
        plain = all(isinstance(operation, (qj.Reset, qj.Read)) for operation in behind)
        if circuit.memory_wires != tuple(range(first, circuit.wires)) or not plain:
            raise ValueError(
                "Argument `cell` must end each step by resetting its first wires and nothing else, "
                "but does not; try a `qj.cells.Viqueira`."
            )

    @property
    def size(self) -> int:
        """K, the number of weights."""
        return self.cell.circuit.weight_count

    @cached_property
    def degree(self) -> int:
        """How often the input is uploaded: the highest frequency of a step in it."""
        operations = self.cell.circuit.operations
        return sum(bool(slot.data) for operation in operations for slot in _slots(operation))

    @cached_property
    def unread(self) -> qj.CircuitCell:
        """The step up to its read-out, nothing reset, and with every weight a data value."""
        circuit = self.cell.circuit
        operations = [
            _with_data(operation)
            for operation in circuit.operations[: circuit.read_index]
            if not isinstance(operation, (qj.Read, qj.ReadoutError))
        ]
        return qj.CircuitCell(qj.Circuit(circuit.wires, operations), qj.Z(0))

    @cached_property
    def values(self) -> np.ndarray:
        """What the recorded +-1 is on average, for every basis state of the wires read."""
        circuit = self.cell.circuit
        values: Any = np.ones(1)
        for wire in range(circuit.wires - len(circuit.memory_wires)):
            p01, p10 = circuit.readout_errors.get(wire, (0.0, 0.0))
            values = np.kron(values, [1 - 2 * p01, 2 * p10 - 1])
        return values

    @cached_property
    def paulis(self) -> np.ndarray:
        """The Pauli words of the memory, (D, 2^n, 2^n)."""
        words = np.ones((1, 1, 1))
        for _ in self.cell.circuit.memory_wires:
            words = np.array([np.kron(word, pauli) for word in words for pauli in PAULIS])
        return words

    def nodes(self, angles: Array) -> Array:
        """The maps at 2 degree + 1 inputs, all around the circle.

        Arguments:
            angles: (K,), the weights.

        Returns:
            (2 degree + 1, 2, D, D): the sum over outcomes, and their signed sum.
        """
        places = 2 * jnp.pi * jnp.arange(2 * self.degree + 1) / (2 * self.degree + 1)
        return jax.vmap(lambda x: self._maps(jnp.concatenate([x[None], angles])))(
            places.astype(angles.dtype)
        )

    def steps(self, nodes: Array, xs: Array) -> Array:
        """The maps (T, 2, D, D) at inputs xs (T,), by trigonometric interpolation."""
        count = 2 * self.degree + 1
        gaps = xs[:, None] - 2 * jnp.pi * jnp.arange(count) / count
        orders = jnp.arange(1, self.degree + 1)
        kernel = (1 + 2 * jnp.sum(jnp.cos(gaps[..., None] * orders), axis=-1)) / count
        return jnp.einsum("tj,jaik->taik", kernel.astype(nodes.dtype), nodes)

    def moments(self, maps: Array) -> Moments:
        """Mean and covariance of the last W outcomes, from the maps (T, 2, D, D) of T steps."""
        dtype = maps.dtype

        def score(carry: tuple[Array, Array], inputs: tuple[Array, Array]) -> Any:
            state, signed = carry  # (D,), (W, D): the state weighted with each earlier outcome
            maps_t, index = inputs
            here = maps_t[1] @ state
            seconds = signed @ maps_t[1][0]
            signed = (signed @ maps_t[0].T).at[index].set(here)
            return (maps_t[0] @ state, signed), (here[0], seconds)

        first = len(maps) - self.scored
        state = self._states(maps)[first]
        carry = state, jnp.zeros((self.scored, maps.shape[-1]), dtype)
        _, (mean, seconds) = jax.lax.scan(score, carry, (maps[first:], jnp.arange(self.scored)))
        seconds = seconds + seconds.T + jnp.eye(self.scored, dtype=dtype)
        return Moments(mean, seconds - jnp.outer(mean, mean))

    def shifted(
        self, maps: Array, moved: Array, slopes: Array, horizon: Any
    ) -> tuple[Array, Array]:
        """Of sum_t slopes_t o_t, where one step is replaced and only later outcomes count.

        With alpha_t and beta_t the mean and the mean square of what the outcomes after step t add,
        as linear functions of the memory's state, a replaced step costs two products:
        E = alpha_t . sum'_t rho + l_t 1 . sign'_t rho, and alike for the square.

        Arguments:
            maps: (T, 2, D, D), of the steps as they are.
            moved: (R, T, 2, D, D), what replaces step t in run (r, t).
            slopes: (T,), l; 0 for outcomes that are not scored.
            horizon: outcomes t .. t + horizon - 1 count; may be traced.

        Returns:
            The mean and the variance in one repetition, (R, T) each.
        """
        states = self._states(maps)
        times = jnp.arange(len(maps))
        age = times - times[:, None]
        kept = jnp.where(age < horizon, slopes, 0)  # (T, T), [shifted, outcome]
        alpha, beta = jax.vmap(partial(_futures, maps))(kept, times)
        state, signed = jnp.einsum("rtaij,tj->arti", moved, states)
        mean = jnp.einsum("rti,ti->rt", state, alpha) + slopes * signed[..., 0]
        cross = slopes * jnp.einsum("rti,ti->rt", signed, alpha)
        square = jnp.einsum("rti,ti->rt", state, beta) + 2 * cross + slopes**2
        return mean, jnp.maximum(square - mean**2, 0)

    def _states(self, maps: Array) -> Array:
        """The memory before every step, (T, D)."""

        def forget(state: Array, maps_t: Array) -> tuple[Array, Array]:
            return maps_t[0] @ state, state

        return jax.lax.scan(forget, self._start(maps), maps)[1]

    def _start(self, maps: Array) -> Array:
        """|0..0>: its Pauli words of I and Z are 1."""
        ground = [abs(word[0, 0]) == 1 for word in self.paulis]
        return jnp.asarray(ground, maps.dtype)

    def _maps(self, row: Array) -> Array:
        """Both maps (2, D, D) for one input and K angles, from the step on each Pauli word."""
        words, engine = jnp.asarray(self.paulis, self.dtype), qj.DensityMatrix(dtype=self.dtype)
        read, kept = len(self.values), words.shape[-1]

        def act(word: Array) -> Array:
            start = jnp.zeros((read, kept, read, kept), self.dtype).at[0, :, 0].set(word)
            start = start.reshape(read * kept, -1)
            nothing = jnp.zeros(0, row.dtype)
            found = qj.simulate(self.unread, nothing, row[None], carry=start, engine=engine)
            state = jnp.reshape(found.carry, (read, kept, read, kept))
            blocks = jnp.einsum("eiej->eij", state)
            weights = jnp.stack([jnp.ones(read), jnp.asarray(self.values)]).astype(self.dtype)
            return jnp.einsum("ae,eij,dji->ad", weights, blocks, words).real / kept

        return jnp.moveaxis(jax.vmap(act)(words), 0, -1).astype(row.dtype)  # (2, out, in)


def _futures(maps: Array, slopes: Array, time: Array) -> tuple[Array, Array]:
    """alpha and beta (D,) behind one step: what the later outcomes add, mean and mean square."""

    def back(carry: tuple[Array, Array], inputs: tuple[Array, Array]) -> Any:
        alpha, beta = carry
        maps_t, slope = inputs
        earlier = alpha @ maps_t[0] + slope * maps_t[1][0]
        square = beta @ maps_t[0] + 2 * slope * alpha @ maps_t[1] + slope**2 * trace
        return (earlier, square), carry

    trace = jnp.zeros(maps.shape[-1], maps.dtype).at[0].set(1)
    nothing = jnp.zeros_like(trace)
    _, (alpha, beta) = jax.lax.scan(back, (nothing, nothing), (maps, slopes), reverse=True)
    return alpha[time], beta[time]


def _slots(operation: Any) -> list[qj.Slot]:
    values = [getattr(operation, field.name) for field in fields(operation)]
    return [value for value in values if isinstance(value, qj.Slot)]


def _with_data(operation: Any) -> Any:
    """Weight i becomes data value 1 + i."""
    for field in fields(operation):
        slot = getattr(operation, field.name)
        if isinstance(slot, qj.Slot) and slot.weights:
            (weight,) = slot.weights
            operation = replace(operation, **{field.name: qj.Data(1 + weight)})
    return operation
