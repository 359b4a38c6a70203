"""How f(weights, data) -> expectations is differentiated: one rule per file."""

from qrnn_jax.gradients.backprop import Backprop as Backprop
from qrnn_jax.gradients.base import AbstractExpectations as AbstractExpectations
from qrnn_jax.gradients.base import AbstractGradient as AbstractGradient
from qrnn_jax.gradients.checkpointed import Checkpointed as Checkpointed
from qrnn_jax.gradients.parameter_shift import ParameterShift as ParameterShift
