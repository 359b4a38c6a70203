"""Tasks: series cut into windows, streams of words, digits, and the baselines to beat."""

from collections.abc import Callable

from ._fifty_windows import validation_windows as validation_windows
from .base import Task as Task
from .base import Windows as Windows
from .baselines import Score as Score
from .baselines import linear_autoregression as linear_autoregression
from .baselines import persistence as persistence
from .baselines import score as score
from .baselines import variance as variance
from .cosine import cosine as cosine
from .cv_series import cv_series as cv_series
from .cv_series import fixed_batches as fixed_batches
from .cv_series import naive_as_coded as naive_as_coded
from .cv_series import sliding_forecast as sliding_forecast
from .decreasing_triangle import decreasing_triangle as decreasing_triangle
from .eight_by_eight import eight_by_eight as eight_by_eight
from .elman_words import elman_words as elman_words
from .marked_base import marked_base as marked_base
from .memorisation import memorisation as memorisation
from .mnist_pairs import mnist_pairs as mnist_pairs
from .scale import Standardiser as Standardiser
from .spin_chain import spin_chain as spin_chain
from .splits import Splits as Splits
from .splits import repeats as repeats
from .sunspots import sunspot_numbers as sunspot_numbers
from .sunspots import sunspots as sunspots
from .symbols import Symbols as Symbols
from .triangle import triangle as triangle
from .van_der_pol import forced_van_der_pol as forced_van_der_pol
from .van_der_pol import two_van_der_pols as two_van_der_pols
from .windows import pad as pad
from .windows import sliding_windows as sliding_windows
from .windows import washout as washout
from .xor import xor as xor

TASKS: dict[str, Callable[..., Task]] = {
    "cosine": cosine,
    "decreasing_triangle": decreasing_triangle,
    "spin_chain": spin_chain,
    "sunspots": sunspots,
    "triangle": triangle,
}
