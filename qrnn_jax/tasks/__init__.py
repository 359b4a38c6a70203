"""Tasks: real and generated series cut into windows, and the baselines to beat."""

from collections.abc import Callable

from .base import Task as Task
from .base import Windows as Windows
from .baselines import Score as Score
from .baselines import linear_autoregression as linear_autoregression
from .baselines import persistence as persistence
from .baselines import score as score
from .baselines import variance as variance
from .cosine import cosine as cosine
from .decreasing_triangle import decreasing_triangle as decreasing_triangle
from .decreasing_triangle import validation_windows as validation_windows
from .scale import Standardiser as Standardiser
from .spin_chain import spin_chain as spin_chain
from .sunspots import sunspot_numbers as sunspot_numbers
from .sunspots import sunspots as sunspots
from .triangle import triangle as triangle
from .windows import pad as pad
from .windows import sliding_windows as sliding_windows
from .windows import washout as washout

TASKS: dict[str, Callable[..., Task]] = {
    "cosine": cosine,
    "decreasing_triangle": decreasing_triangle,
    "spin_chain": spin_chain,
    "sunspots": sunspots,
    "triangle": triangle,
}
