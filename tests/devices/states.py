"""Run by `test_divided_state.py` where JAX has four devices: states divided by their wires."""

import json
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import qrnn_jax as qj
from tests.devices.child import distance, refusal
from tests.helpers import random_circuit, random_inputs

SEEDS = (3, 4)
WORD = qj.X(0) @ qj.Y(1) @ qj.Z(2) @ qj.X(3) @ qj.Y(4)
OBSERVABLES = (0.3 * qj.Z(0) - qj.Y(1) @ qj.Z(4), WORD, qj.Probabilities((4, 0, 1)))
RULES = {
    "backprop": qj.Backprop(),
    "adjoint": qj.Adjoint(),
    "parameter-shift": qj.ParameterShift(),
}


def random_cell(seed: int) -> qj.CircuitCell:
    """Five wires: with four devices, blocks of three wires meet a part of three."""
    return qj.CircuitCell(random_circuit(seed, wires=5, kind="unitary", gates=5), OBSERVABLES)


def everything(cell: qj.CircuitCell, rule: qj.AbstractGradient, devices: int) -> Any:
    """Outputs, the state and the gradients in weights and data."""
    weights, data = random_inputs(cell.circuit, 5, steps=2)
    engine = qj.StateVector(devices=devices)

    def loss(weights: Array, data: Array) -> tuple[Array, Any]:
        result = qj.simulate(cell, weights, data, engine=engine, gradient=rule)
        assert devices == 1 or result.carry.shape == (32,)
        return jnp.mean(jnp.sin(result.outputs)), (result.outputs, result.carry, result.drift)

    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(weights, data)


def agreement() -> dict[str, float]:
    found = {}
    for seed in SEEDS:
        cell = random_cell(seed)
        expected = everything(cell, qj.Backprop(), 1)
        for name, rule in RULES.items() if seed == SEEDS[0] else [("backprop", qj.Backprop())]:
            devices = 4 if seed == SEEDS[0] else 2
            got = everything(cell, rule, devices)
            found[f"{name} on {devices}"] = distance(expected, got)
    return found


def in_float32() -> float:
    with jax.enable_x64(False):
        cell = random_cell(SEEDS[0])
        return distance(*(everything(cell, qj.Adjoint(kernel="reference"), d) for d in (1, 4)))


def batches() -> float:
    """`vmap` of states that are divided."""
    cell = random_cell(SEEDS[0])
    weights, data = random_inputs(cell.circuit, 5, steps=6)
    ys = [
        jax.jit(jax.vmap(lambda x, e=engine: qj.run(cell, weights, x, engine=e)))(
            data.reshape(3, 2, -1)
        )
        for engine in (qj.StateVector(), qj.StateVector(devices=4))
    ]
    return distance(*ys)


def wide_cell(wires: int = 12) -> qj.CircuitCell:
    turns = [qj.RY(wire, qj.Weight(wire)) for wire in range(wires)]
    phases = [qj.CZ(wire, (wire + 1) % wires) for wire in range(wires)]
    ends = [qj.CRX(0, wires - 1, qj.Weight(wires)), qj.CRX(wires - 1, 1, qj.Weight(0))]
    circuit = qj.Circuit(wires, (qj.RY(0, qj.Data(0)), *turns, *phases, *ends))
    return qj.CircuitCell(circuit, (qj.Z(0), qj.X(0) @ qj.Z(wires - 1)))


def compiled(devices: int) -> Any:
    cell = wide_cell()
    engine = qj.StateVector(devices=devices)
    options = {"engine": engine, "gradient": qj.Backprop()}
    data = jnp.ones((16, 1))
    slope = jax.jit(jax.grad(lambda w: qj.run(cell, w, data, **options).sum()))
    return slope.lower(cell.init(jax.random.key(0))).compile()


def program() -> dict[str, Any]:
    """What one device holds in the gradient of a run of 12 wires, and how the devices talk."""
    one, four = compiled(1), compiled(4)
    text = four.as_text()
    shapes = re.findall(r"c128\[([\d,]+)\]", text)
    moved = re.findall(r"c128\[([\d,]+)\]\S* collective-permute(?:-start)?\(", text)

    def size(shape: str) -> int:
        return int(np.prod([int(number) for number in shape.split(",")]))

    talk = r"\b(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\("
    memory = [program.memory_analysis().temp_size_in_bytes for program in (one, four)]
    return {
        "talk": sorted(set(re.findall(talk, text))),
        "largest": max(map(size, shapes)),
        "moved": sorted(set(map(size, moved))),
        "memory": memory,
    }


def carry() -> dict[str, Any]:
    cell = wide_cell()
    result = qj.simulate(
        cell, cell.init(jax.random.key(0)), jnp.ones((2, 1)), engine=qj.StateVector(devices=4)
    )
    again = qj.simulate(
        cell,
        cell.init(jax.random.key(0)),
        jnp.ones((2, 1)),
        carry=result.carry,
        engine=qj.StateVector(devices=4),
    )
    parts = [shard.data.shape[0] for shard in again.carry.addressable_shards]
    return {"parts": parts, "drift": float(again.drift)}


def refusals() -> dict[str, str]:
    def run(*operations: qj.AbstractGate, **options: Any) -> None:
        cell = qj.CircuitCell(qj.Circuit(3, operations), (qj.Probabilities((0, 1)),))
        qj.run(cell, jnp.zeros(0), jnp.zeros((1, 0)), **options)

    return {
        "three": refusal(lambda: qj.StateVector(devices=3)),
        "zero": refusal(lambda: qj.StateVector(devices=0)),
        "many": refusal(lambda: run(qj.H(2), engine=qj.StateVector(devices=8))),
        "gate": refusal(lambda: run(qj.CNOT(0, 1), engine=qj.StateVector(devices=4))),
        "observable": refusal(lambda: run(qj.H(0), engine=qj.StateVector(devices=4))),
        "native": refusal(
            lambda: run(
                qj.H(0), engine=qj.StateVector(devices=2), gradient=qj.Adjoint(kernel="native")
            )
        ),
    }


if __name__ == "__main__":
    assert len(jax.devices()) == 4
    parts = (agreement, in_float32, batches, program, carry, refusals)
    print(json.dumps({part.__name__: part() for part in parts}))
