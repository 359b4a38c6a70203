"""Rules that may perturb the parameters of a loss as a whole, as the literature does."""

import abc
from typing import Any

from jax import Array
from jax.typing import DTypeLike

from qrnn_jax.gradients.estimator import AbstractEstimator

TARGETS = ("outputs", "loss")


class AbstractPerturbation(AbstractEstimator):
    """A rule that acts on the outputs (then the chain rule), or directly on the loss.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.SPSA(), qj.AbstractPerturbation)
        True
    """

    on: str

    @abc.abstractmethod
    def offsets(self, size: int, dtype: DTypeLike, key: Any) -> tuple[Array, Array]:
        """How a scalar function of `size` parameters is differentiated.

        Returns:
            (R, size) offsets, and a (size, R) table: gradient = table @ values. The runs of one
            random draw stand together.
        """
