"""Are the standard errors that the library states those that its estimates have?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

import qrnn_jax as qj

from .cells import cell_inputs, feed_forward_cell
from .experiment import Settings
from .histories import PARAMETERS, mean_outcomes, reflex_cell
from .pilot import STRONG, pilot_cell
from .quick_jit import quick_jit

STEPS = 3
SHOTS = 1000
ENTRIES = 2000  # at least, in every case
KEYS = 50  # at least
RULES: dict[str, qj.AbstractGradient] = {
    "ParameterShift": qj.ParameterShift(),
    "ParameterShift, weighted": qj.ParameterShift(allocation="weighted"),
    "ParameterShift, samples": qj.ParameterShift(samples=400),
    "SharedShift": qj.SharedShift(),
    "SharedShift, uniform": qj.SharedShift(allocation="uniform"),
    "Riesz, samples": qj.Riesz(samples=60),
}


@final
@dataclass(frozen=True)
class Case:
    """One rule on one cell.

    Arguments:
        rule: a name of `RULES`.
        cell: a name of `cells()`.
        joint: whether all outputs share repetitions; else every output has circuits of its own.

    Example:
        >>> from qrnn_jax.validation.standard_errors import Case
        >>> Case("SharedShift", "pilot").joint
        False
    """

    rule: str
    cell: str
    joint: bool = False


class Honesty(NamedTuple):
    """How z = (estimate - truth) / stated error is spread, over all gradient entries and keys.

    Arguments:
        entries: how many z.
        keys: how many independent keys.
        rms: root mean square of z; 1 for honest errors.
        mean: |mean z|, in standard errors: the keys' own spread counts, as entries of one key share
            their unperturbed run.
    """

    entries: int
    keys: int
    rms: float
    mean: float

    @property
    def passed(self) -> bool:
        """Within the bounds of the laboratory."""
        return bool(0.93 <= self.rms <= 1.07 and self.mean < 4)


def cells() -> dict[str, Any]:
    """Name -> cell: ideal and noisy, with and without feed-forward.

    Example:
        >>> from qrnn_jax.validation.standard_errors import cells
        >>> len(cells())
        5
    """
    ideal = {"pilot": pilot_cell(STRONG), "feed-forward": feed_forward_cell()}
    profile = qj.NoiseProfile.preset("laboratory")
    noisy = {f"{name}+noise": qj.cells.Noisy(cell, profile) for name, cell in ideal.items()}
    return {**ideal, **noisy, "bits": reflex_cell()}


def cases(settings: Settings) -> tuple[Case, ...]:
    """Every unbiased rule on every cell; one of them in a quick run.

    Example:
        >>> from qrnn_jax import validation
        >>> from qrnn_jax.validation.standard_errors import cases
        >>> len(cases(validation.Settings()))
        1
    """
    if not settings.full:
        return (Case("ParameterShift", "feed-forward+noise"),)
    names = [name for name in cells() if name != "bits"]
    apart = [Case(rule, name) for rule in RULES for name in names]
    joint = [Case("ParameterShift", name, True) for name in names]
    return (*apart, *joint, Case("ParameterShift", "bits", True))


def loss(outputs: Array) -> Array:
    """A quadratic loss: then an unbiased rule has an unbiased gradient.

    Example:
        >>> import jax.numpy as jnp
        >>> from qrnn_jax.validation.standard_errors import loss
        >>> float(loss(jnp.array([[0.25], [0.25]])))
        0.0
    """
    weights = 1.0 + jnp.arange(outputs.size, dtype=outputs.dtype).reshape(outputs.shape) / 2
    return jnp.sum(weights * (outputs - 0.25) ** 2)


def honesty(case: Case, seed: int = 0, entries: int = ENTRIES, shots: int = SHOTS) -> Honesty:
    """Estimate the gradient with many keys, fixed beforehand, and compare.

    Arguments:
        case: the rule and the cell.
        seed: of the keys, and of the place.
        entries: at least this many z.
        shots: per circuit.

    Returns:
        An `Honesty`. Entries whose variance is 0, that no shot can move, are left out.

    Example:
        >>> import jax
        >>> from qrnn_jax.validation.standard_errors import Case, honesty
        >>> with jax.enable_x64(True):
        ...     found = honesty(Case("ParameterShift", "pilot"), entries=350)
        >>> 0.7 < found.rms < 1.3, found.keys
        (True, 50)
    """
    cell = cells()[case.cell]
    fed = isinstance(cell, qj.FeedbackCell)
    params, xs = cell_inputs(feed_forward_cell() if fed else cell, STEPS, seed)
    if fed:
        params = {"weights": jnp.zeros(0), "controller": jnp.asarray(PARAMETERS)}
        xs = np.zeros((STEPS, 1))
    options: dict[str, Any] = {"gradient": RULES[case.rule], "shots": shots}
    if not case.joint:
        options["prefixes"] = True

    def one(key: Array) -> tuple[Array, Array]:
        found = qj.estimate_gradient(loss, cell, params, xs, key=key, **options)
        return ravel_pytree(found.gradient)[0], ravel_pytree(found.stderr)[0]

    size = ravel_pytree(params)[0].size
    keys = jax.random.split(jax.random.key(seed + 1), max(KEYS, -(-entries // size)))
    side = None if case.joint else 25  # keys at a time
    many = quick_jit(lambda k: jax.lax.map(one, k, batch_size=side))
    gradients, errors = map(np.asarray, many(keys))
    return scored(gradients, errors, _truth(cell, params, xs))


def _truth(cell: Any, params: Any, xs: np.ndarray) -> np.ndarray:
    def value(p: Any) -> Array:
        if isinstance(cell, qj.FeedbackCell):
            return loss(mean_outcomes(p["controller"])[: len(xs), None])
        return loss(qj.run(cell, p, jnp.asarray(xs)))

    exact = quick_jit(jax.grad(value))(params)
    return np.asarray(ravel_pytree(exact)[0])


def scored(gradients: np.ndarray, errors: np.ndarray, truth: np.ndarray) -> Honesty:
    """The statistics of z from estimates (keys, entries) and their errors.

    Example:
        >>> import numpy as np
        >>> from qrnn_jax.validation.standard_errors import scored
        >>> scored(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 0.0]] * 2), np.zeros(2))
        Honesty(entries=2, keys=2, rms=1.0, mean=0.0)
    """
    moved = (errors > 1e-9).all(axis=0)
    scores = (gradients[:, moved] - truth[moved]) / errors[:, moved]
    means = scores.mean(axis=1)
    mean = abs(means.mean()) / (means.std(ddof=1) / np.sqrt(len(means)))
    return Honesty(scores.size, len(scores), float(np.sqrt(np.mean(scores**2))), float(mean))
