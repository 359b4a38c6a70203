"""The shots of a device, as the rules and the averages of the library take them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.engines.sampler import AbstractJobs
from qrnn_jax.hardware.build import Step
from qrnn_jax.hardware.jobs import check_rows
from qrnn_jax.hardware.mitigation import Mitigation, values_for
from qrnn_jax.hardware.queue import Queue
from qrnn_jax.hardware.template import Template

_ROWS = 2**20  # rows of one request: the queue splits them as the device wishes


@final
@dataclass(frozen=True)
class DeviceSource(AbstractJobs):
    """The shots of one measurement setting.

    Arguments:
        queue: where requests go.
        step: what is played, T times.
        group: what each outcome says about the reads.
        prefixes: whether output t has circuits of its own, of t steps; then outputs of different
            steps are independent, and those that do not count are not played.
        mitigation: see `Device`.
    """

    queue: Queue
    step: Step
    group: Any
    prefixes: bool = False
    mitigation: Mitigation | None = None

    @property
    def reads(self) -> int:
        return int(self.group.values.shape[1])

    def batch(self, steps: int, repetitions: int) -> int:
        del steps, repetitions
        return _ROWS

    def circuits(self, steps: int) -> Iterator[Template]:
        """What is played for T outputs."""
        if self.prefixes:
            yield from map(self.step.prefix, range(1, steps + 1))
        else:
            yield self.step.unrolled(steps)

    def ask(
        self, tape: Array, key: Array, shots: int | Array, keep: Array | None, whole: bool
    ) -> tuple[Array, Array]:
        steps, reads, kind = len(tape), self.reads, np.dtype(tape.dtype)
        for template in self.circuits(steps):
            self.queue.prepare(template)
            values_for(self.mitigation, template, self.group)  # refused here, if at all
        shape = (steps, reads, steps, reads) if whole else (steps, reads, reads)
        made = jax.ShapeDtypeStruct((steps, reads), kind), jax.ShapeDtypeStruct(shape, kind)
        keep = jnp.ones(steps, bool) if keep is None else keep
        numbers = tape, jax.random.key_data(key), jnp.asarray(shots, jnp.int32), keep
        found = jax.pure_callback(
            partial(self._answer, kind, whole), made, *numbers, vmap_method="broadcast_all"
        )
        return found[0], found[1]

    def _answer(self, kind: np.dtype, whole: bool, *given: Any) -> tuple[np.ndarray, np.ndarray]:
        """Everything of a batch (..): tapes (.., T, K), keys (.., 2), shots (..), keep (.., T)."""
        tape, keys, shots, keep = map(np.asarray, given)
        lead, count = shots.shape, math.prod(shots.shape)
        steps, reads = tape.shape[-2], self.reads
        tapes = tape.reshape(count, *tape.shape[-2:]).astype(np.float64)
        keys, keep = keys.reshape(count, -1), keep.reshape(count, steps)
        means = np.zeros((count, steps, reads))
        covariances = np.zeros((count, steps, reads, *[steps] * whole, reads))
        *_, longest = self.circuits(steps)
        check_rows(longest, tapes.reshape(count, len(longest.symbols))[keep.any(axis=1)])
        for template in self.circuits(steps):
            part = slice(template.read_steps.start, template.read_steps.stop)
            rows = tapes[:, : template.steps].reshape(count, len(template.symbols))
            wanted = np.flatnonzero(keep[:, part].any(axis=1))
            table = values_for(self.mitigation, template, self.group)
            for chosen, bits in self._played(template, rows, wanted, shots.reshape(-1), keys):
                for place, row in enumerate(chosen):
                    mean, covariance = self._moments(bits[place, :, part], table[part], whole)
                    means[row, part] = mean
                    at = (row, part, slice(None), part) if whole else (row, part)
                    covariances[at] = covariance
        return tuple(p.reshape(*lead, *p.shape[1:]).astype(kind) for p in (means, covariances))  # type: ignore[return-value]

    def _played(
        self,
        template: Template,
        rows: np.ndarray,
        wanted: np.ndarray,
        shots: np.ndarray,
        keys: np.ndarray,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their bits: one request for all rows of as many shots."""
        for number in np.unique(shots[wanted]):
            chosen = wanted[shots[wanted] == number]
            key = tuple(keys[chosen].ravel().tolist())
            yield chosen, self.queue.run(template, rows[chosen], int(number), key)

    @staticmethod
    def _moments(bits: np.ndarray, table: np.ndarray, whole: bool) -> tuple[np.ndarray, np.ndarray]:
        """Mean (T, M) and its covariance, (T, M, M) or the whole (T, M, T, M).

        The table (T, 2**k, M) holds the values of every recorded outcome."""
        weights = 1 << np.arange(bits.shape[-1])[::-1]
        values = table[np.arange(len(table)), bits @ weights]  # (S, T, M)
        shots = len(values)
        mean = values.mean(axis=0)
        apart = values - mean
        with np.errstate(invalid="ignore", divide="ignore"):  # one shot alone has no variance
            scale = 1 / np.float64(shots * (shots - 1))
            if not whole:
                return mean, np.einsum("sti,stj->tij", apart, apart) * scale
            flat = apart.reshape(shots, mean.size)
            return mean, (flat.T @ flat * scale).reshape(*mean.shape, *mean.shape)
