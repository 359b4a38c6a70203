"""How the settings of `device_training_noisy.toml` were chosen: simulated runs, other seeds.

    python docs/results/hardware/device_training_noisy_search.py   # extra `qiskit`; writes the JSON

A pilot said how long the jobs of a step take; every size gets the steps that fit into SECONDS. The
device is its noise twin plus a Gaussian of the variance that the shots have. The figures are
training errors over the best constant's: of the exact model, by which the settings are chosen, and
of the twin.
"""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import qrnn_jax as qj

LENGTH, STEP, SECONDS = 10, 0.4, 900
TASK = qj.tasks.decreasing_triangle(length=LENGTH)
CELL = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)
TWIN = qj.hardware.twin(CELL, qj.hardware.named("aer", "fake_manila"), LENGTH)
# directions, shots per circuit, windows per training step: seconds of one, from the pilot's jobs
SIZES = {(8, 60, 4): 4.2}
RATES, SEEDS = (0.02, 0.04), (101, 102, 103)
X = jnp.asarray(TASK.train.inputs, jnp.float32)
Y = jnp.asarray(TASK.train.targets, jnp.float32)


def on_twin(params, xs):
    """What counts scatter around."""
    return TWIN(params, xs)[:, 0]


def exact(params, xs):
    """Without noise."""
    options = {"engine": qj.DensityMatrix(), "gradient": qj.Backprop()}
    return qj.run(CELL, params, xs, **options)[:, 0]


def measured(params, xs, shots, key):
    """From some shots."""
    y = on_twin(params, xs)
    z = y - params[0]
    spread = jnp.sqrt(jnp.maximum(1 - z * z, 0) / shots)
    return y + spread * jax.random.normal(key, y.shape)


def error(name, params):
    """On the training windows."""
    found = EVERY[name](params, X)
    return float(jnp.mean((found[:, -5:] - Y[:, -5:, 0]) ** 2))


def estimate(params, rows, directions, shots, key):
    """The gradient on some windows, all circuits at once."""
    primal_key, direction_key, run_key = jax.random.split(key, 3)
    windows = len(rows)
    primal = jax.random.split(primal_key, windows)
    play = partial(measured, shots=shots)
    y = jax.vmap(lambda x, k: play(params, x, key=k))(X[rows], primal)
    slope = jnp.where(jnp.arange(LENGTH) >= 5, 2 * (y - Y[rows, :, 0]) / 5, 0)  # (windows, T)
    shape = (windows, directions, CELL.circuit.weight_count)
    draws = jax.random.rademacher(direction_key, shape, jnp.float32)
    both = jnp.stack([draws, -draws])
    keys = jax.random.split(run_key, (2, windows, directions))
    run = lambda d, x, k: play(params.at[1:].add(STEP * d), x, key=k)  # noqa: E731
    runs = jax.vmap(jax.vmap(jax.vmap(run, (0, None, 0))), (0, None, 0))(both, X[rows], keys)
    change = jnp.einsum("wdt,wt->wd", runs[0] - runs[1], slope) / (2 * STEP)
    weights = jnp.einsum("wd,wdk->k", change, draws) / directions
    return jnp.concatenate([jnp.sum(slope)[None], weights]) / windows


EVERY = {
    name: jax.jit(jax.vmap(outputs, (None, 0)))
    for name, outputs in (("exact", exact), ("twin", on_twin))
}


@partial(jax.jit, static_argnums=(0, 1))
def train(directions, windows, shots, steps, rate, key):
    """The parameters after a run."""
    adam = optax.scale_by_adam(b2=0.99)
    start, key = jax.random.split(key)
    params = CELL.init(start).astype(jnp.float32)

    def update(_, carry):
        params, state, key = carry
        key, pick, own = jax.random.split(key, 3)
        rows = jax.random.choice(pick, len(X), (windows,), replace=False)
        slope = estimate(params, rows, directions, shots, own)
        change, state = adam.update(slope, state)
        return params - rate * change, state, key

    return jax.lax.fori_loop(0, steps, update, (params, adam.init(params), key))[0]


def main():
    """Every size, rate and seed."""
    last = np.asarray(Y[:, -5:])
    constant, runs = float(np.mean((last - last.mean()) ** 2)), []
    for (directions, shots, windows), seconds in SIZES.items():
        steps = int(SECONDS / seconds)
        spent = steps * windows * (2 * directions + 1) * shots
        for rate in RATES:
            run = partial(train, directions, windows, shots, steps, rate)
            found = [run(jax.random.key(seed)) for seed in SEEDS]
            entry = {"directions": directions, "shots": shots, "batch": windows, "steps": steps}
            entry |= {"seconds_of_a_step": seconds, "spent": spent, "learning_rate": rate}
            for name in EVERY:
                shares = np.array([error(name, params) for params in found]) / constant
                entry[f"{name}_over_constant"] = shares.round(4).tolist()
            runs.append(entry)
            print(entry, flush=True)
    path = Path(__file__).with_suffix(".json")
    content = {"seeds": SEEDS, "step": STEP, "seconds": SECONDS, "runs": runs}
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
