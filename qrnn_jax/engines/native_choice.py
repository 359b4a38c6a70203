"""Which native loop a plan has."""

from qrnn_jax.engines.base import AbstractPlan
from qrnn_jax.engines.native import NativeLoop, native_refusal, unasked_refusal
from qrnn_jax.engines.native_real import RealLoop, real_loop, real_refusal, unasked_real_refusal
from qrnn_jax.engines.real_vector import RealVectorPlan
from qrnn_jax.engines.state_vector import StateVectorPlan


def loop_refusal(plan: AbstractPlan, *, unasked: bool = False) -> str | None:
    """Why a plan has no native loop on the default device, in a sentence; None if it has.

    Arguments:
        plan: how a circuit is run.
        unasked: whether it must be measured to be faster, too.
    """
    if isinstance(plan, RealVectorPlan):
        return unasked_real_refusal(plan) if unasked else real_refusal(plan)
    return unasked_refusal(plan) if unasked else native_refusal(plan)


def native_loop(plan: AbstractPlan) -> NativeLoop | RealLoop:
    """The loop of a plan that `loop_refusal` lets pass."""
    if isinstance(plan, RealVectorPlan):
        return real_loop(plan)
    assert isinstance(plan, StateVectorPlan)
    return NativeLoop.here(plan)
