"""The one verb: `run`, with `simulate` and `forecast` beside it."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import checkify
from jax.typing import ArrayLike

from qrnn_jax.branched import branch_loop, branches_for
from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import (
    check_carry,
    check_cell,
    check_inputs,
    check_key,
    check_params,
    check_prefixes,
    check_survival,
)
from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.controller import FeedbackCell
from qrnn_jax.engines import AbstractEngine, AbstractPlan, Trajectories
from qrnn_jax.engines.base import complex_dtype, real_dtype, rescaled
from qrnn_jax.expectations import Expectations, Quantum
from qrnn_jax.feedback import expectation_loop, feedback_rule
from qrnn_jax.gradients import AbstractGradient, AbstractSimulatorGradient
from qrnn_jax.gradients.base import Start
from qrnn_jax.recorded import bit_loop
from qrnn_jax.setup import check_shots, expectations_for, plan_for, rule_for, shots_for


class Result(NamedTuple):
    """What `simulate` returns.

    Arguments:
        outputs: y, (T, outputs).
        carry: the state after the last step: (2**n,) amplitudes of a `StateVector`, the memory's
            density matrix, or the mean and the covariance of modes. Pass it to the next `simulate`
            to go on. None where outcomes are drawn: a device returns no state.
        stderr: standard errors of the outputs, (T, outputs); None for exact runs, which have none.
        drift: |norm - 1| or |trace - 1| of the carry: how much rounding has accumulated; None where
            there is no carry.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki()
        >>> result = qj.simulate(cell, cell.init(jax.random.key(0)), jnp.zeros((4, 1)))
        >>> bool(result.drift < 1e-5)
        True
    """

    outputs: Array
    carry: Any
    stderr: Array | None
    drift: Array | None


def run(
    cell: AbstractCell | FeedbackCell,
    params: Any,
    xs: ArrayLike,
    *,
    engine: AbstractEngine | None = None,
    gradient: AbstractGradient | None = None,
    shots: int | None = None,
    prefixes: bool = False,
    key: Array | None = None,
) -> Array:
    """Run a recurrent quantum circuit over a sequence.

    Equation: y_t = O(params, Tr(O rho_t)), rho_t = E(D(x_t), W(params))[rho_{t-1}].

    Arguments:
        cell: the model, for example `qj.cells.Takaki()` or `qj.CircuitCell(circuit, observables)`.
        params: pytree of real arrays, from `cell.init(key)`.
        xs: (T, features), one sequence; batch with `jax.vmap`.
        engine: how to simulate; None chooses `RealVector` for real steps with neurons,
            `StateVector` for unitary steps, else `DensityMatrix`; `Gaussian` on modes.
        gradient: how to differentiate; None chooses `Adjoint` where pure states or real vectors run
            in native code (reverse mode only), else `Backprop`; where storing every step would take
            more than 1 MiB, `Adjoint` for pure states on a CPU, else `Checkpointed`; under shots
            `ParameterShift`. `Automatic(memory=...)` chooses within a limit; `explain` shows the
            choice.
        shots: repetitions of every circuit, as on a device; None for exact expectation values. All
            T outputs of one group of observables come from the same repetitions.
        prefixes: draw output t from circuits of its own, of 1..t steps each: T times the circuits,
            for wires that are read but not reset. Not where bits are fed back.
        key: a JAX key, where anything is drawn; under `vmap`, split one per sequence.

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
    options = {"engine": engine, "gradient": gradient, "prefixes": prefixes}
    return simulate(cell, params, xs, shots=shots, key=key, **options).outputs  # type: ignore[arg-type]


