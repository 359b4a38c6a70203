"""The shift rule is exact: it equals autodiff, element by element, on random circuits.

Every noisy circuit holds resets (also in the middle of a step) and noise; slots recur, weights are
scaled by data, gates have two, three or more frequencies.
"""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from tests.gradients.jacobians import STEPS, distance, outputs_and_jacobians, size
from tests.helpers import quick_jit, random_cell, random_inputs, some

NOISY = [("noisy", seed) for seed in range(51) if seed != 31]  # 31 reads before its first angle
CHANNELS = {"Depolarizing", "AmplitudeDamping", "PhaseDamping", "BitFlip"}
OTHERS = [(kind, seed) for kind in ("reset", "encoder", "unitary") for seed in (50, 51)]


def example(kind, seed):
    cell = random_cell(seed, kind=kind, gates=6)
    return cell, *random_inputs(cell.circuit, seed, steps=STEPS)


@pytest.mark.parametrize(("kind", "seed"), some(NOISY, 3) + OTHERS)
def test_parameter_shift_equals_backprop(kind, seed):
    """Values, all outputs x weights, all outputs x data; every other circuit in forward mode."""
    cell, weights, data = example(kind, seed)
    exact = outputs_and_jacobians(cell, qj.Backprop(), jax.jacfwd)
    mode = jax.jacrev if seed % 2 else jax.jacfwd
    shifted = outputs_and_jacobians(cell, qj.ParameterShift(), mode)

    @quick_jit
    def both(weights, data):
        return exact(weights, data), shifted(weights, data)

    expected, found = both(weights, data)
    assert expected[1][0].shape == (STEPS, 6, cell.circuit.weight_count)
    assert expected[1][1].shape == (STEPS, 6, STEPS, cell.circuit.data_count)
    assert size(expected[1]) > 0.01
    assert distance(found, expected) < 1e-10


@pytest.mark.parametrize(("kind", "seed"), [NOISY[3], NOISY[17], NOISY[40], *OTHERS[::2]])
def test_parameter_shift_equals_central_differences(kind, seed):
    """An independent check: differences of forward runs, at 1e-5 apart."""
    cell, weights, data = example(kind, seed)
    split = len(weights)
    point, step = np.concatenate([weights, data.ravel()]), 1e-5

    def outputs(point):
        return qj.run(cell, point[:split], point[split:].reshape(data.shape))

    def shifted(point):
        weights, data_ = point[:split], point[split:].reshape(data.shape)
        _, jacobians = outputs_and_jacobians(cell, qj.ParameterShift())(weights, data_)
        return jacobians

    @quick_jit
    def both(point):
        moves = step * np.eye(len(point))
        ends = jax.vmap(outputs)(jnp.concatenate([point + moves, point - moves]))
        return shifted(point), (ends[: len(point)] - ends[len(point) :]) / (2 * step)

    (by_weights, by_data), differences = both(point)
    found = np.concatenate([by_weights, by_data.reshape(STEPS, 6, -1)], axis=2)
    assert np.abs(found - np.moveaxis(differences, 0, 2)).max() < 1e-6


def test_the_circuits_hold_what_they_should():
    """Each thing that a shift rule may get wrong occurs in at least a third of the circuits."""
    found = Counter()
    for kind, seed in NOISY:
        circuit = example(kind, seed)[0].circuit
        names = set(circuit.count())
        uses = Counter(index for slot in circuit.parameters for index in slot.weights)
        terms = [term for slot in circuit.parameters for term in slot.terms]
        found["reset"] += "Reset" in names
        found["noise"] += bool(names & CHANNELS)
        found["repeated weight"] += max(uses.values()) > 1
        found["data-scaled weight"] += any(
            t.weight is not None and t.data is not None for t in terms
        )
        found["controlled rotation"] += bool(names & {"CRX", "CRY", "CRZ"})
        found["U3"] += "U3" in names
        found["gates behind the read-out"] += circuit.read_index < len(circuit.operations) - 1
    assert found["reset"] == found["controlled rotation"] == len(NOISY)
    assert min(found.values()) >= len(NOISY) / 3, found
