"""Classical recurrent networks of a kept library, trained as the quantum models are."""

from qrnn_jax.baselines.data import Examples as Examples
from qrnn_jax.baselines.data import examples as examples
from qrnn_jax.baselines.network import KINDS as KINDS
from qrnn_jax.baselines.network import Network as Network
from qrnn_jax.baselines.network import size_for as size_for
from qrnn_jax.baselines.scores import WordScores as WordScores
from qrnn_jax.baselines.scores import word_scores as word_scores
from qrnn_jax.baselines.train import Trained as Trained
from qrnn_jax.baselines.train import train_baseline as train_baseline
from qrnn_jax.baselines.tune import Trial as Trial
from qrnn_jax.baselines.tune import Tuned as Tuned
from qrnn_jax.baselines.tune import tune as tune
