"""The quantum part as one function, exact or sampled: the time loop, written once."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from qrnn_jax.circuit import Circuit
from qrnn_jax.circuit.groups import Group
from qrnn_jax.circuit.spread import rest_row, spread, weight_row
from qrnn_jax.engines import AbstractPlan
from qrnn_jax.engines.base import rescaled, scaled_step
from qrnn_jax.engines.marginals import marginal_estimate
from qrnn_jax.engines.sampler import REPLAYS, AbstractJobs, AbstractSource, Estimate
from qrnn_jax.gradients import AbstractExpectations
from qrnn_jax.gradients.base import Loop, Start


@final
@dataclass(frozen=True)
class Expectations(AbstractExpectations):
    """Exact expectation values; post-selected circuits return one more read, the survival."""

    exact: AbstractPlan

    @property
    def plan(self) -> AbstractPlan:
        return self.exact

    @property
    def circuit(self) -> Circuit:
        return self.exact.circuit

    @property
    def degree(self) -> int:
        return max((observable.degree for observable in self.exact.observables), default=1)

    @property
    def shots(self) -> int | None:
        return None

    def batch(self, steps: int) -> int:
        del steps
        return REPLAYS

    def __call__(self, weights: Array, data: Array, start: Start, loop: Loop) -> tuple[Array, Any]:
        plan = self.exact
        prepared, encoded = self._ahead(weights, data)

        def step(carry: Array, inputs: tuple[Array, Any]) -> tuple[Array, Array]:
            return scaled_step(plan, prepared, carry, inputs[1])

        assert start.state is not None
        # no columns of the data, for their length: a circuit without data encodes nothing
        carry, reads = loop(step, plan.open(start.state), (data[:, :0], (encoded, start.scales)))
        return reads, plan.close(carry)

    def replay(self, tape: Array, start: Start) -> tuple[Array, Any]:
        def step(state: Array, inputs: tuple[Array, Array | None]) -> tuple[Array, Array]:
            tape_t, scale = inputs
            state, reads = self.exact.step_at(tape_t, state)
            return rescaled(self.exact, state, scale), reads

        assert start.state is not None
        state, reads = lax.scan(step, start.state, (tape, start.scales))
        return reads, state

    def survival(self, weights: Array, data: Array, start: Start) -> Array:
        """The probability of each step's post-selections, given all earlier ones, (T,)."""
        plan = self.exact
        prepared, encoded = self._ahead(weights, data)

        def step(carry: Array, encoded_t: Any) -> tuple[Array, Array]:
            carry, _ = plan.step(prepared, carry, encoded_t)
            chance = plan.norm(plan.close(carry))
            return rescaled(plan, carry, chance), chance

        assert start.state is not None
        return lax.scan(step, plan.open(start.state), encoded, length=len(data))[1]

    def _ahead(self, weights: Array, data: Array) -> tuple[Any, Any]:
        """What is made before the loop: once for all steps, and for every step."""
        plan = self.exact
        prepared = plan.prepare(weight_row(self.circuit, weights))

        def encode(data_t: Array) -> Any:
            row = rest_row(self.circuit, weights, data_t, plan.prepared_columns)
            return plan.encode(prepared, row)

        return prepared, jax.vmap(encode)(data)


@final
@dataclass(frozen=True)
class Setting:
    """How the outcomes of one measurement setting are drawn.

    Arguments:
        group: what is measured; None where branch expectations are averaged.
        source: repetitions, simulated or of a device, or the exact outcome distribution of every
            step on its own.
    """

    group: Group | None
    source: AbstractSource | AbstractPlan


@final
@dataclass(frozen=True)
class SampledExpectations(AbstractExpectations):
    """Averages over repetitions, as a device returns them."""

    sampled: Circuit
    settings: tuple[Setting, ...]
    repetitions: int

    @property
    def plan(self) -> AbstractPlan:
        raise ValueError("Sampled runs have no exact plan; try `shots=None` and an exact engine.")

    @property
    def circuit(self) -> Circuit:
        return self.sampled

    @property
    def shots(self) -> int | None:
        return self.repetitions

    @property
    def joins(self) -> bool:
        return all(isinstance(setting.source, AbstractJobs) for setting in self.settings)

    def batch(self, steps: int) -> int:
        sources = [setting.source for setting in self.settings]
        drawn = [source for source in sources if isinstance(source, AbstractSource)]
        return min((source.batch(steps, self.repetitions) for source in drawn), default=REPLAYS)

    def __call__(self, weights: Array, data: Array, start: Start, loop: Loop) -> tuple[Array, Any]:
        del loop
        return self.replay(spread(self.sampled, weights, data), start)

    def replay(self, tape: Array, start: Start) -> tuple[Array, Any]:
        found = self.estimate(tape, start, None)
        return found.mean, found.covariance

    def estimate(self, tape: Array, start: Start, directions: Array | None) -> Estimate:
        """Mean, covariance and the variance along (P, T, M) directions; settings are independent.

        Arguments:
            tape: (T, K).
            start: with a key, and perhaps its own number of shots.
            directions: see `Estimate`; None for none.
        """
        shots = self.repetitions if start.shots is None else start.shots
        if directions is not None:
            directions = directions * self._parts(directions.shape[-1])
        total = None
        for index, setting in enumerate(self.settings):
            key = start.stream(index).key
            assert key is not None
            found = self._one(setting, tape, key, shots, directions, start.keep)
            total = found if total is None else Estimate(*map(jnp.add, total, found))
        assert total is not None
        parts = self._parts(total.mean.shape[-1])
        mean, covariance = total.mean * parts, total.covariance * parts[:, None] * parts
        return Estimate(mean, covariance, total.projected)

    def whole(self, tape: Array, start: Start) -> tuple[Array, Array]:
        """Mean (T, M) and its covariance (T, M, T, M), where `joins`: one question a setting.

        Arguments:
            tape: (T, K).
            start: as in `estimate`.
        """
        shots = self.repetitions if start.shots is None else start.shots
        found = []
        for index, setting in enumerate(self.settings):
            assert isinstance(setting.source, AbstractJobs)
            key = start.stream(index).key
            assert key is not None
            found.append(setting.source.ask(tape, key, shots, start.keep, True))
        means, covariances = zip(*found)
        return sum(means), sum(covariances)

    def _parts(self, reads: int) -> Array:
        """What each setting counts for: reads add up, of the survival each gives an estimate."""
        parts = jnp.ones(reads)
        return parts.at[-1].divide(len(self.settings)) if self.sampled.is_postselected else parts

    def _one(
        self,
        setting: Setting,
        tape: Array,
        key: Array,
        shots: int | Array,
        directions: Array | None,
        keep: Array | None,
    ) -> Estimate:
        if isinstance(setting.source, AbstractSource):
            if directions is None:
                directions = jnp.zeros((0, len(tape), setting.source.reads), tape.dtype)
            if isinstance(setting.source, AbstractJobs):
                return setting.source.kept(tape, key, shots, directions, keep)
            return setting.source.estimate(tape, key, shots, directions)
        assert setting.group is not None
        plan, selects = setting.source, self.sampled.is_postselected
        chances, _ = Expectations(plan).replay(tape, Start(plan.init()))
        if directions is None:
            width = setting.group.values.shape[1] + selects
            directions = jnp.zeros((0, len(tape), width), tape.dtype)
        return marginal_estimate(chances, setting.group, key, shots, directions, selects)


Quantum = Expectations | SampledExpectations
