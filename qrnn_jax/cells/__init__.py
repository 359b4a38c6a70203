"""One published model per file."""

from qrnn_jax.cells.bausch import Bausch as Bausch
from qrnn_jax.cells.bausch_words import Sample as Sample
from qrnn_jax.cells.bausch_words import overhead as overhead
from qrnn_jax.cells.bausch_words import sample as sample
from qrnn_jax.cells.cv import CVQRNN as CVQRNN
from qrnn_jax.cells.cv import expected_loss as expected_loss
from qrnn_jax.cells.cv import output_variance as output_variance
from qrnn_jax.cells.noisy import Noisy as Noisy
from qrnn_jax.cells.takaki import Takaki as Takaki
from qrnn_jax.cells.viqueira import Viqueira as Viqueira
