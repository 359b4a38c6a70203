"""The circuits in TensorCircuit-NG, JAX backend, complex128.

Its `Circuit` samples a measurement's outcome; 1000 trajectories are averaged by `vmap`, each with
its own uniform random numbers. Its `DMCircuit` keeps the mixture and is exact.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorcircuit as tc
from tensorcircuit.experimental import parameter_shift_grad, parameter_shift_grad_v2

from tests.others.calls import SHOTS, Call
from tests.others.cases import BY_NAME, STEPS

tc.set_backend("jax")
tc.set_dtype("complex128")

EXAMPLE = "examples/qaoa_shot_noise.py of the TensorCircuit repository (commit 1049603)"
SHIFT = (
    "Docstring of experimental.parameter_shift_grad: 'similar to `grad` function but using "
    "parameter shift internally instead of AD'; a sentence on an entry used by several gates: not "
    f"found there; {EXAMPLE}, whose entries are shared, has the comment 'parameter shift doesn't "
    "directly apply in QAOA case'."
)
SHIFT_SAMPLED = (
    "Docstring of experimental.parameter_shift_grad_v2: 'v2 also supports random generator'; a key "
    "'is split into independent subkeys for each shifted circuit instance evaluation'."
)
AUTODIFF = (
    "Page 'Quick Start', paragraph 'AD Support': 'TensorCircuit-NG supports various "
    "differentiation operations', gradients first (repository, commit 11c1c74)."
)
SAMPLED = (
    "Docstring of Circuit.cond_measurement: 'this method can return the measured result as a int "
    "Tensor and thus maintained a jittable pipeline'; a sentence on its derivative: not found."
)
MIXED = (
    "Docstring of DMCircuit.cond_measurement: it 'returns nothing and the density matrix after "
    "this method is kept in mixed state without knowing the measurement results'."
)
SELECTED = (
    "Docstring of Circuit.post_select: 'the wavefunction output is not normalized [...] one should "
    "normalize the state manually if needed'; a sentence on its derivative: not found."
)
STEP = (
    "A default step for sampled functions on the JAX backend: not found; the call and its step "
    f"are those of {EXAMPLE}; the default of experimental.finite_difference_differentiator "
    "(TensorFlow only) is the same shifts=(0.001, 0.002)."
)


def z(circuit: Any, wire: int) -> jax.Array:
    return jnp.real(circuit.expectation_ps(z=[wire]))


def shared(gates: int) -> Callable:
    def value(angles: jax.Array) -> jax.Array:
        circuit = tc.Circuit(1)
        for _ in range(gates):
            circuit.rx(0, theta=angles[0])
        return z(circuit, 0)

    return value


def recurrent(angles: jax.Array) -> jax.Array:
    circuit = tc.DMCircuit(2)
    for step in range(STEPS):
        if step:
            circuit.reset(0)
        circuit.rx(0, theta=angles[0])
        circuit.cnot(0, 1)
        circuit.ry(1, theta=angles[1])
        circuit.cnot(1, 0)
    return z(circuit, 0)


def reset(angles: jax.Array) -> jax.Array:
    circuit = tc.DMCircuit(2)
    for step in range(3):
        circuit.rx(0, theta=angles[step])
        circuit.cnot(0, 1)
        circuit.ry(1, theta=0.4)
        circuit.reset(0)
    return z(circuit, 1)


def reset_sampled(angles: jax.Array, uniform: jax.Array) -> jax.Array:
    circuit = tc.Circuit(2)
    for step in range(3):
        circuit.rx(0, theta=angles[step])
        circuit.cnot(0, 1)
        circuit.ry(1, theta=0.4)
        bit = circuit.cond_measurement(0, status=uniform[step])
        circuit.conditional_gate(bit, [tc.gates.i(), tc.gates.x()], 0)
    return z(circuit, 1)


def conditional(angles: jax.Array, uniform: jax.Array) -> jax.Array:
    circuit = tc.Circuit(2)
    circuit.ry(1, theta=0.4)
    circuit.rx(0, theta=angles[0])
    bit = circuit.cond_measurement(0, status=uniform[0])
    circuit.conditional_gate(bit, [tc.gates.i(), tc.gates.ry(theta=angles[1])], 1)
    return z(circuit, 1)


def conditional_mixed(angles: jax.Array) -> jax.Array:
    circuit = tc.DMCircuit(2)
    circuit.ry(1, theta=0.4)
    circuit.rx(0, theta=angles[0])
    bit = circuit.cond_measurement(0)
    circuit.conditional_gate(bit, [tc.gates.i(), tc.gates.ry(theta=angles[1])], 1)
    return z(circuit, 1)


def post_selection(angles: jax.Array) -> jax.Array:
    circuit = tc.Circuit(2)
    circuit.rx(0, theta=angles[0])
    circuit.ry(1, theta=angles[1])
    circuit.cnot(1, 0)
    circuit.post_select(0, keep=1)
    state = circuit.state()
    return z(circuit, 1) / jnp.real(jnp.vdot(state, state))


def sampled_outcome(angles: jax.Array, uniform: jax.Array) -> jax.Array:
    circuit = tc.Circuit(2)
    circuit.rx(0, theta=angles[0])
    circuit.cnot(0, 1)
    circuit.cond_measurement(0, status=uniform[0])
    circuit.ry(1, theta=angles[1])
    return z(circuit, 1)


def summed_outcome(angles: jax.Array) -> jax.Array:
    """The same circuit with both outcomes kept, as a mixture."""
    circuit = tc.DMCircuit(2)
    circuit.rx(0, theta=angles[0])
    circuit.cnot(0, 1)
    circuit.cond_measurement(0)
    circuit.ry(1, theta=angles[1])
    return z(circuit, 1)


def one_shot(angles: jax.Array, uniform: jax.Array) -> jax.Array:
    """One shot of Z on one wire, as +1 or -1."""
    circuit = tc.Circuit(1)
    for _ in range(2):
        circuit.rx(0, theta=angles[0])
    return 1.0 - 2.0 * circuit.cond_measurement(0, status=uniform[0])


def averaged(value: Callable, numbers: int) -> Callable:
    """The mean over `SHOTS` trajectories, as a function of the angles and a key."""

    def mean(angles: jax.Array, key: jax.Array) -> jax.Array:
        uniform = jax.random.uniform(key, (SHOTS, numbers))
        return jnp.mean(jax.vmap(value, (None, 0))(angles, uniform))

    return mean


MIXTURES = (recurrent, reset, conditional_mixed, summed_outcome)


def exact(
    case: str, documentation: str, rule: str, value: Callable, *, note: str = "", **judged: Any
) -> Call:
    form = "DMCircuit" if value in MIXTURES else "Circuit"

    def run(seed: None) -> np.ndarray:
        del seed
        return np.asarray(EXACT_RULES[rule](value)(jnp.asarray(BY_NAME[case].angles)))

    return Call(case, f"tc.{rule}({form}{note})", documentation, run, **judged)


def sampled(
    case: str,
    documentation: str,
    rule: str,
    value: Callable,
    *,
    numbers: int = 1,
    shifts: tuple[float, float] | None = None,
    **judged: Any,
) -> Call:
    options = {} if shifts is None else {"shifts": shifts}
    settings = "" if shifts is None else f", shifts={shifts}"

    def run(seed: int) -> np.ndarray:
        gradient = SAMPLED_RULES[rule](averaged(value, numbers), **options)
        return np.asarray(gradient(jnp.asarray(BY_NAME[case].angles), jax.random.PRNGKey(seed)))

    text = f"tc.{rule}(mean of {SHOTS} sampled Circuits{settings})"
    return Call(case, text, documentation, run, SHOTS, **judged)


AD, PS, PS2 = (
    "backend.grad",
    "experimental.parameter_shift_grad",
    "experimental.parameter_shift_grad_v2",
)
EXACT_RULES: dict[str, Callable] = {AD: tc.backend.grad, PS: parameter_shift_grad}
SAMPLED_RULES: dict[str, Callable] = {
    AD: tc.backend.grad,
    PS2: partial(parameter_shift_grad_v2, random_argnums=1),
}

CALLS = (
    exact("shared-2", SHIFT, PS, shared(2)),
    exact("shared-2", AUTODIFF, AD, shared(2)),
    exact("shared-3", SHIFT, PS, shared(3)),
    exact("shared-3", AUTODIFF, AD, shared(3)),
    exact("recurrent", SHIFT, PS, recurrent),
    exact("recurrent", AUTODIFF, AD, recurrent),
    exact("reset", SHIFT, PS, reset),
    sampled("reset", SHIFT_SAMPLED, PS2, reset_sampled, numbers=3),
    exact("conditional", MIXED, AD, conditional_mixed, unsupported=True),
    sampled("conditional", SHIFT_SAMPLED, PS2, conditional),
    sampled("conditional", SAMPLED, AD, conditional),
    exact("post-selection", SELECTED, PS, post_selection, note=", normalised by the caller"),
    exact("post-selection", SELECTED, AD, post_selection, note=", normalised by the caller"),
    sampled("sampled-outcome", SAMPLED, AD, sampled_outcome),
    sampled("sampled-outcome", SHIFT_SAMPLED, PS2, sampled_outcome),
    exact("sampled-outcome", MIXED, AD, summed_outcome),
    sampled(
        "finite-difference",
        STEP,
        PS2,
        one_shot,
        shifts=(0.001, 0.002),
        standard_error=np.sqrt(2 / SHOTS) / 0.002,
    ),
)
