"""How the settings of `device_training.toml` were chosen: simulated runs, other seeds than the run.

    python docs/results/hardware/device_training_search.py     # minutes; writes the JSON beside it

SPSA on the outputs with Adam, as `qrnn-jax train --device` does it, at 3 million shots a run. No
shot is drawn: every output is its exact value plus a Gaussian of the variance that the shots have.
The figure is the exact training error over the best constant's.
"""

import itertools
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import qrnn_jax as qj

TASK = qj.tasks.decreasing_triangle(length=10)
CELL = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)
BUDGET, STEP = 3_000_000, 0.4
SIZES = ((8, 25, 4), (25, 20, 1))  # directions, shots per circuit, windows per training step
RATES, SEEDS = (0.005, 0.01, 0.02), (101, 102, 103, 104)
X = jnp.asarray(TASK.train.inputs, jnp.float32)
Y = jnp.asarray(TASK.train.targets, jnp.float32)
LOOKS = 10


def outputs(params, xs):
    """Exact."""
    options = {"engine": qj.DensityMatrix(), "gradient": qj.Backprop()}
    return qj.run(CELL, params, xs, **options)[:, 0]


def measured(params, xs, shots, key):
    """With the noise of some shots."""
    y = outputs(params, xs)
    z = y - params[0]
    spread = jnp.sqrt(jnp.maximum(1 - z * z, 0) / shots)
    return y + spread * jax.random.normal(key, y.shape)


def error(params):
    """The exact training error."""
    found = jax.vmap(outputs, (None, 0))(params, X)
    return jnp.mean((found[:, -5:] - Y[:, -5:, 0]) ** 2)


def estimate(params, row, directions, shots, key):
    """The gradient on one window."""
    primal_key, direction_key, run_key = jax.random.split(key, 3)
    y = measured(params, X[row], shots, primal_key)
    slope = jnp.where(jnp.arange(10) >= 5, 2 * (y - Y[row, :, 0]) / 5, 0)
    draws = jax.random.rademacher(direction_key, (directions, CELL.circuit.weight_count))
    draws = draws.astype(jnp.float32)

    def moved(sign):
        keys = jax.random.split(jax.random.fold_in(run_key, sign > 0), directions)
        at = jax.vmap(lambda draw: params.at[1:].add(sign * STEP * draw))(draws)
        return jax.vmap(lambda p, k: measured(p, X[row], shots, k))(at, keys)

    change = (moved(1) - moved(-1)) @ slope / (2 * STEP)
    return jnp.concatenate([jnp.sum(slope)[None], change @ draws / directions])


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def train(directions, shots, windows, steps, rate, key):
    """The error at ten moments of a run."""
    adam = optax.scale_by_adam(b2=0.99)
    start, key = jax.random.split(key)
    params = CELL.init(start).astype(jnp.float32)

    def update(carry, _):
        params, state, key = carry
        key, pick, own = jax.random.split(key, 3)
        rows = jax.random.choice(pick, len(X), (windows,), replace=False)
        one = partial(estimate, params, directions=directions, shots=shots)
        slopes = jax.vmap(lambda row, k: one(row, key=k))(rows, jax.random.split(own, windows))
        change, state = adam.update(jnp.mean(slopes, axis=0), state)
        return (params - rate * change, state, key), None

    def look(carry, _):
        carry, _ = jax.lax.scan(update, carry, length=steps // LOOKS)
        return carry, error(carry[0])

    return jax.lax.scan(look, (params, adam.init(params), key), length=LOOKS)[1]


def main():
    """Every size, rate and seed."""
    last = np.asarray(Y[:, -5:])
    constant, found = float(np.mean((last - last.mean()) ** 2)), []
    for directions, shots, windows in SIZES:
        steps = BUDGET // (windows * (2 * directions + 1) * shots) // LOOKS * LOOKS
        lanes = list(itertools.product(RATES, SEEDS))
        rates = jnp.array([rate for rate, _ in lanes], jnp.float32)
        keys = jnp.stack([jax.random.key(seed) for _, seed in lanes])
        run = partial(train, directions, shots, windows, steps)
        shares = np.asarray(jax.vmap(run)(rates, keys))[:, -1].astype(float)
        shares = shares.reshape(len(RATES), -1) / constant
        for rate, row in zip(RATES, shares):
            entry = {"directions": directions, "shots": shots, "batch": windows, "steps": steps}
            entry |= {"learning_rate": rate, "final_over_constant": row.round(4).tolist()}
            found.append(entry)
            print(entry, flush=True)
    path = Path(__file__).with_suffix(".json")
    text = json.dumps({"seeds": SEEDS, "step": STEP, "runs": found}, indent=1)
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
