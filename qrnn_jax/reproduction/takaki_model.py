"""Takaki's recurrent circuit trained by BFGS: published-style settings, exact or not."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj


class Fit(NamedTuple):
    """Where BFGS ended.

    Arguments:
        params: (P,), radians.
        curve: (iterations + 1,), the loss before training and after every iteration.
        evaluations: of the loss, as SciPy counts them.
        seconds: with compilation left out.
    """

    params: np.ndarray
    curve: np.ndarray
    evaluations: int
    seconds: float

    @property
    def loss(self) -> float:
        """The last loss."""
        return float(self.curve[-1])


def start(cell: qj.cells.Takaki) -> np.ndarray:
    """Angles from U[0, 2 pi], drawn from the cell's stream after its fields and couplings: (P,).

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.reproduction.takaki_model import start
        >>> start(qj.cells.Takaki()).shape
        (54,)
    """
    rng = np.random.default_rng(cell.seed)
    rng.uniform(-1, 1, cell.wires + cell.wires * (cell.wires - 1) // 2)
    return rng.uniform(0, 2 * np.pi, 3 * cell.depth * cell.wires)


def training_loss(
    cell: qj.cells.Takaki, task: qj.tasks.Task, real: Any = jnp.float64
) -> Callable[[Array], Array]:
    """The mean squared error on the training series, a function of the flat angles (P,).

    Arguments:
        cell: the model.
        task: one series.
        real: the number type of the simulation.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.takaki_model import start, training_loss
        >>> cell = qj.cells.Takaki()
        >>> loss = training_loss(cell, qj.tasks.cosine(), jnp.float32)
        >>> round(float(loss(jnp.asarray(start(cell)))), 3)
        0.791
    """
    xs, ys = (jnp.asarray(part[0], real) for part in (task.train.inputs, task.train.targets))
    engine = qj.DensityMatrix(dtype=jnp.complex128 if real == jnp.float64 else jnp.complex64)

    def loss(angles: Array) -> Array:
        params = {"angles": angles.astype(real).reshape(cell.depth, cell.wires, 3)}
        return jnp.mean((qj.run(cell, params, xs, engine=engine) - ys) ** 2)

    return loss


def bfgs(
    loss: Callable[[Array], Array],
    begin: np.ndarray,
    iterations: int,
    *,
    exact: bool = True,
    told: Callable[[int], None] = lambda iteration: None,
) -> Fit:
    """`scipy.optimize.minimize(..., method="BFGS")`.

    Arguments:
        loss: of (P,), traceable.
        begin: (P,).
        iterations: at most.
        exact: with exact gradients; else with SciPy's default, forward differences of 1.5e-8.
        told: is called after every iteration, and may raise to stop.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from qrnn_jax.reproduction.takaki_model import bfgs
        >>> bfgs(lambda w: jnp.sum((w - 1) ** 2), np.zeros(2), 9).params.round(3).tolist()
        [1.0, 1.0]
    """
    from scipy.optimize import OptimizeResult, minimize

    compiled = jax.jit(jax.value_and_grad(loss) if exact else loss)

    def evaluate(params: np.ndarray) -> Any:
        if not exact:
            return float(compiled(params))
        value, gradient = compiled(params)
        return float(value), np.asarray(gradient, np.float64)

    first = evaluate(begin)
    curve = [first[0] if exact else first]

    def after(intermediate_result: OptimizeResult) -> None:
        curve.append(float(intermediate_result.fun))
        told(len(curve) - 1)

    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that precision is lost is what we look at
        found = minimize(
            evaluate, begin, jac=exact, method="BFGS", callback=after,
            options={"maxiter": iterations},
        )  # fmt: skip
    seconds = time.perf_counter() - begun
    return Fit(np.asarray(found.x), np.array(curve), int(found.nfev), seconds)


def padded(curves: list[np.ndarray], length: int) -> np.ndarray:
    """Curves as rows of equal length: where BFGS has converged, its last loss stays.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.reproduction.takaki_model import padded
        >>> padded([np.array([3.0, 1.0])], 4).tolist()
        [[3.0, 1.0, 1.0, 1.0]]
    """
    return np.stack([np.pad(curve, (0, length - len(curve)), mode="edge") for curve in curves])


@partial(jax.jit, static_argnums=0)
def teacher_forced(cell: qj.cells.Takaki, params: Any, xs: Array) -> Array:
    """Outputs (T,) given the true past xs (T, 1).

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.reproduction.takaki_model import teacher_forced
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> teacher_forced(cell, cell.init(jax.random.key(0)), jnp.zeros((3, 1))).shape
        (3,)
    """
    return qj.run(cell, params, xs)[:, 0]
