"""One adjoint sweep for all shifts of a scalar loss: what a simulator may do, a device may not.

Let rho_t be the state before step t, and F_t = <lambda_t, state> + <ct_t, reads> the loss's
first-order dependence on what step t returns. A shifted circuit differs in one step only, so with
all F_t from one backward sweep

    dL/da[t, k] = sum_j c_j F_t(step(rho_t; a_t + s_j e_k))                  one step, not T

and where a weight's occurrences share one prepared block, its steps are summed before any shift.
The shift rule is really applied, to the same gates, with the same terms; only repetition is saved.
The state must be a density matrix: F_t is linear in it, as the rule needs, but not in a vector.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qrnn_jax.circuit.spread import spread, weight_row
from qrnn_jax.engines.base import AbstractPlan, scaled_step
from qrnn_jax.gradients.base import AbstractExpectations, Function, Start, Step
from qrnn_jax.gradients.estimator import AbstractEstimator, is_zero
from qrnn_jax.gradients.runs import Problem
from qrnn_jax.gradients.shift_table import Table, shift_table


class Swept(NamedTuple):
    """What the backward sweep leaves: the forward run, and the loss's dependence on each step.

    Arguments:
        before: the carry before each step, leading axis T.
        inputs: (encoded_t, scale_t) of each step, leading axis T.
        after: (cotangent of the carry, of the reads) after each step, leading axis T.
        total: the cotangent of `prepared`, summed over the steps.
    """

    before: Array
    inputs: Any
    after: tuple[Array, Array]
    total: Any


def record(step: Step, carry: Any, xs: Any) -> tuple[Any, Any]:
    """`lax.scan` that also returns the carry before each step: (carry, (befores, reads))."""

    def recorded(carry: Any, inputs: Any) -> tuple[Any, Any]:
        new, reads = step(carry, inputs)
        return new, (carry, reads)

    return lax.scan(recorded, carry, xs)


def sweep_back(
    plan: AbstractPlan, prepared: Any, before: Array, inputs: Any, cotangents: Array
) -> Swept:
    """From the last step to the first: the cotangents after every step."""

    def back(carry: tuple[Array, Any], step: Any) -> tuple[tuple[Array, Any], Array]:
        later, total = carry
        state, encoded, ct = step
        function = partial(scaled_step, plan)
        _, pull = jax.vjp(lambda p, c: function(p, c, encoded), prepared, state)
        here, earlier = pull((later, ct))
        return (earlier, jax.tree.map(jnp.add, total, here)), later

    end = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), before)
    nothing = (end, jax.tree.map(jnp.zeros_like, prepared))
    (_, total), laters = lax.scan(back, nothing, (before, inputs, cotangents), reverse=True)
    return Swept(before, inputs, (laters, cotangents), total)


def swept(rule: AbstractEstimator, expectations: AbstractExpectations) -> Function:
    """The `shared` route of the shift rule: reverse mode only."""
    if expectations.plan.is_pure:
        raise ValueError(
            'Argument `route` must be "replay" on a state vector, but is "shared": the rule shifts '
            "maps on density matrices, and one sweep of a vector does not give their loss; try "
            "`engine=qj.DensityMatrix()`, or `gradient=qj.Adjoint()`."
        )
    if not expectations.plan.is_affine:
        raise ValueError(
            'Argument `route` must be "replay" where reads are not affine in the state, but is '
            '"shared" (means of squares on a Gaussian state are not); try `route="replay"`.'
        )
    return partial(_swept, rule, expectations)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _swept(
    rule: AbstractEstimator,
    expectations: AbstractExpectations,
    weights: Array,
    data: Array,
    start: Start,
) -> tuple[Array, Any]:
    del rule
    return expectations(weights, data, start, loop=lax.scan)


def _forward(
    rule: AbstractEstimator, expectations: AbstractExpectations, weights: Any, data: Any, start: Any
) -> tuple[Any, Any]:
    wanted = (weights.perturbed, data.perturbed)
    weights, data, start = jax.tree.map(
        lambda leaf: leaf.value, (weights, data, start), is_leaf=lambda x: hasattr(x, "perturbed")
    )
    problem = Problem(expectations.circuit, len(data), *wanted, expectations.degree)
    refusal = rule.problem_refusal(problem)
    if refusal:
        raise ValueError(refusal)
    (before, reads), rest = expectations(weights, data, start, loop=record)
    return (reads, rest), (_Static(problem), weights, data, start, before)


def _backward(
    rule: AbstractEstimator, expectations: AbstractExpectations, kept: Any, cotangents: Any
) -> tuple[Array, Array, None]:
    del rule
    static, weights, data, start, before = kept
    problem, plan = static.problem, expectations.plan
    ct = cotangents[0]
    ct = jnp.zeros(ct.shape, ct.dtype) if is_zero(ct) else ct
    tape, pull = jax.vjp(partial(spread, problem.circuit), weights, data)
    row, pull_row = jax.vjp(partial(weight_row, problem.circuit), weights)
    prepared = plan.prepare(row)
    inputs = (jax.vmap(partial(plan.encode, prepared))(tape), start.scales)
    swept = sweep_back(plan, prepared, before, inputs, ct)
    early, late = _split(plan, problem)
    row_ct = _shift(early, len(row), _whole(plan, swept), row)
    tape_ct = jnp.zeros_like(tape)
    if late.columns.size:
        each = partial(_one, plan, prepared)
        shifted = jax.vmap(lambda row, t: _shift(late, len(row), partial(each, t), row))
        tape_ct += shifted(tape, (swept.before, start.scales, swept.after))
    weights_ct, data_ct = pull(tape_ct)
    return weights_ct + pull_row(row_ct)[0], data_ct, None


_swept.defvjp(_forward, _backward, symbolic_zeros=True)


@jax.tree_util.register_static
class _Static:
    """What is static about a derivative, carried from the forward to the backward pass."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self.problem == other.problem

    def __hash__(self) -> int:
        return hash(self.problem)


