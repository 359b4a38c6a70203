"""A state vector divided over devices by its first wires: how blocks act, and what is read.

With D = 2^t devices, device d holds the 2^(n-t) amplitudes whose first t bits spell d. Phases and
blocks on the other wires need no other device. For a block on one of the first wires, that wire
changes places with one that is not in the block: the two devices that differ in its bit exchange
half of what they hold (`lax.ppermute`), and once more to put it back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike

from qrnn_jax.circuit import AbstractObservable
from qrnn_jax.circuit.lower import Block, Kind
from qrnn_jax.circuit.observables import AbstractPauli
from qrnn_jax.circuit.operation import PAULI_MATRICES
from qrnn_jax.devices import AXIS, mesh_over
from qrnn_jax.engines.base import read_all
from qrnn_jax.ops import apply_diagonal, apply_matrix


@final
@dataclass(frozen=True)
class Divided:
    """How 2^wires amplitudes lie on devices.

    Arguments:
        wires: n.
        devices: D, a power of two.
    """

    wires: int
    devices: int

    @property
    def top(self) -> int:
        """t, how many wires tell the device; the other n - t are local."""
        return self.devices.bit_length() - 1

    def init(self, dtype: DTypeLike) -> Array:
        """|0..0>; made where it lies."""

        def part() -> Array:
            is_first = jnp.arange(2 ** (self.wires - self.top)) + lax.axis_index(AXIS) == 0
            return is_first.astype(dtype)

        return jax.jit(self._on_parts(part, (), PartitionSpec(AXIS)))()

    def apply(self, blocks: Sequence[Block], matrices: Sequence[Array], psi: Array) -> Array:
        """Apply unitary blocks in order, each on n - t wires or fewer."""

        def act(matrices: list[Array], part: Array) -> Array:
            for block, matrix in zip(blocks, matrices):
                on = self._phases if block.kind is Kind.DIAGONAL else self._dense
                part = on(matrix, part, block.wires)
            return part

        specs = (PartitionSpec(), PartitionSpec(AXIS))
        return self._on_parts(act, specs, PartitionSpec(AXIS))(list(matrices), psi)

    def read(self, observables: Sequence[AbstractObservable], psi: Array) -> Array:
        """All observables, (M,)."""

        def act(part: Array) -> Array:
            values = [self._read(observable, part) for observable in observables]
            return lax.psum(jnp.concatenate(values), AXIS)

        if not observables:
            return jnp.zeros(0, psi.real.dtype)
        return self._on_parts(act, (PartitionSpec(AXIS),), PartitionSpec())(psi)

    def _on_parts(self, function: Callable, specs: Any, out: PartitionSpec) -> Callable:
        mesh = mesh_over(self.devices)
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out)

    def _bit(self, wire: int) -> Array:
        """The bit that one of the first wires has on this device."""
        return lax.axis_index(AXIS) >> (self.top - 1 - wire) & 1

    def _phases(self, diagonal: Array, part: Array, wires: Sequence[int]) -> Array:
        """A diagonal matrix: this device's bits choose its phases."""
        phases = diagonal.reshape((2,) * len(wires))
        for axis in reversed(range(len(wires))):
            if wires[axis] < self.top:
                phases = lax.dynamic_index_in_dim(phases, self._bit(wires[axis]), axis, False)
        local = [wire - self.top for wire in wires if wire >= self.top]
        return apply_diagonal(phases.reshape(-1), part, local, self.wires - self.top)

    def _dense(self, matrix: Array, part: Array, wires: Sequence[int]) -> Array:
        """A matrix, while its wires are local."""
        hosts = self._hosts(wires)
        part = self._exchange(part, hosts)
        local = [hosts.get(wire, wire) - self.top for wire in wires]
        part = apply_matrix(matrix, part, local, self.wires - self.top)
        return self._exchange(part, hosts)

    def _hosts(self, wires: Sequence[int]) -> dict[int, int]:
        """For each of the first wires among these, a local one that is not."""
        free = [wire for wire in range(self.top, self.wires) if wire not in wires]
        return dict(zip((wire for wire in wires if wire < self.top), free))

    def _exchange(self, part: Array, hosts: dict[int, int]) -> Array:
        """Let wires of other devices and local ones change places: what is off the diagonal of
        their two bits goes to the device with the other bit."""
        for wire, host in hosts.items():
            distance = 1 << (self.top - 1 - wire)
            pairs = [(device, device ^ distance) for device in range(self.devices)]
            halves = part.reshape(2 ** (host - self.top), 2, -1)
            other = 1 - self._bit(wire)
            half = lax.dynamic_slice_in_dim(halves, other, 1, axis=1)
            half = lax.ppermute(half, AXIS, pairs)
            part = lax.dynamic_update_slice_in_dim(halves, half, other, axis=1).reshape(-1)
        return part

    def _read(self, observable: AbstractObservable, part: Array) -> Array:
        """This device's summand of what is read."""
        if isinstance(observable, AbstractPauli):
            terms = observable.as_sum().terms
            values = [factor * self._word(word, part) for factor, word in terms]
            return sum(values, jnp.zeros((), part.real.dtype))[None]
        hosts = self._hosts(observable.wires)
        column = self._exchange(part, hosts)[:, None]
        place = {wire: hosts.get(wire, wire) - self.top for wire in observable.wires}
        return read_all((observable,), column, column, place)

    def _word(self, word: Sequence[tuple[int, str]], part: Array) -> Array:
        """<psi| P |psi> of a Pauli word."""
        image = part
        for wire, letter in word:
            matrix = jnp.asarray(PAULI_MATRICES[letter], part.dtype)
            if letter == "Z":
                image = self._phases(jnp.diagonal(matrix), image, (wire,))
            else:
                image = self._dense(matrix, image, (wire,))
        return jnp.sum((image * part.conj()).real)


def divided_refusal(wires: int, devices: int, items: Sequence[Any]) -> str | None:
    """Why operations or observables on many wires do not fit, in a sentence; None if they do."""
    most = wires - Divided(wires, devices).top
    for item in items if devices > 1 else ():
        if len(item.wires) > most:
            return (
                f"Argument `devices` must leave each device the wires of one operation, but "
                f"{devices} leave {most} of {wires}, and {item} has {len(item.wires)}; try fewer."
            )
    return None
