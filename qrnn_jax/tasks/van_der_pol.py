"""Tasks (b) and (c) of Viqueira et al.: relaxation oscillators, looked for some time ahead."""

import numpy as np

from ._checks import FloatArray
from ._fifty_windows import SAMPLES, fifty_windows
from .base import Task
from .scale import Standardiser

SHRINK = 0.25  # from the oscillator's position to the signal, in radians
SOURCE = "Viqueira et al., doi 10.1088/2632-2153/ad9431, arXiv:2310.20671"
LICENCE = "Generated from a formula; no licence needed."


def forced_van_der_pol(*, seed: int = 1) -> Task:
    """Predict a forced Van der Pol oscillator 15 time units ahead: task (b).

    x'' = 2 (1 - x^2) x' - x + sin(2 pi t / 3), x(0) = 1, x'(0) = 0; signal s = x / 4, sampled on
    t = linspace(0, 115, 1150). Input s_i, given to both exchange qubits; target s_{i + 150}.
    Windows and splits as in `decreasing_triangle`.

    **Depends on the platform.** The published data come from SciPy's RK45 at its default tolerance,
    whose step sizes flip with rounding: after some 100 samples two machines drift apart, by up to
    0.13. Compare with published errors loosely, and models with one another on the same machine.

    A linear model of 8 past values has the errors 0.084, 0.12, 0.12 (root mean square; train,
    validation, test), as good as the published quantum runs: 0.083, 0.093, 0.116.

    Arguments:
        seed: of the validation draw; the publication used 1.

    Returns:
        `train` (32, 20, 2) with outputs (32, 20, 1), `validation` and `test` likewise.

    Raises:
        ValueError: if `seed` is negative.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.forced_van_der_pol()
        >>> task.train.inputs.shape, task.train.targets.shape, len(task.test)
        ((32, 20, 2), (32, 20, 1), 10)

    Source: Viqueira et al., Mach. Learn.: Sci. Technol. 6 (2025), doi 10.1088/2632-2153/ad9431,
    arXiv:2310.20671.
    """
    ahead = 150
    signal = SHRINK * _oscillator(2.0, SAMPLES + ahead, force=1.0)
    series = np.stack([signal, signal], axis=1)  # (S, 2)
    train, validation, test = fifty_windows(series[:SAMPLES], signal[ahead:, None], seed=seed)
    return Task(
        name="forced_van_der_pol",
        train=train,
        validation=validation,
        test=test,
        series=series,
        scale=Standardiser.identity(),
        description="Forced Van der Pol oscillator, 15 time units ahead; platform-dependent.",
        source=f"{SOURCE}, task (b).",
        licence=LICENCE,
    )


def two_van_der_pols(*, seed: int = 0) -> Task:
    """Predict a mixture of two Van der Pol oscillators at different delays: task (c).

    x'' = mu (1 - x^2) x' - x with mu = 2 (first) and mu = 1 (second), x(0) = 1, x'(0) = 0; signals
    f = x / 4 and g = x / 4 on t = linspace(0, 118, 1180), one to each exchange qubit. Target
    f_{i + 50} + 0.1 g_{i + 180}. Windows and splits as in `decreasing_triangle`.

    **Depends on the platform**, as `forced_van_der_pol` does; the second signal alone does not.
    Here the published quantum runs (test 0.046) beat a linear model of 16 past values (0.15).

    Arguments:
        seed: of the validation draw; the publication used 0.

    Returns:
        `train` (32, 20, 2) with outputs (32, 20, 1), `validation` and `test` likewise.

    Raises:
        ValueError: if `seed` is negative.

    Example:
        >>> from qrnn_jax import tasks
        >>> task = tasks.two_van_der_pols()
        >>> bool((task.series[0] == 0.25).all()), task.test.scored
        (True, 50)

    Source: Viqueira et al., Mach. Learn.: Sci. Technol. 6 (2025), doi 10.1088/2632-2153/ad9431,
    arXiv:2310.20671.
    """
    near, far = 50, 180
    first, second = (SHRINK * _oscillator(mu, SAMPLES + far) for mu in (2.0, 1.0))
    series = np.stack([first, second], axis=1)  # (S, 2)
    targets = first[near : near + SAMPLES] + 0.1 * second[far:]
    train, validation, test = fifty_windows(series[:SAMPLES], targets[:, None], seed=seed)
    return Task(
        name="two_van_der_pols",
        train=train,
        validation=validation,
        test=test,
        series=series,
        scale=Standardiser.identity(),
        description="Two Van der Pol oscillators, 5 and 18 time units ahead; platform-dependent.",
        source=f"{SOURCE}, task (c).",
        licence=LICENCE,
    )


def _oscillator(mu: float, samples: int, *, force: float = 0.0) -> FloatArray:
    """x on a grid of `samples` points, 10 per time unit, from x = 1 at rest."""
    from scipy.integrate import solve_ivp  # slow to import, and JAX brings it

    def slope(time: float, state: FloatArray) -> list[float]:
        position, velocity = state
        push = force * np.sin(2.0 * np.pi * time / 3.0)
        return [velocity, mu * (1.0 - position**2) * velocity - position + push]

    end = samples / 10.0
    grid = np.linspace(0.0, end, samples)
    return solve_ivp(slope, (0.0, end), (1.0, 0.0), t_eval=grid).y[0]
