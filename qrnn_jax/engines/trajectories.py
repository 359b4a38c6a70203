"""Sampling by pure states: one branch of every measurement, reset and error is drawn.

    psi -> K_m psi / sqrt(p_m)   with probability   p_m = <psi| K_m^dagger K_m |psi>

The average over repetitions is the density matrix, at the cost of 2**n amplitudes instead of 4**n.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractChannel, AbstractObservable, Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.lower import Block, Kind, lower_halves
from qrnn_jax.circuit.matrices import apply_blocks, block_matrices
from qrnn_jax.engines.base import (
    AbstractEngine,
    check_memory,
    complex_dtype,
    modes_refusal,
    read_all,
)
from qrnn_jax.engines.sampler import AbstractSampler, choose, pick
from qrnn_jax.ops import apply_matrix, marginal

_BLOCK_WIRES = 4  # fused blocks of 3 to 5 wires were measured fastest on wide pure states
_IN_FLIGHT = 2**16  # amplitudes of the repetitions simulated side by side: they stay in the cache


@final
@dataclass(frozen=True)
class Trajectories(AbstractEngine):
    """Pure states with sampled measurement, reset and noise branches.

    Equation: psi -> K_m psi / sqrt(p_m) with probability p_m = <psi| K_m^dagger K_m |psi>.
    Without `shots`, y_t is the mean of n branch expectations <psi_t| O |psi_t>, read without
    back-action; with `shots=S`, the mean of S sampled outcomes.

    Arguments:
        branches: n, the number of repetitions where `shots` is None.
        dtype: complex64 or complex128; None follows JAX's x64 setting.

    Memory is 2**n amplitudes on n wires, where `DensityMatrix` needs up to 4**n: use it for steps
    with channels on many wires. On few wires `DensityMatrix` is faster and exact. Do not
    differentiate through sampled branches: the score term, the dependence of the branch
    probabilities on the parameter, would be missing. That is refused; use `ParameterShift`.

    Raises:
        ValueError: `branches` is no positive integer; at run time, the state does not fit into
            memory.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(2, (qj.RY(0, qj.Data(0)), qj.CNOT(0, 1), qj.Reset(0)))
        >>> cell = qj.CircuitCell(circuit, observables=(qj.Z(0),))
        >>> engine, key = qj.Trajectories(100), jax.random.key(0)
        >>> qj.run(cell, jnp.zeros(0), jnp.zeros((3, 1)), engine=engine, key=key).shape
        (3, 1)

    Source: Moelmer, Castin and Dalibard, J. Opt. Soc. Am. B 10, 524 (1993).
    """

    branches: int
    dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        count = self.branches
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(
                f"Argument `branches` must be an integer of 1 or more, but is {count!r}; "
                "try `Trajectories(1000)`."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        return modes_refusal(self, circuit)

    def sampler(
        self,
        circuit: Circuit,
        observables: tuple[AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        dtype = complex_dtype(self.dtype)
        check_memory(2**circuit.wires, dtype, f"a state vector of {circuit.wires} qubits")
        return TrajectorySampler(circuit, observables, dtype, group)


class Branching(NamedTuple):
    """A channel's numbers.

    Arguments:
        kraus: (m, d, d).
        effects: (m, d, d), K_m^dagger K_m: the probabilities are Tr(effect rho).
    """

    kraus: Array
    effects: Array


class _Branch(NamedTuple):
    """One repetition: a normalised state, and whether every post-selection succeeded."""

    psi: Array
    alive: Array


@final
@dataclass(frozen=True)
class TrajectorySampler(AbstractSampler):
    """Carry the pure state of all wires.

    Arguments:
        circuit: the step.
        observables: what is read where nothing is measured.
        dtype: the complex type of the state.
        group: what is measured; None returns the branch's expectation values of `observables`.

    Where the circuit post-selects, the last read is 1 while the repetition survives, and all values
    are 0 once it is discarded.
    """

    circuit: Circuit
    observables: tuple[AbstractObservable, ...]
    dtype: np.dtype
    group: Group | None

    @property
    def selects(self) -> bool:
        """Whether the circuit post-selects."""
        return self.circuit.is_postselected

    @cached_property
    def _halves(self) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """The blocks before and after the read-out."""
        return lower_halves(self.circuit, max_wires=_BLOCK_WIRES)

    @property
    def uniforms(self) -> int:
        channels = sum(block.kind is Kind.CHANNEL for half in self._halves for block in half)
        return channels + self._read_uniforms

    @property
    def _read_uniforms(self) -> int:
        """How many the read-out takes, behind those of the channels."""
        return 0 if self.group is None else 1 + (self.group.flips is not None)

    @property
    def reads(self) -> int:
        return sum(observable.outputs for observable in self.observables) + self.selects

    @property
    def width(self) -> int:
        return max(1, _IN_FLIGHT >> self.circuit.wires)

    @property
    def numbers(self) -> int:
        return sum(4 ** (len(block.wires) + 1) for half in self._halves for block in half)

    def prepare(self, tape: Array) -> Any:
        return jax.vmap(lambda row: self.encode(self.fixed(row), row))(tape)

    def fixed(self, row: Array) -> list[Any]:
        """The numbers of all blocks that no data reach, from any row (K,) of the tape."""
        return self._numbers([block for block in self._blocks if not block.varies], row)

    def encode(self, fixed: list[Any], row: Array) -> tuple[list[Any], list[Any]]:
        """What each block of both halves needs in one step; the rest is made from its row."""
        varying = self._numbers([block for block in self._blocks if block.varies], row)
        sources = {True: iter(varying), False: iter(fixed)}
        found = [next(sources[block.varies]) for block in self._blocks]
        before = len(self._halves[0])
        return found[:before], found[before:]

    @property
    def _blocks(self) -> tuple[Block, ...]:
        return self._halves[0] + self._halves[1]

    def _numbers(self, blocks: Sequence[Block], tape_t: Array) -> list[Any]:
        """A matrix or phases for each unitary block, a `Branching` for each channel."""
        gates = [index for index, block in enumerate(blocks) if block.kind is not Kind.CHANNEL]
        found: dict[int, Any] = {}
        for index, matrix in zip(gates, block_matrices([blocks[i] for i in gates], tape_t)):
            found[index] = matrix.astype(self.dtype)
        for same in _channels_of_one_class(blocks):
            kraus = _kraus([blocks[i] for i in same], tape_t).astype(self.dtype)
            effects = jnp.einsum("nmba,nmbc->nmac", kraus.conj(), kraus)
            found.update({i: Branching(kraus[n], effects[n]) for n, i in enumerate(same)})
        return [found[index] for index in range(len(blocks))]

    def init(self) -> Any:
        psi = jnp.zeros(2**self.circuit.wires, self.dtype).at[0].set(1)
        return _Branch(psi, jnp.ones((), bool))

    def step(self, carry: Any, prepared_t: Any, uniforms: Array) -> tuple[Any, Array]:
        before, after = self._halves
        numbers_before, numbers_after = prepared_t
        split = sum(block.kind is Kind.CHANNEL for block in before)
        own = self.uniforms - self._read_uniforms
        branch = self._apply(before, numbers_before, carry, uniforms[:split])
        branch, values = self._read(branch, uniforms[own:])
        if self.selects:
            values = jnp.where(branch.alive, jnp.append(values, 1), 0)
        branch = self._apply(after, numbers_after, branch, uniforms[split:])
        return branch._replace(psi=_normalised(branch.psi)), values

    def _apply(
        self, blocks: Sequence[Block], numbers: list[Any], branch: _Branch, uniforms: Array
    ) -> _Branch:
        count, channel = self.circuit.wires, 0
        for block, given in zip(blocks, numbers):
            if block.kind is Kind.CHANNEL:
                branch = self._jump(block, given, branch, uniforms[channel])
                channel += 1
            else:
                psi = apply_blocks([block], [given], branch.psi, count)
                branch = branch._replace(psi=psi)
        return branch

    def _jump(self, block: Block, given: Branching, branch: _Branch, uniform: Array) -> _Branch:
        """Draw one Kraus matrix and apply it."""
        count, (psi, alive) = self.circuit.wires, branch
        rho = _reduced(psi, block.wires, count)
        chances = jnp.maximum(jnp.einsum("mab,ba->m", given.effects, rho).real, 0)
        selecting = block.members[0].operation.is_selective
        if selecting:
            drawn = pick(chances / jnp.trace(rho).real, uniform)
        else:
            drawn = choose(chances, uniform)
        chosen = (jnp.arange(len(chances)) == drawn).astype(chances.dtype)
        chance = jnp.maximum(chosen @ chances, jnp.finfo(chances.dtype).tiny)
        matrix = jnp.einsum("m,mab->ab", chosen / jnp.sqrt(chance), given.kraus)
        psi = apply_matrix(matrix, psi, block.wires, count)
        if selecting:
            alive &= drawn < len(chances)
            psi = jnp.where(alive, psi, self.init().psi)
        return _Branch(psi, alive)

    def _read(self, branch: _Branch, uniforms: Array) -> tuple[_Branch, Array]:
        """The values of one repetition; a measured group changes the state."""
        psi, count = _normalised(branch.psi), self.circuit.wires
        place = {wire: wire for wire in range(count)}
        if self.group is None:
            values = read_all(self.observables, psi[:, None], psi[:, None], place)
            return branch._replace(psi=psi), values
        outcomes, flips = self.group.outcomes, self.group.flips
        rotated = outcomes.rotate(psi[:, None], place, count)[:, 0]
        chances = marginal(rotated.real**2 + rotated.imag**2, outcomes.wires, count)
        drawn = choose(chances, uniforms[0])
        kept = jnp.where(_spelled(outcomes.wires, count) == drawn, rotated, 0)
        psi = outcomes.rotate_back(_normalised(kept)[:, None], place, count)[:, 0]
        if flips is not None:
            drawn = choose(jnp.asarray(flips.value.real, chances.dtype)[:, drawn], uniforms[1])
        values = jnp.asarray(self.group.values, chances.dtype)[drawn]
        return branch._replace(psi=psi), values


def _channels_of_one_class(blocks: Sequence[Block]) -> list[list[int]]:
    """The positions of the channels, those that share code together."""
    found: dict[Any, list[int]] = {}
    for index, block in enumerate(blocks):
        operation = block.members[0].operation
        if block.kind is Kind.CHANNEL:
            found.setdefault((type(operation), operation.static), []).append(index)
    return list(found.values())


def _kraus(blocks: Sequence[Block], tape_t: Array) -> Array:
    """The Kraus matrices of channels of one class, (n, m, d, d)."""
    first = blocks[0].members[0].operation
    assert isinstance(first, AbstractChannel)
    if not first.parameters:
        constant = first.kraus()
        return jnp.broadcast_to(constant, (len(blocks), *constant.shape))
    columns = np.array([block.members[0].columns for block in blocks])  # (n, parameters)
    return jax.vmap(first.kraus)(*jnp.moveaxis(tape_t[columns], -1, 0))


def _normalised(psi: Array) -> Array:
    return psi / jnp.sqrt(jnp.sum(psi.real**2 + psi.imag**2))


def _reduced(psi: Array, wires: Sequence[int], count: int) -> Array:
    """The (2**k, 2**k) density matrix of some wires, first wire most significant."""
    # (gap, 2, gap, 2, ..., rest): untouched neighbouring wires travel as one axis
    shape, axes, previous = [], {}, -1
    for wire in sorted(wires):
        shape += [2 ** (wire - previous - 1), 2]
        axes[wire] = len(shape) - 1
        previous = wire
    shape.append(2 ** (count - previous - 1))
    rank, kept = len(shape), [axes[wire] for wire in wires]
    right = [axis + rank if axis in kept else axis for axis in range(rank)]
    tensor, target = psi.reshape(shape), [*kept, *(axis + rank for axis in kept)]
    rho = jnp.einsum(tensor, list(range(rank)), tensor.conj(), right, target)
    return rho.reshape(2 ** len(wires), -1)


def _spelled(wires: Sequence[int], count: int) -> np.ndarray:
    """For each basis state, the number that the bits of some wires spell, (2**count,)."""
    bits = np.arange(2**count)[:, None] >> (count - 1 - np.array(wires, int)) & 1
    return bits @ (1 << np.arange(len(wires))[::-1])
