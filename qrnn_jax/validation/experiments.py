"""The registry of experiments, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from .device_noise import EXPERIMENT as DEVICE_NOISE
from .equal_budget import EXPERIMENT as EQUAL_BUDGET
from .exactness import EXPERIMENT as EXACTNESS
from .experiment import Experiment
from .feed_forward import EXPERIMENT as FEED_FORWARD
from .loss_bias import EXPERIMENT as LOSS_BIAS
from .post_selection import EXPERIMENT as POST_SELECTION
from .sequence_length import EXPERIMENT as SEQUENCE_LENGTH
from .silent_failures import EXPERIMENT as SILENT_FAILURES
from .slopes import EXPERIMENT as SLOPES
from .training_budget import EXPERIMENT as TRAINING_BUDGET
from .vanishing import EXPERIMENT as VANISHING

EXPERIMENTS: tuple[Experiment, ...] = (
    EXACTNESS,
    SILENT_FAILURES,
    SLOPES,
    SEQUENCE_LENGTH,
    EQUAL_BUDGET,
    DEVICE_NOISE,
    FEED_FORWARD,
    POST_SELECTION,
    LOSS_BIAS,
    TRAINING_BUDGET,
    VANISHING,
)


def chosen(
    names: Sequence[str], experiments: Sequence[Experiment] = EXPERIMENTS
) -> tuple[Experiment, ...]:
    """The experiments of some names, in their order; all of them for none.

    Raises:
        ValueError: a name that no experiment has.

    Example:
        >>> from qrnn_jax.validation.experiments import chosen
        >>> [experiment.title for experiment in chosen(("E1",))]
        ['Exactness']
    """
    known = [experiment.name for experiment in experiments]
    for name in names:
        if name not in known:
            raise ValueError(
                f"Argument `only` must name experiments, but holds {name!r}; "
                f"try one of {', '.join(known)}."
            )
    return tuple(e for e in experiments if not names or e.name in names)
