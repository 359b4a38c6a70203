"""The programs compute the workloads' losses: against dense NumPy, golden numbers, each other."""

from functools import lru_cache, reduce

import jax
import numpy as np
import pytest

from benchmarks.measure import GOLDEN_TOLERANCE, arguments, compile_step, reference
from benchmarks.ours import library_loss
from benchmarks.programs import OURS, PLAIN, programs
from benchmarks.workloads import W1, W2, W3, W4, WORKLOADS

PAULI = {
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def word(wires, letters):
    """A Pauli word on some wires as a dense matrix, wire 0 most significant."""
    return reduce(np.kron, [PAULI[letters[w]] if w in letters else np.eye(2) for w in range(wires)])


def turn(wires, angle, letters):
    """exp(-i angle P / 2)."""
    identity = np.eye(2**wires)
    return np.cos(angle / 2) * identity - 1j * np.sin(angle / 2) * word(wires, letters)


def cnot(wires, control, target):
    project = (np.eye(2**wires) - word(wires, {control: "Z"})) / 2
    return np.eye(2**wires) - project + project @ word(wires, {target: "X"})


def layers(workload, params):
    """All gates of the trainable layers multiplied, read off the workload's description."""
    n, rotations = workload.wires, params[: int(np.prod(workload.rotations))]
    couplings = iter(params[len(rotations) :])
    angles = iter(rotations)
    matrix = np.eye(2**n)
    for _ in range(workload.layers):
        for q in range(n):
            for letter in "XZX" if workload.family == "reset" else "YZ":
                matrix = turn(n, next(angles), {q: letter}) @ matrix
        if workload.family == "unitary":
            for q in range(n):
                matrix = cnot(n, q, (q + 1) % n) @ matrix
        else:
            for i in range(n):
                for j in range(i + 1, n):
                    matrix = turn(n, next(couplings), {i: "Z", j: "Z"}) @ matrix
    return matrix


def reset(rho, count):
    """Trace out the first wires, put |0..0> back."""
    size = 2**count
    blocks = rho.reshape(size, -1, size, rho.shape[0] // size)
    empty = np.zeros((size, size))
    empty[0, 0] = 1
    return np.kron(empty, np.trace(blocks, axis1=0, axis2=2))


def numpy_loss(workload, params):
    """The definition, with 2**n x 2**n matrices."""
    numbers, n = workload.draw(), workload.wires
    body, errors = layers(workload, params), []
    for xs, ys in zip(numbers.x, numbers.y, strict=True):
        rho = np.zeros((2**n, 2**n), complex)
        rho[0, 0] = 1
        for x, y in zip(xs, ys, strict=True):
            step = body
            for q in range(workload.inputs):
                step = step @ turn(n, np.arccos(x), {q: "Y"})
            rho = step @ rho @ step.conj().T
            errors.append(np.trace(word(n, {0: "Z"}) @ rho).real - y)
            if workload.family == "reset":
                rho = reset(rho, workload.inputs)
    return np.mean(np.square(errors))


SMALL = {"reset": W1.small(), "unitary": W2.small()}
CASES = [(family, name) for family, workload in SMALL.items() for name in programs(workload)]


@lru_cache
def small_gradient(family, name):
    """Value and gradient of one program in float64."""
    args = arguments(SMALL[family].draw(), "float64")
    value, gradient = compile_step(programs(SMALL[family])[name], args).step(*args)
    return float(value), np.asarray(gradient)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_value_equals_numpy_and_gradient_equals_the_peer(family, name):
    value, gradient = small_gradient(family, name)
    params = SMALL[family].draw().params
    assert value == pytest.approx(numpy_loss(SMALL[family], params), rel=1e-12)
    np.testing.assert_allclose(gradient, small_gradient(family, PLAIN)[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", SMALL)
def test_the_peers_gradient_equals_finite_differences(family):
    params, size = SMALL[family].draw().params, 1e-5
    slopes = [
        (numpy_loss(SMALL[family], params + shift) - numpy_loss(SMALL[family], params - shift))
        / (2 * size)
        for shift in size * np.eye(len(params))
    ]
    np.testing.assert_allclose(small_gradient(family, PLAIN)[1], slopes, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [name for name, w in WORKLOADS.items() if w.golden])
def test_ours_gives_the_golden_loss_at_full_size(name):
    """The golden losses were computed by another program, and published to eight decimals."""
    workload = WORKLOADS[name]
    loss = jax.jit(library_loss(workload))(*arguments(workload.draw(), "float64"))
    assert abs(float(loss) - workload.golden) < GOLDEN_TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKLOADS)
def test_the_peer_gives_the_golden_loss_and_our_gradient_at_full_size(name):
    workload = WORKLOADS[name]
    numbers = workload.draw()
    expected = reference(workload, numbers)  # raises if the loss is not the golden one
    args = arguments(numbers, "float64")
    value, gradient = compile_step(programs(workload)[OURS], args).step(*args)
    assert float(value) == pytest.approx(expected.value, rel=1e-11)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=0, atol=1e-11)


def test_the_workloads_are_the_described_ones():
    table = [(w.name, w.wires, w.inputs, w.layers, w.steps, w.batch) for w in (W1, W2, W3, W4)]
    assert table == [
        ("W1", 6, 3, 3, 20, 32),
        ("W2", 10, 2, 2, 50, 16),
        ("W3", 8, 2, 2, 784, 8),
        ("W4", 20, 2, 2, 4, 1),
    ]
    assert [w.parameters for w in (W1, W2, W3, W4)] == [99, 40, 32, 80]
    assert [w.gradient_goal for w in (W1, W2, W3, W4)] == [2e-5, 2e-5, 2e-4, 2e-5]


def test_data_are_drawn_as_described():
    numbers = W2.draw()
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(numbers.x, rng.uniform(-0.9, 0.9, (16, 50)))
    np.testing.assert_array_equal(numbers.y, rng.uniform(-0.9, 0.9, (16, 50)))
    np.testing.assert_array_equal(numbers.params, rng.uniform(-1.5, 1.5, 40))


def test_the_peer_imports_nothing_of_the_library():
    from benchmarks import plain_fused, plain_jax

    for module in (plain_jax, plain_fused):
        assert not [name for name, value in vars(module).items() if "qrnn_jax" in str(value)]


def test_the_automatic_choice_is_among_the_programs():
    assert {OURS, PLAIN} <= set(programs(W1)) & set(programs(W3))
    assert next(iter(programs(W1))) == PLAIN  # what ratios are taken against
