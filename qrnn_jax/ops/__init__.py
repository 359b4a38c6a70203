"""Pure array functions: the reference semantics of everything above."""

from qrnn_jax.ops.apply import apply_diagonal as apply_diagonal
from qrnn_jax.ops.apply import apply_diagonal_unitary as apply_diagonal_unitary
from qrnn_jax.ops.apply import apply_matrix as apply_matrix
from qrnn_jax.ops.apply import apply_superoperator as apply_superoperator
from qrnn_jax.ops.apply import apply_unitary as apply_unitary
from qrnn_jax.ops.apply import superoperator as superoperator
from qrnn_jax.ops.density import hermitian_to_real as hermitian_to_real
from qrnn_jax.ops.density import partial_trace as partial_trace
from qrnn_jax.ops.density import real_to_hermitian as real_to_hermitian
from qrnn_jax.ops.density import tensor_density as tensor_density
from qrnn_jax.ops.expectation import density_expectation as density_expectation
from qrnn_jax.ops.expectation import marginal as marginal
from qrnn_jax.ops.expectation import vector_expectation as vector_expectation
from qrnn_jax.ops.fock import apply_to_axes as apply_to_axes
from qrnn_jax.ops.fock import beamsplitter_matrix as beamsplitter_matrix
from qrnn_jax.ops.fock import displacement_matrix as displacement_matrix
from qrnn_jax.ops.fock import loss_superoperator as loss_superoperator
from qrnn_jax.ops.fock import lowering as lowering
from qrnn_jax.ops.fock import squeezing_matrix as squeezing_matrix
from qrnn_jax.ops.fock import wave_functions as wave_functions
from qrnn_jax.ops.fock import x_outcome as x_outcome
from qrnn_jax.ops.numerics import safe_arccos as safe_arccos
from qrnn_jax.ops.numerics import safe_sqrt as safe_sqrt
