"""Every gradient rule beside exact automatic differentiation, on the user's own model."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

import qrnn_jax as qj

from .report import GradientReport, GradientRow

Objective = Callable[..., tuple[Array, Array]]  # (params, xs) -> (loss, outputs)


def check_gradients(
    cell: qj.AbstractCell,
    params: Any,
    xs: ArrayLike,
    *,
    loss: Callable[[Array], Array] | None = None,
    rules: Sequence[qj.AbstractGradient] | None = None,
    engine: qj.AbstractExactEngine | None = None,
    verbose: bool = True,
) -> GradientReport:
    """Compare gradient rules with exact autodiff: values, gradient in params, gradient in inputs.

    Equation: error = max |dL/dp (rule) - dL/dp (Backprop)|, L = loss(y); likewise for y and dL/dx.

    Always computed in float64, under a local `jax.enable_x64(True)`; JAX's settings stay as they
    are. An exact rule agrees to about 1e-12 times the gradient's size; more means that the rule
    does not hold for this circuit.

    Not for the training loop, and no benchmark: each rule is compiled anew, and a shift rule really
    runs its shifted circuits, 2 x frequencies x occurrences of them. Give it a few steps of a
    series, not all of it.

    Arguments:
        cell: the model.
        params: pytree of real arrays, from `cell.init(key)`.
        xs: (T, features), one concrete sequence.
        loss: a function of the outputs (T, outputs) that returns a scalar; None is a sum of all
            outputs with weights between 1 and 2, no two alike, so that nothing cancels.
        rules: the rules to compare; None is every public one.
        engine: as in `run`; one in complex64 shows that type's rounding.
        verbose: whether to print the table.

    Returns:
        `validation.GradientReport`: `str(report)` is the table, `report["ParameterShift"].max_abs`
        a number. A rule that refuses the circuit has its reason in `refused`.

    Raises:
        ValueError: as `run`.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> params = cell.init(jax.random.key(0))
        >>> report = qj.check_gradients(cell, params, jnp.full((3, 1), 0.2), verbose=False)
        >>> report["ParameterShift"].max_abs < 1e-12, report["ParameterShift"].evaluations
        (True, 42)

    Source: the rules' own; the comparison is the acceptance test of Viqueira et al., arXiv
    2310.20671, whose stored gradients it reproduces.
    """
    engine = engine or _exact_engine(cell.circuit)
    with jax.enable_x64(True):
        inputs = jax.tree.map(_double, (params, xs))

        def objective(rule: qj.AbstractGradient) -> Objective:
            def of(params: Any, xs: Array) -> tuple[Array, Array]:
                key = jax.random.key(0) if rule.is_random else None
                outputs = qj.run(cell, params, xs, engine=engine, gradient=rule, key=key)
                return (loss or _weighted_sum)(outputs), outputs

            return of

        exact, seconds = _timed(objective(qj.Backprop()), (0, 1), inputs)
        rows = [GradientRow("Backprop", 0.0, 0.0, 0.0, seconds=seconds)]
        for rule in public_rules() if rules is None else rules:
            if rule != qj.Backprop():
                rows.append(_row(rule, cell.circuit, objective(rule), exact, inputs))
        plan = engine.plan(cell.circuit, cell.observables)
        report = GradientReport(
            model=f"{type(cell).__name__} of {cell.circuit.wires} wires, T = {len(inputs[1])}",
            simulation=f"{engine}: {type(plan).__name__}, {plan.state_dtype}",
            rows=tuple(rows),
        )
    if verbose:
        print(report)
    return report


def _exact_engine(circuit: qj.Circuit) -> qj.AbstractExactEngine:
    """What `run` would choose."""
    if circuit.is_modes:
        return qj.Gaussian()
    return qj.StateVector() if circuit.is_unitary else qj.DensityMatrix()


def public_rules() -> tuple[qj.AbstractGradient, ...]:
    """One instance, with default settings, of every gradient rule that the library exports.

    Not `Automatic`, which is one of the others.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.validation.check_gradients import public_rules
        >>> qj.ParameterShift() in public_rules()
        True
    """
    found = [item for item in vars(qj).values() if inspect.isclass(item)]
    return tuple(
        item()
        for item in found
        if issubclass(item, qj.AbstractGradient)
        and not inspect.isabstract(item)
        and item is not qj.Automatic
    )


def _row(
    rule: qj.AbstractGradient,
    circuit: qj.Circuit,
    objective: Objective,
    exact: tuple[Any, Any],
    inputs: tuple[Any, Array],
) -> GradientRow:
    """Both gradients; where the rule refuses that, the one in params alone."""
    refused, steps = None, len(inputs[1])
    for wanted in ((0, 1), (0,)):
        try:
            (outputs, gradients), seconds = _timed(objective, wanted, inputs)
        except ValueError as error:  # exact autodiff has passed: what fails here is the rule
            refused = str(error)
            continue
        both = wanted == (0, 1)
        return GradientRow(
            rule=_name(rule),
            values=_distance(outputs, exact[0]),
            params=_distance(gradients[0], exact[1][0]),
            xs=_distance(gradients[1], exact[1][1]) if both else None,
            evaluations=_evaluations(rule, circuit, steps, data=both),
            seconds=seconds,
            refused=refused,
        )
    return GradientRow(_name(rule), refused=refused)


def _timed(
    objective: Objective, wanted: tuple[int, ...], inputs: tuple[Any, Array]
) -> tuple[tuple[Any, Any], float]:
    """(outputs, gradients) and the seconds of one compiled run."""
    differentiated = jax.value_and_grad(objective, argnums=wanted, has_aux=True)
    compiled = jax.jit(differentiated).lower(*inputs).compile()
    start = time.perf_counter()
    (_, outputs), gradients = jax.block_until_ready(compiled(*inputs))
    return (outputs, gradients), time.perf_counter() - start


def _weighted_sum(outputs: Array) -> Array:
    """sum_i (1 + frac(i phi)) y_i, phi the golden ratio: its multiples never meet modulo 1."""
    golden = (1 + 5**0.5) / 2
    return jnp.vdot(1 + golden * np.arange(outputs.size) % 1, outputs.reshape(-1))


def _double(leaf: ArrayLike) -> Array:
    return jnp.asarray(np.asarray(leaf), float)


def _distance(tree: Any, reference: Any) -> float:
    """The largest absolute difference; 0 for trees without a number."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(reference))
    errors = [np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0) for a, b in pairs]
    return float(np.max(errors, initial=0))


def _evaluations(
    rule: qj.AbstractGradient, circuit: qj.Circuit, steps: int, data: bool
) -> int | None:
    if not isinstance(rule, qj.AbstractEstimator) or rule.needs_exact:
        return None
    return rule.evaluations(circuit, steps, data=data)


def _name(rule: Any) -> str:
    settings = [
        f"{field.name}={getattr(rule, field.name)!r}"
        for field in fields(rule)
        if getattr(rule, field.name) != field.default
    ]
    return type(rule).__name__ + (f"({', '.join(settings)})" if settings else "")
