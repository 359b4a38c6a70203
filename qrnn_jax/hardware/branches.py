"""The shots of a device whose angles follow the outcome of the step before."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.engines.sampler import AbstractBranches
from qrnn_jax.hardware.build import Step
from qrnn_jax.hardware.jobs import check_rows
from qrnn_jax.hardware.queue import Queue


@final
@dataclass(frozen=True)
class BranchSource(AbstractBranches):
    """The shots of one measurement setting, with a conditional turn for every outcome.

    Arguments:
        queue: where requests go.
        step: what is played, T times, with one set of data columns per outcome.
        group: what each outcome says about the reads.
    """

    queue: Queue
    step: Step
    group: Any

    @property
    def values(self) -> np.ndarray:
        return np.asarray(self.group.values)

    def ask(
        self, tape: Array, key: Array, time: int | Array, shots: int, whole: bool
    ) -> tuple[Array, Array]:
        self.queue.prepare(self.step.unrolled(len(tape)))
        (branches, reads), steps, kind = self.values.shape, len(tape), np.dtype(tape.dtype)
        made = (
            jax.ShapeDtypeStruct((branches, steps, reads), kind),
            jax.ShapeDtypeStruct((branches, steps, reads, *[steps] * whole, reads), kind),
        )
        numbers = tape, jax.random.key_data(key), jnp.asarray(time, jnp.int32)
        found = jax.pure_callback(
            partial(self._answer, kind, shots, whole), made, *numbers, vmap_method="broadcast_all"
        )
        return found[0], found[1]

    def _answer(
        self, kind: np.dtype, shots: int, whole: bool, *given: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Everything of a batch (..): tapes (.., T, V, K), keys (.., 2), steps (..)."""
        tape, keys, times = map(np.asarray, given)
        lead, count = times.shape, math.prod(times.shape)
        template = self.step.unrolled(tape.shape[-3])
        rows = tape.reshape(count, len(template.symbols)).astype(np.float64)
        check_rows(template, rows)
        bits = self.queue.run(template, rows, shots, tuple(keys.ravel().tolist()))
        each = enumerate(times.reshape(-1))
        found = [self._moments(bits[row], time, whole) for row, time in each]
        parts = (np.stack(part) for part in zip(*found))
        return tuple(part.reshape(*lead, *part.shape[1:]).astype(kind) for part in parts)  # type: ignore[return-value]

    def _moments(self, bits: np.ndarray, time: int, whole: bool) -> tuple[np.ndarray, np.ndarray]:
        """E[1_v y] and E[1_v y y'] of some repetitions (S, T, k)."""
        numbers = bits @ (1 << np.arange(bits.shape[-1])[::-1])  # (S, T)
        values = self.values[numbers]
        shots, *shape = values.shape
        flat = values.reshape(shots, -1)
        before = numbers[:, time - 1] if time else np.zeros(shots, int)
        shown = before == np.arange(len(self.values))[:, None]  # (V, S)
        first = (shown @ flat / shots).reshape(-1, *shape)
        if not whole:
            return first, np.einsum("vs,stm,stn->vtmn", shown, values, values) / shots
        second = np.stack([flat[here].T @ flat[here] for here in shown]) / shots
        return first, second.reshape(-1, *shape, *shape)
