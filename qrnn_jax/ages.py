"""How much each past occurrence of a weight contributes: what a horizon would drop."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from qrnn_jax.cell import AbstractCell
from qrnn_jax.checks import check_cell, check_inputs, check_params, check_place
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines import AbstractExactEngine
from qrnn_jax.engines.base import real_dtype
from qrnn_jax.expectations import Expectations
from qrnn_jax.gradients.base import Start
from qrnn_jax.setup import plan_for


def gradient_by_age(
    cell: AbstractCell,
    params: Any,
    xs: ArrayLike,
    *,
    step: int = -1,
    read: int = 0,
    engine: AbstractExactEngine | None = None,
) -> Array:
    """The derivative of one read in all weights, split by the age of the occurrences.

    Equation: G[age, i] = sum_k (d a_tk / d w_i) dy_s / d a_tk with t = s - age; the rows add up to
    dy_s/dw, and the bias of `ParameterShift(horizon=h)` is minus the sum of rows h and older.

    Exact, by one reverse sweep: it tells before any shot is spent how far back a horizon must
    reach, on the simulated circuit. Where rows fade like r**age, what a horizon drops is about its
    last row times r / (1 - r): an estimate that needs the kept rows only.

    Arguments:
        cell: the model, without post-selection.
        params: pytree of real arrays.
        xs: (T, features).
        step: which step's read, s; -1 is the last one.
        read: which read, 0 .. M - 1.
        engine: as in `run`.

    Returns:
        (T, Kw), youngest first; rows older than the sequence are 0.

    Raises:
        ValueError: as `run`; a step or read that is not there; a circuit that post-selects.

    Example:
        >>> import jax.numpy as jnp, qrnn_jax as qj
        >>> circuit = qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.AmplitudeDamping(0, 0.5)))
        >>> cell = qj.CircuitCell(circuit, (qj.Z(0),))
        >>> ages = qj.gradient_by_age(cell, jnp.array([0.3]), jnp.zeros((3, 0)))
        >>> [f"{age:.3f}" for age in ages[:, 0]]
        ['-0.303', '-0.208', '-0.144']

    Source: truncated backpropagation through time, Williams and Peng, Neural Computation 2 (1990),
    for the shift rule.
    """
    check_cell(cell)
    xs = check_inputs(cell, xs)
    check_params(cell, params)
    check_place(cell, len(xs), step, read)
    if cell.circuit.is_postselected:
        raise ValueError(
            "Argument `cell` must not post-select here, but does: its output is a ratio; "
            "try `jax.grad` with several values of `horizon`."
        )
    expectations = Expectations(plan_for(cell, engine))
    return _by_age(cell, expectations, (step % len(xs), read), params, xs)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _by_age(
    cell: AbstractCell, expectations: Expectations, place: tuple[int, int], params: Any, xs: Array
) -> Array:
    plan, (step, read) = expectations.plan, place
    dtype = real_dtype(plan.dtype)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    weights = cell.weights(params)
    data = jax.vmap(partial(cell.data, params))(xs.astype(dtype))
    row = partial(spread, cell.circuit)

    def value(tape: Array) -> Array:
        return expectations.replay(tape, Start(plan.init()))[0][step, read]

    slopes = jax.grad(value)(row(weights, data))  # (T, K)
    tapes = jax.vmap(jax.jacfwd(row), (None, 0))(weights, data)  # (T, K, Kw)
    by_time = jnp.einsum("tk,tkw->tw", slopes, tapes)
    age = step - jnp.arange(len(xs))
    return jnp.where((age >= 0)[:, None], jnp.roll(by_time[::-1], step + 1 - len(xs), axis=0), 0)