def _split(plan: AbstractPlan, problem: Problem) -> tuple[Table, Table]:
    """The shift terms of columns prepared once for all steps, and of the others."""
    table = shift_table(problem)
    early = np.array([column in plan.prepared_columns for column in table.columns], bool)
    return Table(*(part[early] for part in table)), Table(*(part[~early] for part in table))


def _shift(table: Table, size: int, function: Callable[[Array], Array], row: Array) -> Array:
    """sum_j c_j function(row + s_j e_k) for every column k of the table, (K,)."""
    if not table.columns.size:
        return jnp.zeros(size, row.dtype)
    columns, shifts = jnp.asarray(table.columns), jnp.asarray(table.shifts, row.dtype)
    values = lax.map(
        lambda index: function(row.at[columns[index]].add(shifts[index])),
        jnp.arange(len(table.columns)),
        batch_size=min(32, len(table.columns)),
    )
    weighted = jnp.asarray(table.coefficients, row.dtype) * values
    return jnp.zeros(size, row.dtype).at[columns].add(weighted)


def _whole(plan: AbstractPlan, swept: Swept) -> Callable[[Array], Array]:
    """sum_t F_t as a function of the tape row that `prepare` sees."""
    if plan.is_linear:
        return lambda row: _pair(swept.total, plan.prepare(row))

    def total(row: Array) -> Array:
        prepared = plan.prepare(row)

        def add(sum_: Array, step: Any) -> tuple[Array, None]:
            state, inputs, after = step
            return sum_ + _pair(after, scaled_step(plan, prepared, state, inputs)), None

        zero = jnp.zeros((), row.dtype)
        return lax.scan(add, zero, (swept.before, swept.inputs, swept.after))[0]

    return total


def _one(plan: AbstractPlan, prepared: Any, step: Any, row: Array) -> Array:
    """F_t as a function of step t's own tape row."""
    state, scale, after = step
    return _pair(after, scaled_step(plan, prepared, state, (plan.encode(prepared, row), scale)))


def _pair(cotangents: Any, values: Any) -> Array:
    """Re sum cotangent * value: JAX's pairing, complex leaves without conjugation."""
    pairs = zip(jax.tree.leaves(cotangents), jax.tree.leaves(values))
    return sum(jnp.sum(ct * value).real for ct, value in pairs)  # type: ignore[return-value]
