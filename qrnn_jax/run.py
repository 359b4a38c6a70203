"""The one verb: a time loop (`lax.scan`) over cell x engine x gradient rule."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import checkify
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_carry, check_cell, check_inputs, check_params
from qrnn_jax.circuit import Circuit
from qrnn_jax.engines import AbstractEngine, AbstractPlan, DensityMatrix, StateVector
from qrnn_jax.engines.base import real_dtype
from qrnn_jax.gradients import (
    AbstractExpectations,
    AbstractGradient,
    Backprop,
    Checkpointed,
)
from qrnn_jax.gradients.base import Loop

_STORE_LIMIT = 2**26  # bytes that reverse mode may keep before the automatic rule recomputes


class Result(NamedTuple):
    """What `simulate` returns.

    Arguments:
        outputs: y, (T, outputs).
        carry: the state after the last step: (2**n,) amplitudes of a `StateVector`, or the memory's
            density matrix. Pass it to the next `simulate` to go on.
        stderr: standard errors of the outputs; None for exact engines, which have none.
        drift: |norm - 1| or |trace - 1| of the carry: how much rounding has accumulated.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki()
        >>> result = qj.simulate(cell, cell.init(jax.random.key(0)), jnp.zeros((4, 1)))
        >>> bool(result.drift < 1e-5)
        True
    """

    outputs: Array
    carry: Array
    stderr: Array | None
    drift: Array


def run(
    cell: AbstractCell,
    params: Any,
    xs: ArrayLike,
    *,
    engine: AbstractEngine | None = None,
    gradient: AbstractGradient | None = None,
) -> Array:
    """Run a recurrent quantum circuit over a sequence.

    Equation: y_t = O(params, Tr(O rho_t)), rho_t = E(D(x_t), W(params))[rho_{t-1}].

    Arguments:
        cell: the model, for example `qj.cells.Takaki()` or `qj.CircuitCell(circuit, observables)`.
        params: pytree of real arrays, from `cell.init(key)`.
        xs: (T, features), one sequence; batch with `jax.vmap`.
        engine: how to simulate; None chooses `StateVector` for unitary steps, else `DensityMatrix`.
        gradient: how to differentiate; None chooses `Backprop`, or `Checkpointed` where storing
            every step would take more than 64 MiB.

    Returns:
        ys, (T, outputs). Jitted, keyed by cell, engine and rule; composes with jit, grad, vmap and
        scan.

    Raises:
        ValueError: wrong shapes, T = 0, NaN or out-of-domain inputs (concrete ones; traced ones
            give NaN, or an error that names the argument under `checkify` with `user_checks`), an
            engine or a rule that cannot serve this circuit.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> params = cell.init(jax.random.key(0))
        >>> qj.run(cell, params, jnp.array([[0.1], [0.2], [0.3]])).shape
        (3, 1)

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021).
    """
    return simulate(cell, params, xs, engine=engine, gradient=gradient).outputs


def simulate(
    cell: AbstractCell,
    params: Any,
    xs: ArrayLike,
    *,
    carry: ArrayLike | None = None,
    engine: AbstractEngine | None = None,
    gradient: AbstractGradient | None = None,
) -> Result:
    """Run over a sequence and return the carried state too: for streaming and forecasts.

    Equation: as `run`, started from rho_0 = carry.

    Arguments:
        cell: the model.
        params: pytree of real arrays.
        xs: (T, features).
        carry: the state to start from, from an earlier `Result`; None starts in |0..0>.
        engine: as in `run`.
        gradient: as in `run`; under `ParameterShift` the returned carry is detached.

    Returns:
        `Result(outputs, carry, stderr, drift)`.

    Raises:
        ValueError: as `run`; a carry of the wrong shape.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> params, xs = cell.init(jax.random.key(0)), jnp.full((6, 1), 0.3)
        >>> first = qj.simulate(cell, params, xs[:4])
        >>> second = qj.simulate(cell, params, xs[4:], carry=first.carry)
        >>> bool(jnp.allclose(second.outputs, qj.run(cell, params, xs)[4:], atol=1e-5))
        True

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021).
    """
    check_cell(cell)
    xs = check_inputs(cell, xs)
    check_params(cell, params)
    plan = plan_for(cell, engine)
    rule = rule_for(plan, xs.shape[0], gradient)
    state = plan.init() if carry is None else check_carry(plan, carry)
    return _simulate(cell, plan, rule, params, xs, state)


def forecast(
    cell: AbstractCell,
    params: Any,
    xs: ArrayLike,
    steps: int,
    *,
    engine: AbstractEngine | None = None,
) -> Array:
    """Predict freely: warm up on a sequence, then feed each output back as the next input.

    Equation: x_{t+1} = cell.feedback(y_t) after the last given x; the first prediction is the
    output at the last given x.

    Arguments:
        cell: the model; its `feedback` maps an output to an input (Takaki's clips to [-1, 1]).
        params: pytree of real arrays.
        xs: (T, features), the known sequence.
        steps: number of predictions, 1 or more.
        engine: as in `run`.

    Returns:
        (steps, outputs). Exact expectation values are fed back: a device would have to re-run the
        circuit from the start for every predicted step.

    Raises:
        ValueError: as `run`; `steps` is no positive integer.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> qj.forecast(cell, cell.init(jax.random.key(0)), jnp.zeros((4, 1)), steps=7).shape
        (7, 1)

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021), the free-running prediction.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"Argument `steps` must be an integer of 1 or more, but is {steps!r}.")
    warm = simulate(cell, params, xs, engine=engine)
    return _forecast(cell, plan_for(cell, engine), steps, params, warm.outputs[-1], warm.carry)


