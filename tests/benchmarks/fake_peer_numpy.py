"""A peer that is not JAX to the caller, knows pure states only, and may run less of a workload.

`FAKE_PEER` may hold the words "less" and "wrong": one entry of its gradient is off then.
"""

import os
from dataclasses import replace

import jax
import numpy as np

from benchmarks.plain_jax import plain_loss

TITLE = "a fake peer without JAX"
REQUIREMENTS = ()


def refusal(workload):
    return "pure states only" if workload.family == "reset" else None


def reduced(workload):
    if "less" not in os.environ.get("FAKE_PEER", ""):
        return workload
    return replace(workload, steps=2, batch=1, golden=None)


def training_step(workload):
    slopes = jax.jit(jax.value_and_grad(plain_loss(workload)))

    def step(params, x, y):
        value, gradient = slopes(params, x, y)
        gradient = np.array(gradient, np.float64)
        gradient[0] += 0.01 * ("wrong" in os.environ.get("FAKE_PEER", ""))
        return float(value), gradient

    return step
