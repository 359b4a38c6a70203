"""The automatic choice: the fastest exact rule whose forecast of memory fits."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from qrnn_jax.circuit import Circuit
from qrnn_jax.engines.base import AbstractPlan, real_dtype
from qrnn_jax.engines.layered import layered_refusal
from qrnn_jax.engines.native_choice import loop_refusal, native_loop
from qrnn_jax.gradients.adjoint import Adjoint
from qrnn_jax.gradients.backprop import Backprop
from qrnn_jax.gradients.base import AbstractExpectations, AbstractGradient, Function, Start
from qrnn_jax.gradients.byte_sizes import as_bytes, readable
from qrnn_jax.gradients.checkpointed import Checkpointed
from qrnn_jax.gradients.footprint import Footprint, footprint
from qrnn_jax.gradients.parameter_shift import ParameterShift

_STORE_LIMIT = 2**20  # bytes that reverse mode may keep before recomputing is faster
_STATE_LIMIT = 2**26  # bytes of all states before keeping a few of them is faster


class Candidate(NamedTuple):
    """A rule that the automatic choice may take.

    Arguments:
        rule: the rule.
        why: what it does, in a sentence.
        obstacle: (plan, steps) -> why it cannot run, or is not the fastest, in a sentence; None if
            it can be.
    """

    rule: AbstractGradient
    why: str
    obstacle: Callable[[AbstractPlan, int], str | None]


def _storing(plan: AbstractPlan, steps: int) -> str | None:
    kept = steps * plan.stored_bytes()
    if kept <= _STORE_LIMIT:
        return None
    return f"a sequence would keep about {readable(kept)}: recomputing is faster over 1 MiB"


def _states(plan: AbstractPlan, steps: int) -> str | None:
    state = jax.eval_shape(lambda: plan.open(plan.init()))
    kept = steps * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    if kept <= _STATE_LIMIT:
        return None
    return f"a sequence has {readable(kept)} of states: keeping a few is faster over 64 MiB"


def _undoing(plan: AbstractPlan, steps: int) -> str | None:
    del steps
    return None if plan.is_reversible else "a step of this plan cannot be undone"


def _layers(plan: AbstractPlan, steps: int) -> str | None:
    del steps
    if jax.default_backend() != "cpu":
        return "layers were measured on CPUs only"
    return layered_refusal(plan)


# the fastest first; measured on a CPU, see docs/performance.md
CANDIDATES = (
    Candidate(
        Adjoint(),
        "the loop and its reverse are native code",
        lambda plan, steps: loop_refusal(plan, unasked=True),
    ),
    Candidate(Backprop(), "all that the steps make stays in the cache", _storing),
    Candidate(Adjoint(kernel="layers"), "JAX undoes a step's layers, a batch at once", _layers),
    Candidate(
        Checkpointed(every=1), "the state before each step is kept, the rest remade", _states
    ),
    Candidate(
        Checkpointed(),
        "about sqrt(T) states are kept, the rest is remade twice",
        lambda plan, steps: None,
    ),
    Candidate(
        Adjoint(kernel="reference"), "steps are undone, and no state of them is kept", _undoing
    ),
)


@final
@dataclass(frozen=True)
class Automatic(AbstractGradient):
    """The fastest exact rule whose forecast of memory fits; what `gradient=None` stands for.

    Equation: the first of native `Adjoint`, `Backprop`, `Adjoint(kernel="layers")`,
    `Checkpointed(every=1)`, `Checkpointed()`, `Adjoint(kernel="reference")` that can run, is not
    slower than the next for this plan and T, and whose forecast is at most `memory`. Under `shots`:
    `ParameterShift`.

    The forecast is the peak of the temporary bytes of one gradient in the weights, read off its
    traced program without compiling; it is within a fifth or so of what XLA reserves on a CPU.
    Parameters, data and outputs are not in it, nor what the rest of a program holds. The chosen
    rule is what `qj.explain` shows; it may be reverse-only.

    Arguments:
        memory: what a gradient may take: bytes, or a text such as "500MB" or "2GiB"; None sets no
            limit, and nothing is forecast.
        batch: sequences that `jax.vmap` runs side by side; `run` sees one of them, so say how many.

    Raises:
        ValueError: a memory or a batch that cannot be read; at run time, when no rule fits (the
            smallest forecast is named), or a limit under `shots`.

    Example:
        >>> import jax, jax.numpy as jnp, qrnn_jax as qj
        >>> cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, qj.Weight(0)), qj.Reset(0))), (qj.Z(0),))
        >>> rule = qj.Automatic(memory="1MB", batch=8)
        >>> f = lambda w, x: qj.run(cell, w, x, gradient=rule).sum()
        >>> total = lambda w: jax.vmap(lambda x: f(w, x))(jnp.zeros((8, 3, 0))).sum()
        >>> jax.grad(total)(jnp.zeros(1)).shape
        (1,)

    Source: the rules' own; the cost model is in docs/performance.md.
    """

    memory: int | str | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        as_bytes(self.memory)
        if isinstance(self.batch, bool) or not isinstance(self.batch, int) or self.batch < 1:
            raise ValueError(
                f"Argument `batch` must be an integer of 1 or more, but is {self.batch!r}."
            )

    def refusal(self, circuit: Circuit) -> str | None:
        del circuit
        return None

    @property
    def needs_exact(self) -> bool:
        return False

    @property
    def is_random(self) -> bool:
        return False

    def differentiate(self, expectations: AbstractExpectations) -> Function:
        def run(weights: Array, data: Array, start: Start) -> tuple:
            rule = self.choose(expectations, len(data)).rule
            return rule.differentiate(expectations)(weights, data, start)

        return run

    def choose(self, expectations: AbstractExpectations, steps: int) -> "Choice":
        """The rule for T steps, and why."""
        limit = as_bytes(self.memory)
        if expectations.shots is None:
            return _chosen(expectations, steps, limit, self.batch, jax.default_backend())
        if limit is None:
            return Choice(ParameterShift(), "a device can measure it", ())
        raise ValueError(
            f"Argument `memory` must be None where outcomes are drawn, but is {self.memory!r}: "
            "only exact runs are forecast; try `qj.ParameterShift(chunk=...)`, which runs that "
            "many shifted circuits at a time."
        )


class Choice(NamedTuple):
    """A rule, why it was taken, and why each of the others was not."""

    rule: AbstractGradient
    why: str
    refused: tuple[tuple[AbstractGradient, str], ...]


@lru_cache(maxsize=256)
def _chosen(
    expectations: AbstractExpectations, steps: int, limit: int | None, batch: int, backend: str
) -> Choice:
    """The backend, which candidates look at, is among the keys of the cache only."""
    del backend
    refused: list[tuple[AbstractGradient, str]] = []
    sizes = []
    for place, candidate in enumerate(CANDIDATES):
        reason = candidate.obstacle(expectations.plan, steps)
        if reason is None and limit is not None:
            sizes.append(forecast(expectations, candidate.rule, steps, batch).peak_bytes)
            if sizes[-1] > limit:
                reason = f"would take {readable(sizes[-1])}, more than the memory allowed"
        if reason is None:
            later = ((other.rule, "slower here") for other in CANDIDATES[place + 1 :])
            return Choice(candidate.rule, candidate.why, (*refused, *later))
        refused.append((candidate.rule, reason))
    raise ValueError(
        f"Argument `memory` must be at least {min(sizes)} bytes ({readable(min(sizes))}) for T = "
        f"{steps} and batch = {batch}, the smallest forecast of any rule, but is {limit}; "
        "try a smaller batch, or shorter sequences."
    )


@lru_cache(maxsize=256)
def forecast(
    expectations: AbstractExpectations, rule: AbstractGradient, steps: int, batch: int
) -> Footprint:
    """What one gradient in the weights takes; nothing is compiled.

    Equation: of d/dw sum_bt f(w, data_b)_t^2.

    Arguments:
        expectations: the quantum part, exact.
        rule: a simulator's rule.
        steps: T.
        batch: sequences side by side.
    """
    plan, circuit = expectations.plan, expectations.circuit
    function, kind = rule.differentiate(expectations), real_dtype(plan.dtype)

    def total(weights: Array, data: Array) -> Array:
        start = Start(plan.init())
        return jnp.sum(jax.vmap(lambda one: function(weights, one, start)[0])(data) ** 2)

    weights = jax.ShapeDtypeStruct((circuit.weight_count,), kind)
    data = jax.ShapeDtypeStruct((batch, steps, circuit.data_count), kind)
    found = footprint(jax.value_and_grad(total), weights, data)
    if isinstance(rule, Adjoint) and rule.native_refusal(plan) is None:
        kept = native_loop(plan).kept_bytes(steps, batch)
        return found._replace(peak_bytes=found.peak_bytes + kept)
    return found
