"""The circuits in PennyLane: quantum functions on `default.qubit`, differentiated by `qml.grad`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pennylane as qml

from tests.others.calls import SHOTS, Call
from tests.others.cases import BY_NAME, STEPS

PAGE = "page 'Dynamic quantum circuits' (repository, commit 04a8001)"
SHIFT = (
    "Docstring of qml.gradients.param_shift: it computes 'the parameter-shift gradient of all "
    "gate parameters with respect to its inputs'."
)
DEFERRED = (
    "Deferred measurements: 'The adjoint method and the parameter-shift rule are supported if no "
    f"postselection is used'; {PAGE}, footnote 1."
)
DYNAMIC = (
    "One-shot: parameter-shift is supported 'in principle' without post-selection, and a warning "
    "says that dynamic circuits with shots 'should be differentiated with the finite difference "
    f"method'; {PAGE}, footnote 2 and section 'Dynamic one-shot sampling'."
)
FALLBACK = (
    "'Parameters within conditionally applied operations will fall back to finite differences, "
    f"so a proper value for h should be provided'; {PAGE}, footnote 2."
)
SIMULATED = f"'Backpropagation and finite differences are fully supported'; {PAGE}, footnote 1."
STEP = (
    "Signature of qml.gradients.finite_diff: `h: float = 1e-7`; its docstring's example with "
    "shots passes h=0.1."
)


def shared(angles: Any, gates: int) -> Any:
    for _ in range(gates):
        qml.RX(angles[0], 0)
    return qml.expval(qml.Z(0))


def recurrent(angles: Any) -> Any:
    for step in range(STEPS):
        if step:
            qml.measure(0, reset=True)
        qml.RX(angles[0], 0)
        qml.CNOT([0, 1])
        qml.RY(angles[1], 1)
        qml.CNOT([1, 0])
    return qml.expval(qml.Z(0))


def reset(angles: Any) -> Any:
    for step in range(3):
        qml.RX(angles[step], 0)
        qml.CNOT([0, 1])
        qml.RY(0.4, 1)
        qml.measure(0, reset=True)
    return qml.expval(qml.Z(1))


def conditional(angles: Any) -> Any:
    qml.RY(0.4, 1)
    qml.RX(angles[0], 0)
    bit = qml.measure(0)
    qml.cond(bit, qml.RY)(angles[1], 1)
    return qml.expval(qml.Z(1))


def post_selection(angles: Any) -> Any:
    qml.RX(angles[0], 0)
    qml.RY(angles[1], 1)
    qml.CNOT([1, 0])
    qml.measure(0, postselect=1)
    return qml.expval(qml.Z(1))


def sampled_outcome(angles: Any) -> Any:
    qml.RX(angles[0], 0)
    qml.CNOT([0, 1])
    qml.measure(0)
    qml.RY(angles[1], 1)
    return qml.expval(qml.Z(1))


CIRCUITS: dict[str, Callable] = {
    "shared-2": partial(shared, gates=2),
    "shared-3": partial(shared, gates=3),
    "recurrent": recurrent,
    "reset": reset,
    "conditional": conditional,
    "post-selection": post_selection,
    "sampled-outcome": sampled_outcome,
    "finite-difference": partial(shared, gates=2),
}


def ask(
    case: str,
    documentation: str,
    method: str = "parameter-shift",
    *,
    shots: int | None = None,
    options: dict[str, Any] | None = None,
    settings: str = "",
    **judged: Any,
) -> Call:
    """One QNode and its gradient; `settings` is how `options` are written in the record."""

    def run(seed: int | None) -> np.ndarray:
        node = qml.QNode(
            CIRCUITS[case],
            qml.device("default.qubit", seed=seed),
            diff_method=method,
            shots=shots,
            gradient_kwargs=options or {},
        )
        return qml.grad(node)(qml.numpy.array(BY_NAME[case].angles, requires_grad=True))

    sampled = f", shots={shots}" if shots else ""
    text = f'qml.grad(QNode(diff_method="{method}"{sampled}{settings}))'
    return Call(case, text, documentation, run, shots, **judged)


CENTRAL = partial(qml.gradients.finite_diff, h=0.3, strategy="center", approx_order=2)

CALLS = (
    ask("shared-2", SHIFT),
    ask("shared-3", SHIFT),
    ask("recurrent", DEFERRED),
    ask("recurrent", DYNAMIC, shots=SHOTS),
    ask("reset", DEFERRED),
    ask("reset", DYNAMIC, shots=SHOTS),
    ask("conditional", DEFERRED),
    ask("conditional", FALLBACK, shots=SHOTS),
    ask(
        "conditional",
        FALLBACK,
        shots=SHOTS,
        options={"fallback_fn": CENTRAL},
        settings=", fallback: central difference, h=0.3",
        standard_error=1 / (0.3 * np.sqrt(2 * SHOTS)),
    ),
    ask("post-selection", DEFERRED, unsupported=True),
    ask("post-selection", SIMULATED, "backprop"),
    ask("post-selection", SIMULATED, "finite-diff"),
    ask("sampled-outcome", SIMULATED, "backprop"),
    ask(
        "finite-difference",
        STEP,
        "finite-diff",
        shots=SHOTS,
        standard_error=np.sqrt(2 / SHOTS) / 1e-7,
    ),
)
