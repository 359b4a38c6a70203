"""How f(weights, data) -> expectations is differentiated: one rule per file."""

from qrnn_jax.gradients.adjoint import Adjoint as Adjoint
from qrnn_jax.gradients.automatic import Automatic as Automatic
from qrnn_jax.gradients.backprop import Backprop as Backprop
from qrnn_jax.gradients.base import AbstractExpectations as AbstractExpectations
from qrnn_jax.gradients.base import AbstractGradient as AbstractGradient
from qrnn_jax.gradients.base import AbstractSimulatorGradient as AbstractSimulatorGradient
from qrnn_jax.gradients.checkpointed import Checkpointed as Checkpointed
from qrnn_jax.gradients.estimator import AbstractEstimator as AbstractEstimator
from qrnn_jax.gradients.finite_difference import FiniteDifference as FiniteDifference
from qrnn_jax.gradients.parameter_shift import ParameterShift as ParameterShift
from qrnn_jax.gradients.perturbation import AbstractPerturbation as AbstractPerturbation
from qrnn_jax.gradients.riesz import Riesz as Riesz
from qrnn_jax.gradients.shared_shift import SharedShift as SharedShift
from qrnn_jax.gradients.spsa import SPSA as SPSA
