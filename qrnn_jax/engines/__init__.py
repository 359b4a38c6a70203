"""How a circuit acts on a state."""

from qrnn_jax.engines.base import AbstractEngine as AbstractEngine
from qrnn_jax.engines.base import AbstractExactEngine as AbstractExactEngine
from qrnn_jax.engines.base import AbstractPlan as AbstractPlan
from qrnn_jax.engines.density_matrix import DensityMatrix as DensityMatrix
from qrnn_jax.engines.fock import Fock as Fock
from qrnn_jax.engines.gaussian import Gaussian as Gaussian
from qrnn_jax.engines.real_vector import RealVector as RealVector
from qrnn_jax.engines.sampler import AbstractSource as AbstractSource
from qrnn_jax.engines.sampler import Estimate as Estimate
from qrnn_jax.engines.state_vector import StateVector as StateVector
from qrnn_jax.engines.trajectories import Trajectories as Trajectories
