"""What a step on a device costs, and which settings cannot work there; nothing is submitted."""

from __future__ import annotations

import qrnn_jax as qj

from .config import Config

SEARCHING = ("bfgs", "lbfgs", "polyak_sgd")  # optimizers that evaluate or trust the loss itself


def shots_per_step(
    cell: qj.AbstractCell, gradient: qj.AbstractEstimator, steps: int, shots: int
) -> int:
    """The shots of one gradient, its unperturbed circuit included.

    Equation: shots x (perturbed circuits + 1) x measurement settings.

    Arguments:
        cell, gradient: of the run.
        steps: T.
        shots: repetitions of every circuit, times the sequences of a step.

    Raises:
        ValueError: a device cannot read the cell's outputs.

    Example:
        >>> import qrnn_jax as qj
        >>> from qrnn_jax.training.device_checks import shots_per_step
        >>> cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
        >>> shots_per_step(cell, qj.ParameterShift(), steps=2, shots=20)
        500
    """
    circuits = gradient.evaluations(cell.circuit, steps) + 1
    return shots * circuits * len(qj.hardware.templates(cell, steps))


def device_conflicts(config: Config, gradient: qj.AbstractGradient | None, cost: int) -> list[str]:
    """Settings that a run on a device cannot have.

    Arguments:
        config: of the run.
        gradient: its rule.
        cost: shots of one step.

    Example:
        >>> from qrnn_jax.training.config import make_config
        >>> from qrnn_jax.training.device_checks import device_conflicts
        >>> from qrnn_jax.training.presets import preset
        >>> device_conflicts(make_config(preset("cosine")), None, 0)
        []
    """
    settings, found = config.device, []
    if settings is None:
        return []
    if config.training.precision == "float64":
        found.append(
            "Setting `training.precision` must be 'float32' on a device, whose noise is far above "
            "rounding, but is 'float64'; try `--set training.precision=float32`."
        )
    if config.optimizer.name in SEARCHING:
        found.append(
            "Setting `optimizer.name` must not search along a line on a device, where the loss is "
            f"uncertain, but is {config.optimizer.name!r}; try 'adam' with a learning rate."
        )
    if not isinstance(gradient, qj.AbstractEstimator) or gradient.needs_exact:
        found.append(
            "Setting `gradient.name` must be a rule that a device can follow, but is "
            f"{config.gradient.name!r}; try 'ParameterShift' or 'SPSA'."
        )
    elif gradient.sampled_refusal():
        found.append(f"Setting `gradient`: {gradient.sampled_refusal()}")
    elif cost > settings.budget:
        found.append(
            f"Setting `device.budget` must be at least the {cost} shots of one step, but is "
            f"{settings.budget}; try fewer `device.shots`, a smaller `training.batch`, or a rule "
            "with fewer circuits, such as 'SPSA'."
        )
    return found
