"""One published model per file."""

from qrnn_jax.cells.noisy import Noisy as Noisy
from qrnn_jax.cells.takaki import Takaki as Takaki
from qrnn_jax.cells.viqueira import Viqueira as Viqueira
