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
from qrnn_jax.ops.numerics import safe_arccos as safe_arccos
from qrnn_jax.ops.numerics import safe_sqrt as safe_sqrt
