"""Run twice by `test_processes.py`: two processes of two devices each, which see all four."""

import json
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import qrnn_jax as qj
from tests.devices.child import distance
from tests.devices.states import random_cell
from tests.helpers import random_inputs


def main(address: str, process: int) -> dict[str, float]:
    jax.distributed.initialize(address, 2, process, initialization_timeout=120)
    assert (len(jax.devices()), len(jax.local_devices())) == (4, 2)
    cell = random_cell(3)
    weights, data = random_inputs(cell.circuit, 5, steps=16)
    data = data.reshape(8, 2, -1)
    mine = data[4 * process : 4 * process + 4]  # each process reads its own half of the batch
    placed = NamedSharding(Mesh(np.array(jax.devices()), ("devices",)), PartitionSpec("devices"))
    batch = jax.make_array_from_process_local_data(placed, mine)
    assert not batch.is_fully_addressable

    def slopes(many: Callable) -> Callable:
        return jax.jit(jax.value_and_grad(lambda w, x: jnp.mean(jnp.sin(many(w, x)))))

    def run(weights: Array, data: Array) -> Array:
        return qj.run(cell, weights, data, gradient=qj.Backprop())

    def divided(weights: Array, data: Array) -> Array:
        engine = qj.StateVector(devices=4)
        return qj.run(cell, weights, data, engine=engine, gradient=qj.Adjoint())

    def shifted(weights: Array, data: Array) -> Array:
        return qj.run(cell, weights, data, gradient=qj.ParameterShift(devices=4))

    many, one = jax.vmap(run, (None, 0)), slopes(run)(weights, data[0])
    return {
        "batch": distance(
            slopes(many)(weights, data),
            slopes(qj.over_devices(run, (None, 0)))(weights, batch),
        ),
        "state": distance(one, slopes(divided)(weights, data[0])),
        "shifted runs": distance(one, slopes(shifted)(weights, data[0])),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
