"""Rules that may perturb the parameters of a loss as a whole, as the literature does.

One table serves both: `offsets` says where a function of n parameters is evaluated and what each
value counts for. The function is every output of a run, or the loss.
"""

import abc
from typing import Any

from jax import Array
from jax import numpy as jnp
from jax.typing import DTypeLike

from qrnn_jax.circuit import Circuit
from qrnn_jax.gradients.base import AbstractExpectations, Function
from qrnn_jax.gradients.runs import Point, Problem
from qrnn_jax.gradients.whole import AbstractWhole, flat, parameter_count

TARGETS = ("outputs", "loss")


class AbstractPerturbation(AbstractWhole):
    """A rule that acts on the outputs (then the chain rule), or directly on the loss.

    Example:
        >>> import qrnn_jax as qj
        >>> isinstance(qj.SPSA(), qj.AbstractPerturbation)
        True
    """

    on: str
    step: float | None
    is_unbiased = False

    @abc.abstractmethod
    def runs(self, size: int) -> int:
        """R, the number of runs for `size` parameters, 1 or more."""

    @abc.abstractmethod
    def offsets(self, size: int, dtype: DTypeLike, key: Any) -> tuple[Array, Array]:
        """How a scalar function of `size` parameters is differentiated.

        Returns:
            (R, size) offsets, and a (size, R) table: gradient = table @ values. The runs of one
            random draw stand together.
        """

    @abc.abstractmethod
    def split(self, size: int, dtype: DTypeLike) -> Array | None:
        """Relative numbers of shots of the runs for `size` parameters; None for equal ones."""

    @abc.abstractmethod
    def step_for(self, dtype: DTypeLike) -> float:
        """The step: the given one, or the best in exact runs of this type."""

    def refusal(self, circuit: Circuit) -> str | None:
        del circuit  # any smooth function has differences
        return None

    def problem_refusal(self, problem: Problem) -> str | None:
        return self.refusal(problem.circuit)

    def count(self, problem: Problem) -> int:
        size = parameter_count(problem)
        return self.runs(size) if size else 0

    def displacement(self, problem: Problem, point: Point, index: Array, key: Any) -> Array:
        return self.offsets(parameter_count(problem), point.tape.dtype, key)[0][index]

    def coefficients(self, problem: Problem, point: Point, tangent: Point, key: Any) -> Array:
        _, table = self.offsets(parameter_count(problem), point.tape.dtype, key)
        return jnp.matmul(flat(problem, tangent), table)

    def shares(self, problem: Problem, point: Point, key: Any) -> Array | None:
        del key
        return self.split(parameter_count(problem), point.tape.dtype)

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        if self.on == "loss":
            raise ValueError(
                f"Argument `gradient` must act on outputs here, but {self} differentiates the loss "
                'itself; try `qj.estimate_gradient(loss, ...)`, or `on="outputs"`.'
            )
        return super().differentiate(expectations)
