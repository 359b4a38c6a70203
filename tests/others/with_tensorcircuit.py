"""The circuits in TensorCircuit-NG, JAX backend, complex128.

Its `Circuit` samples a measurement's outcome; 1000 trajectories are averaged by `vmap`, each with
its own uniform random numbers. Its `DMCircuit` keeps the mixture and is exact.
"""

from collections.abc import Callable
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

SHIFT = (
    "Docstring of experimental.parameter_shift_grad: 'similar to `grad` function but using "
    "parameter shift internally instead of AD'; no sentence on an entry used by several gates was "
    "found there; the project's examples/qaoa_shot_noise.py, whose entries are shared, has the "
    "comment 'parameter shift doesn't directly apply in QAOA case'."
)
SHIFT_SAMPLED = (
    "Docstring of experimental.parameter_shift_grad_v2: 'v2 also supports random generator for "
    "finite measurememt shot'."
)
AUTODIFF = "Page 'Quick Start', section 'AD Support': gradients are supported by automatic differentiation."
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
    "No default step for sampled functions was found; the project's examples/qaoa_shot_noise.py "
    "passes shifts=(0.001, 0.002), as do the defaults of experimental."
    "finite_difference_differentiator (TensorFlow only)."
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
    circuit.rx(0, theta=angles[0])
    bit = circuit.cond_measurement(0, status=uniform[0])
    circuit.conditional_gate(bit, [tc.gates.i(), tc.gates.ry(theta=angles[1])], 1)
    return z(circuit, 1)


def conditional_mixed(angles: jax.Array) -> jax.Array:
    circuit = tc.DMCircuit(2)
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


def shots_of_shared(angles: jax.Array, uniform: jax.Array) -> jax.Array:
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


def exact(case: str, documentation: str, rule: Callable, value: Callable, **judged: Any) -> Call:
    name = "backend.grad" if rule is tc.backend.grad else "experimental.parameter_shift_grad"
    form = {recurrent: "DMCircuit", reset: "DMCircuit", conditional_mixed: "DMCircuit"}

    def run(seed: None) -> np.ndarray:
        del seed
        return np.asarray(rule(value)(jnp.asarray(BY_NAME[case].angles)))

    text = f"tc.{name}({form.get(value, 'Circuit')})"
    return Call(case, text, documentation, run, **judged)


def sampled(
    case: str,
    documentation: str,
    rule: Callable,
    value: Callable,
    *,
    numbers: int = 1,
    settings: str = "",
    **judged: Any,
) -> Call:
    shifted = rule is not tc.backend.grad
    name = "experimental.parameter_shift_grad_v2" if shifted else "backend.grad"

    def run(seed: int) -> np.ndarray:
        gradient = rule(averaged(value, numbers))
        return np.asarray(gradient(jnp.asarray(BY_NAME[case].angles), jax.random.PRNGKey(seed)))

    text = f"tc.{name}(mean of {SHOTS} sampled Circuits{settings})"
    return Call(case, text, documentation, run, SHOTS, **judged)


def shift_sampled(value: Callable) -> Callable:
    return parameter_shift_grad_v2(value, random_argnums=1)


def difference(value: Callable) -> Callable:
    return parameter_shift_grad_v2(value, random_argnums=1, shifts=(0.001, 0.002))


CALLS = (
    exact("shared-2", SHIFT, parameter_shift_grad, shared(2)),
    exact("shared-2", AUTODIFF, tc.backend.grad, shared(2)),
    exact("shared-3", SHIFT, parameter_shift_grad, shared(3)),
    exact("shared-3", AUTODIFF, tc.backend.grad, shared(3)),
    exact("recurrent", SHIFT, parameter_shift_grad, recurrent),
    exact("recurrent", AUTODIFF, tc.backend.grad, recurrent),
    exact("reset", SHIFT, parameter_shift_grad, reset),
    sampled("reset", SHIFT_SAMPLED, shift_sampled, reset_sampled, numbers=3),
    exact("conditional", MIXED, tc.backend.grad, conditional_mixed, unsupported=True),
    sampled("conditional", SHIFT_SAMPLED, shift_sampled, conditional),
    sampled("conditional", SAMPLED, tc.backend.grad, conditional),
    exact("post-selection", SELECTED, parameter_shift_grad, post_selection),
    exact("post-selection", SELECTED, tc.backend.grad, post_selection),
    sampled("sampled-outcome", SAMPLED, tc.backend.grad, sampled_outcome),
    sampled("sampled-outcome", SHIFT_SAMPLED, shift_sampled, sampled_outcome),
    sampled(
        "finite-difference",
        STEP,
        difference,
        shots_of_shared,
        settings=", shifts=(0.001, 0.002)",
        standard_error=np.sqrt(2 / SHOTS) / 0.002,
    ),
)
