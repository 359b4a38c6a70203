"""The registry of reproductions, in the order in which they run."""

from __future__ import annotations

from qrnn_jax.validation import Experiment

from .bausch_long import EXPERIMENT as BAUSCH_LONG
from .bausch_memorisation import EXPERIMENT as BAUSCH_MEMORISATION
from .bausch_mnist import EXPERIMENT as BAUSCH_MNIST
from .bausch_words import EXPERIMENT as BAUSCH_WORDS
from .bausch_xor import EXPERIMENT as BAUSCH_XOR
from .cv_against_lstm import EXPERIMENT as CV_AGAINST_LSTM
from .cv_digits import EXPERIMENT as CV_DIGITS
from .cv_fock import EXPERIMENT as CV_FOCK
from .cv_series import EXPERIMENT as CV_SERIES
from .cv_trends import EXPERIMENT as CV_TRENDS
from .takaki_cosine import EXPERIMENT as TAKAKI_COSINE
from .takaki_differences import EXPERIMENT as TAKAKI_DIFFERENCES
from .takaki_interaction import EXPERIMENT as TAKAKI_INTERACTION
from .takaki_memory import EXPERIMENT as TAKAKI_MEMORY
from .takaki_spin import EXPERIMENT as TAKAKI_SPIN
from .takaki_triangle import EXPERIMENT as TAKAKI_TRIANGLE
from .viqueira_replay import EXPERIMENT as VIQUEIRA_REPLAY
from .viqueira_seeds import EXPERIMENT as VIQUEIRA_SEEDS
from .viqueira_shots import EXPERIMENT as VIQUEIRA_SHOTS
from .viqueira_trajectories import EXPERIMENT as VIQUEIRA_TRAJECTORIES

REPRODUCTIONS: tuple[Experiment, ...] = (
    BAUSCH_MEMORISATION,
    BAUSCH_XOR,
    BAUSCH_WORDS,
    BAUSCH_LONG,
    BAUSCH_MNIST,
    CV_SERIES,
    CV_AGAINST_LSTM,
    CV_FOCK,
    CV_TRENDS,
    CV_DIGITS,
    TAKAKI_COSINE,
    TAKAKI_TRIANGLE,
    TAKAKI_SPIN,
    TAKAKI_INTERACTION,
    TAKAKI_MEMORY,
    TAKAKI_DIFFERENCES,
    VIQUEIRA_REPLAY,
    VIQUEIRA_SEEDS,
    VIQUEIRA_SHOTS,
    VIQUEIRA_TRAJECTORIES,
)
