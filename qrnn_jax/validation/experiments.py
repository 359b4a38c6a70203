"""The registry of experiments, in the order in which they run."""

from __future__ import annotations

from .exactness import EXPERIMENT as EXACTNESS
from .experiment import Experiment
from .silent_failures import EXPERIMENT as SILENT_FAILURES

EXPERIMENTS: tuple[Experiment, ...] = (
    EXACTNESS,
    SILENT_FAILURES,
)


def chosen(names: tuple[str, ...]) -> tuple[Experiment, ...]:
    """The experiments of some names, in the registry's order; all of them for none.

    Raises:
        ValueError: a name that no experiment has.

    Example:
        >>> from qrnn_jax.validation.experiments import chosen
        >>> [experiment.title for experiment in chosen(("E1",))]
        ['exactness']
    """
    known = [experiment.name for experiment in EXPERIMENTS]
    for name in names:
        if name not in known:
            raise ValueError(
                f"Argument `only` must name experiments, but holds {name!r}; "
                f"try one of {', '.join(known)}."
            )
    return tuple(e for e in EXPERIMENTS if not names or e.name in names)