def simulate(
    cell: AbstractCell | FeedbackCell,
    params: Any,
    xs: ArrayLike,
    *,
    carry: Any = None,
    engine: AbstractEngine | None = None,
    gradient: AbstractGradient | None = None,
    shots: int | None = None,
    prefixes: bool = False,
    key: Array | None = None,
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
        shots: as in `run`.
        prefixes: as in `run`.
        key: as in `run`.

    Returns:
        `Result(outputs, carry, stderr, drift)`.

    Raises:
        ValueError: as `run`; a carry of the wrong shape, or one for a sampled run.

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
    if isinstance(cell, FeedbackCell):
        if carry is not None:
            raise ValueError(
                "Argument `carry` must be None for a controlled circuit, but is given: the "
                "controller's memory is not in it; try the whole sequence at once."
            )
        check_prefixes(cell, prefixes)
        return _controlled(cell, engine, gradient, shots, params, check_inputs(cell, xs), key)
    check_cell(cell)
    xs = check_inputs(cell, xs)
    check_params(cell, params)
    expectations = expectations_for(cell, engine, shots, prefixes, xs.shape[0])
    rule = rule_for(expectations, xs.shape[0], gradient)
    check_key(key, expectations.shots is not None or rule.is_random)
    state = _start(expectations, carry)
    result = _simulate(cell, expectations, rule, params, xs, state, key)
    if cell.circuit.is_postselected:
        check_survival(result.outputs)
    return result


def log_success(
    cell: AbstractCell, params: Any, xs: ArrayLike, *, engine: AbstractEngine | None = None
) -> Array:
    """The log-probability that every post-selection so far succeeds.

    Equation: L_t = sum_{s <= t} log p_s, p_s the chance of step s's post-selections given all
    earlier ones. Differentiable by exact autodiff. A device needs about exp(-L_T) repetitions for
    one that survives.

    Arguments:
        cell: the model; without post-selection the result is 0.
        params: pytree of real arrays.
        xs: (T, features).
        engine: an exact engine; as in `run`.

    Returns:
        (T,), 0 or less.

    Raises:
        ValueError: as `run`.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.H(0), qj.Postselect(0))), (qj.Z(0),))
        >>> jnp.exp(qj.log_success(cell, jnp.zeros(0), jnp.zeros((3, 0)))).round(3).tolist()
        [0.5, 0.25, 0.125]

    Source: the success probabilities of Bausch, arXiv 2006.14619.
    """
    check_cell(cell)
    xs = check_inputs(cell, xs)
    check_params(cell, params)
    if not cell.circuit.is_postselected:
        return jnp.zeros(len(xs))
    return _log_success(cell, Expectations(plan_for(cell, engine)), params, xs)


@partial(jax.jit, static_argnums=(0, 1))
def _log_success(cell: AbstractCell, expectations: Expectations, params: Any, xs: Array) -> Array:
    state = expectations.plan.init()
    _, weights, data, start = prepare(cell, expectations, params, xs, state, None)
    return jnp.cumsum(jnp.log(expectations.survival(weights, data, start)))


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
    check_cell(cell)
    plan = plan_for(cell, engine)
    warm = simulate(cell, params, xs, engine=engine)
    assert warm.carry is not None
    return _forecast(cell, plan, steps, params, warm.outputs[-1], warm.carry)


def _controlled(
    cell: FeedbackCell,
    engine: AbstractEngine | None,
    gradient: AbstractGradient | None,
    shots: int | None,
    params: Any,
    xs: Array,
    key: Array | None,
) -> Result:
    """A circuit under a controller: see `feedback.py` and `recorded.py`."""
    check_params(cell, params)
    check_shots(shots)
    shots = shots_for(engine, shots)
    rule = feedback_rule(gradient, shots is not None)
    if cell.feed == "bits" and not _plays_bits(cell, engine):
        raise ValueError(
            "Argument `engine` must be None, `Trajectories` or a device where bits are fed back, "
            f"but is {engine}: every repetition has angles of its own, so pure states are played."
        )
    if cell.feed == "bits" and shots is None:
        raise ValueError(
            "Argument `shots` must be a number where bits are fed back, but is None; "
            'try `shots=1000`, or `feed="expectations"`.'
        )
    check_key(key, shots is not None)
    return _run_controlled(cell, engine, rule, shots, params, xs, key if shots else None)


def _plays_bits(cell: FeedbackCell, engine: AbstractEngine | None) -> bool:
    """Whether an engine plays repetitions whose angles follow their own bits."""
    return isinstance(engine, Trajectories | None) or branches_for(cell, engine) is not None


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _run_controlled(
    cell: FeedbackCell,
    engine: AbstractEngine | None,
    rule: AbstractGradient,
    shots: int | None,
    params: Any,
    xs: Array,
    key: Array | None,
) -> Result:
    dtype = real_dtype(complex_dtype(None) if engine is None else engine.precision)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    xs = xs.astype(dtype)
    if cell.feed == "bits":
        assert shots is not None
        assert key is not None
        source = None if isinstance(engine, Trajectories | None) else branches_for(cell, engine)
        if source is None:
            loop = bit_loop(cell, shots, params, xs, key)
        else:
            loop = branch_loop(cell, source, shots, params, xs, key)
    else:
        loop = expectation_loop(cell, engine, shots, rule, params, xs, key)
    if loop.covariance is None:
        return Result(loop.reads, None, None, None)
    variance = jnp.diagonal(lax.stop_gradient(loop.covariance), axis1=1, axis2=2)
    return Result(loop.reads, None, _root(variance), None)


def _start(expectations: Quantum, carry: Any) -> Any:
    """The carried state to start from; a sampled run starts in |0..0>."""
    if isinstance(expectations, Expectations):
        plan = expectations.plan
        return plan.init() if carry is None else check_carry(plan, carry)
    if carry is not None:
        raise ValueError(
            "Argument `carry` must be None where outcomes are drawn, but is given: a device starts "
            "every repetition in |0..0>; try the whole sequence at once."
        )
    return None


def prepare(
    cell: AbstractCell,
    expectations: Quantum,
    params: Any,
    xs: Array,
    state: Array | None,
    key: Array | None,
    *,
    replays: bool = True,
) -> tuple[Any, Array, Array, Start]:
    """params and xs in the engine's type, and what the quantum part takes: weights, data, start.

    Where it is to be run again with other angles, a run that post-selects is normalised alike."""
    plan = expectations.plan if isinstance(expectations, Expectations) else None
    dtype = real_dtype(complex_dtype(None) if plan is None else plan.dtype)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    data = jax.vmap(partial(cell.data, params))(xs.astype(dtype))
    weights = cell.weights(params)
    if plan is not None:
        kind = plan.state_dtype
        state = jax.tree.map(lambda leaf: leaf.astype(kind), state)
    start = Start(state, key=key)
    if replays and isinstance(expectations, Expectations) and cell.circuit.is_postselected:
        scales = expectations.survival(*lax.stop_gradient((weights, data, start)))
        start = start._replace(scales=scales)
    return params, weights, data, start


def finish(cell: AbstractCell, params: Any, reads: Array) -> Array:
    """reads (M,), perhaps with the survival last, -> outputs: y is conditioned on survival."""
    if cell.circuit.is_postselected:
        # by the number first: the square of a small chance, in its derivative, would underflow
        reads = reads / lax.stop_gradient(reads[-1])
        reads = reads[:-1] / reads[-1]
    return cell.outputs(params, reads)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _simulate(
    cell: AbstractCell,
    expectations: Quantum,
    rule: AbstractGradient,
    params: Any,
    xs: Array,
    state: Array | None,
    key: Array | None,
) -> Result:
    low, high = cell.domain()
    checkify.debug_check(
        jnp.all(jnp.isfinite(xs) & (xs >= low) & (xs <= high)),
        "Argument `xs` must be finite and within the cell's domain, but is not.",
    )
    replays = not isinstance(rule, AbstractSimulatorGradient)
    params, weights, data, start = prepare(
        cell, expectations, params, xs, state, key, replays=replays
    )
    reads, rest = rule.differentiate(expectations)(weights, data, start)
    to_outputs = partial(finish, cell, params)
    outputs = jax.vmap(to_outputs)(reads)
    if isinstance(expectations, Expectations):
        return Result(outputs, rest, None, expectations.plan.drift(rest))
    frozen = lax.stop_gradient(reads)
    slopes = jax.vmap(jax.jacfwd(to_outputs))(frozen)  # (T, outputs, M)
    variance = jnp.einsum("toi,tij,toj->to", slopes, rest, slopes)
    return Result(outputs, None, lax.stop_gradient(_root(variance)), None)


def _root(variance: Array) -> Array:
    """The standard error; where all outcomes agree, rounding may leave less than 0."""
    return jnp.sqrt(jnp.maximum(variance, 0))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _forecast(
    cell: AbstractCell, plan: AbstractPlan, steps: int, params: Any, first: Array, state: Array
) -> Array:
    dtype = real_dtype(plan.dtype)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    weights = cell.weights(params)
    prepared = plan.prepare(weight_row(cell.circuit, weights))

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        state, y = carry
        tape = spread(cell.circuit, weights, cell.data(params, cell.feedback(y)))
        state, reads = plan.step(prepared, state, plan.encode(prepared, tape))
        scale = reads[-1] if cell.circuit.is_postselected else None
        return (rescaled(plan, state, scale), finish(cell, params, reads)), y

    return lax.scan(step, (plan.open(state), first), length=steps)[1]