def plan_for(cell: AbstractCell, engine: AbstractEngine | None) -> AbstractPlan:
    """The plan that `run` would use: the given engine, or the fastest exact one."""
    if engine is None:
        engine = StateVector() if cell.circuit.is_unitary else DensityMatrix()
    if not isinstance(engine, AbstractEngine):
        raise TypeError(
            f"Argument `engine` must be an engine, but is {engine!r}; try `qj.DensityMatrix()`."
        )
    return engine.plan(cell.circuit, cell.observables)


def rule_for(plan: AbstractPlan, steps: int, gradient: AbstractGradient | None) -> AbstractGradient:
    """The rule that `run` would use: the given one, or the fastest exact one that fits."""
    if gradient is None:
        stores_little = steps * plan.stored_bytes() <= _STORE_LIMIT
        return Backprop() if stores_little else Checkpointed()
    if not isinstance(gradient, AbstractGradient):
        raise TypeError(
            f"Argument `gradient` must be a gradient rule, but is {gradient!r}; "
            "try `qj.Backprop()` or `qj.ParameterShift()`."
        )
    return gradient


@final
@dataclass(frozen=True)
class Expectations(AbstractExpectations):
    """The quantum part as one function: the time loop, written once."""

    plan: AbstractPlan

    @property
    def circuit(self) -> Circuit:
        return self.plan.circuit

    def __call__(
        self, weights: Array, data: Array, state: Array, loop: Loop
    ) -> tuple[Array, Array]:
        plan = self.plan
        prepared = plan.prepare(weights)
        encoded = jax.vmap(partial(plan.encode, prepared))(data)

        def step(carry: Array, inputs: tuple[Array, Any]) -> tuple[Array, Array]:
            return plan.step(prepared, carry, inputs[1])

        # the data ride along for their length: a circuit without data encodes nothing
        carry, reads = loop(step, plan.open(state), (data, encoded))
        return reads, plan.close(carry)

    def replay(self, tape: Array, state: Array) -> tuple[Array, Array]:
        def step(state: Array, tape_t: Array) -> tuple[Array, Array]:
            return self.plan.step_at(tape_t, state)

        state, reads = lax.scan(step, state, tape)
        return reads, state


@partial(jax.jit, static_argnums=(0, 1, 2))
def _simulate(
    cell: AbstractCell,
    plan: AbstractPlan,
    rule: AbstractGradient,
    params: Any,
    xs: Array,
    state: Array,
) -> Result:
    dtype = real_dtype(plan.dtype)
    low, high = cell.domain()
    checkify.debug_check(
        jnp.all(jnp.isfinite(xs) & (xs >= low) & (xs <= high)),
        "Argument `xs` must be finite and within the cell's domain, but is not.",
    )
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    data = jax.vmap(partial(cell.data, params))(xs.astype(dtype))
    function = rule.differentiate(Expectations(plan))
    reads, new = function(cell.weights(params), data, state.astype(plan.dtype))
    outputs = jax.vmap(partial(cell.outputs, params))(reads)
    return Result(outputs, new, None, plan.drift(new))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _forecast(
    cell: AbstractCell, plan: AbstractPlan, steps: int, params: Any, first: Array, state: Array
) -> Array:
    dtype = real_dtype(plan.dtype)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    prepared = plan.prepare(cell.weights(params))

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        state, y = carry
        data = cell.data(params, cell.feedback(y))
        state, reads = plan.step(prepared, state, plan.encode(prepared, data))
        return (state, cell.outputs(params, reads)), y

    return lax.scan(step, (plan.open(state), first), length=steps)[1]
