"""What users of SciPy do: BFGS with its default finite differences, exact and under shots."""

from __future__ import annotations

import warnings
from functools import partial
from importlib.util import find_spec
from itertools import count
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .gaussian_outputs import OutcomeModel

SHOTS = 1000  # per window and evaluation
LONG_STEP = 0.3  # radians, what one would set instead of the default


class Setting(NamedTuple):
    """How the loss is computed, and SciPy's step (None for its default, 1.49e-8)."""

    name: str
    dtype: Any
    shots: int | None
    step: float | None

    @property
    def real(self) -> Any:
        """The real number type."""
        return jnp.float64 if self.dtype == jnp.complex128 else jnp.float32


SETTINGS = (
    Setting("exact, float64", jnp.complex128, None, None),
    Setting("exact, float32", jnp.complex64, None, None),
    Setting(f"{SHOTS} shots", jnp.complex128, SHOTS, None),
    Setting(f"{SHOTS} shots, step {LONG_STEP}", jnp.complex128, SHOTS, LONG_STEP),
)


class Outcome(NamedTuple):
    """Where BFGS ended.

    Arguments:
        params: (P,).
        iterations, evaluations: as SciPy counts them.
        shots: spent; 0 if exact.
    """

    params: np.ndarray
    iterations: int
    evaluations: int
    shots: int


def has_scipy() -> bool:
    """Whether SciPy, which is optional, is installed.

    Example:
        >>> from qrnn_jax.validation.scipy_training import has_scipy
        >>> has_scipy() in (True, False)
        True
    """
    return find_spec("scipy") is not None


def bfgs(
    model: OutcomeModel,
    setting: Setting,
    data: tuple[np.ndarray, np.ndarray],
    start: np.ndarray,
    seed: int,
    iterations: int,
) -> Outcome:
    """`scipy.optimize.minimize(loss, start, method="BFGS")`, the loss on all training windows.

    Arguments:
        model: of the cell; its number type is that of the setting.
        setting: see `Setting`.
        data: inputs (N, T), targets (N, W).
        start: (P,).
        seed: of the shots, fresh in every evaluation.
        iterations: at most.
    """
    from scipy.optimize import minimize

    root, number = jax.random.key(seed), count()
    shots = float(setting.shots or np.inf)
    inputs, targets = (jnp.asarray(part, setting.real) for part in data)

    def value(params: np.ndarray) -> float:
        key, here = jax.random.fold_in(root, next(number)), jnp.asarray(params, setting.real)
        return float(window_loss(model, here, inputs, targets, shots, key))

    options = {"maxiter": iterations} | ({"eps": setting.step} if setting.step else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that precision is lost is what we look at
        found = minimize(value, start, method="BFGS", options=options)
    spent = found.nfev * len(inputs) * (setting.shots or 0)
    return Outcome(np.asarray(found.x), int(found.nit), int(found.nfev), spent)


@partial(jax.jit, static_argnums=0)
def window_loss(
    model: OutcomeModel, params: Array, inputs: Array, targets: Array, shots: Any, key: Array
) -> Array:
    """The mean squared error on windows; `shots` may be infinite: then it is exact.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> from qrnn_jax.validation.gaussian_outputs import OutcomeModel
        >>> from qrnn_jax.validation.scipy_training import window_loss
        >>> model = OutcomeModel(qj.cells.Viqueira(1, 1, layers=1, uploads=0), scored=1)
        >>> windows, key = (jnp.zeros((2, 3)), jnp.zeros((2, 1))), jax.random.key(0)
        >>> float(window_loss(model, jnp.zeros(6), *windows, jnp.inf, key).round(5))  # y = 1
        1.0
    """
    nodes = model.nodes(params[1:])
    found = jax.vmap(lambda x: model.moments(model.steps(nodes, x)))(inputs)
    keys = jax.random.split(key, len(inputs))
    outputs = jax.vmap(lambda one, own: one.draw(shots, own))(found, keys)
    return jnp.mean((params[0] + outputs - targets) ** 2)
