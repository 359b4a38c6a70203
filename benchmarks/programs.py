"""Which programs run on which workload."""

from dataclasses import dataclass
from typing import final

import qrnn_jax as qj
from benchmarks.ours import cell, library_loss
from benchmarks.plain_fused import fused_loss
from benchmarks.plain_jax import Loss, plain_loss
from benchmarks.workloads import Workload
from qrnn_jax.circuit.groups import Group
from qrnn_jax.engines import AbstractPlan
from qrnn_jax.engines.base import complex_dtype
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.kraus import KrausPlan
from qrnn_jax.engines.sampler import AbstractSampler
from qrnn_jax.setup import plan_for

PLAIN = "plain JAX, gate by gate"
OURS = "ours"
FUSED = "plain JAX, step fused by hand"
BACKPROP = "ours, Backprop"
CHECKPOINTED = "ours, Checkpointed"
LAYERED = "ours, Adjoint by layers, pure JAX"
SHARED = "ours, ParameterShift, one sweep"
REPLAY = "ours, ParameterShift, every circuit"
_PLANS: dict[str, type[KrausPlan] | type[DensePlan]] = {
    "ours, Kraus blocks": KrausPlan,
    "ours, full density matrix": DensePlan,
}


@final
@dataclass(frozen=True)
class Forced(qj.AbstractExactEngine):
    """An engine that always takes one plan, where `DensityMatrix` would choose by cost."""

    kind: type[KrausPlan] | type[DensePlan]

    def refusal(self, circuit: qj.Circuit) -> str | None:
        return None

    def plan(
        self, circuit: qj.Circuit, observables: tuple[qj.AbstractObservable, ...]
    ) -> AbstractPlan:
        return self.kind(circuit, observables, complex_dtype(None))

    def sampler(
        self,
        circuit: qj.Circuit,
        observables: tuple[qj.AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        return qj.DensityMatrix().sampler(circuit, observables, group)


def programs(workload: Workload) -> dict[str, Loss]:
    """Programs by name; the first is the peer that ratios are taken against."""
    if workload.name == "S1":
        rules = {
            BACKPROP: qj.Backprop(),
            SHARED: qj.ParameterShift(route="shared"),
            REPLAY: qj.ParameterShift(),
        }
        return {name: library_loss(workload, gradient=rule) for name, rule in rules.items()}
    losses = {PLAIN: plain_loss(workload), OURS: library_loss(workload)}
    losses[FUSED] = fused_loss(workload)
    losses[CHECKPOINTED] = library_loss(workload, gradient=qj.Checkpointed())
    if workload.family == "reset":
        losses[SHARED] = library_loss(workload, gradient=qj.ParameterShift(route="shared"))
        for name, kind in _PLANS.items():
            losses[name] = library_loss(workload, engine=Forced(kind))
    else:
        losses[LAYERED] = library_loss(workload, gradient=qj.Adjoint(kernel="layers"))
        losses[BACKPROP] = library_loss(workload, gradient=qj.Backprop())
    return losses


def is_ours(name: str) -> bool:
    """Whether a program is the library's own."""
    return name == OURS or name.startswith(f"{OURS}, ")


def chosen_plan(workload: Workload) -> str:
    """The name of the plan that `ours` takes without being told."""
    return type(plan_for(cell(workload), None)).__name__
