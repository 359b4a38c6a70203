"""Partial traces, products, expectations, marginals, and the functions that stay differentiable."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qrnn_jax import ops


def random_hermitian(seed, size):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return matrix + matrix.conj().T


def random_density(seed, size):
    matrix = random_hermitian(seed, size)
    square = matrix @ matrix
    return square / np.trace(square)


def kron(*factors):
    total = np.eye(1)
    for factor in factors:
        total = np.kron(total, factor)
    return total


A, B, C = (random_density(seed, 2) for seed in (1, 2, 3))


@pytest.mark.parametrize(
    ("traced", "kept"),
    [((0,), (B, C)), ((1,), (A, C)), ((2,), (A, B)), ((2, 0), (B,)), ((), (A, B, C))],
)
def test_partial_trace_of_a_product_keeps_the_other_factors_in_order(traced, kept):
    result = ops.partial_trace(jnp.asarray(kron(A, B, C)), traced, 3)
    np.testing.assert_allclose(result, kron(*kept), atol=1e-14)


def test_partial_trace_of_an_entangled_state_is_the_sum_over_the_traced_index():
    rho = random_density(4, 8)
    expected = np.zeros((4, 4), complex)
    for b in (0, 1):  # <b| on wire 1
        bra = kron(np.eye(2), np.eye(2)[[b]], np.eye(2))
        expected += bra @ rho @ bra.T
    np.testing.assert_allclose(ops.partial_trace(jnp.asarray(rho), (1,), 3), expected, atol=1e-14)


def test_tensor_density_puts_the_outer_factor_on_its_wires():
    outer, inner = jnp.asarray(np.kron(A, B)), jnp.asarray(C)
    for wires, expected in (((0, 1), (A, B, C)), ((2, 0), (B, C, A)), ((1, 2), (C, A, B))):
        result = ops.tensor_density(outer, inner, wires, 3)
        np.testing.assert_allclose(result, kron(*expected), atol=1e-14)


def test_tensor_density_undoes_partial_trace_of_a_product():
    rho = random_density(5, 4)
    whole = ops.tensor_density(jnp.asarray(A), jnp.asarray(rho), (1,), 3)
    np.testing.assert_allclose(ops.partial_trace(whole, (1,), 3), rho, atol=1e-14)
    np.testing.assert_allclose(ops.partial_trace(whole, (2, 0), 3), A, atol=1e-14)


def test_real_coordinates_of_a_hermitian_matrix_are_invertible():
    rho = random_hermitian(6, 4)
    coordinates = ops.hermitian_to_real(jnp.asarray(rho))
    assert coordinates.shape == (16,)
    assert not np.iscomplexobj(coordinates)
    np.testing.assert_array_equal(ops.real_to_hermitian(coordinates), rho)
    other = np.random.default_rng(7).normal(size=16)
    back = ops.hermitian_to_real(ops.real_to_hermitian(jnp.asarray(other)))
    np.testing.assert_array_equal(back, other)


def test_density_expectation_is_the_trace_with_the_embedded_operator():
    observable, rho = random_hermitian(8, 4), random_density(9, 8)
    swap = np.eye(4)[[0, 2, 1, 3]]
    middle = kron(swap, np.eye(2))
    # wires (2, 0): first factor on wire 2, second on wire 0
    embedded = middle @ kron(np.eye(2), swap @ observable @ swap) @ middle
    expected = np.trace(embedded @ rho).real
    result = ops.density_expectation(jnp.asarray(observable), jnp.asarray(rho), (2, 0), 3)
    np.testing.assert_allclose(result, expected, atol=1e-13)


def test_vector_expectation_is_the_density_expectation_of_the_projector():
    rng = np.random.default_rng(10)
    vector = rng.normal(size=8) + 1j * rng.normal(size=8)
    vector /= np.linalg.norm(vector)
    observable = jnp.asarray(random_hermitian(11, 4))
    rho = jnp.asarray(np.outer(vector, vector.conj()))
    np.testing.assert_allclose(
        ops.vector_expectation(observable, jnp.asarray(vector), (2, 0), 3),
        ops.density_expectation(observable, rho, (2, 0), 3),
        atol=1e-13,
    )


@pytest.mark.parametrize("wires", [(0,), (2,), (2, 0), (0, 2), (1, 2, 0)])
def test_marginal_adds_up_the_other_wires_and_keeps_the_callers_order(wires):
    probabilities = np.random.default_rng(12).dirichlet(np.ones(8))
    expected = np.zeros(2 ** len(wires))
    for index, bits in enumerate(itertools.product((0, 1), repeat=3)):
        outcome = int("".join(str(bits[wire]) for wire in wires), 2)
        expected[outcome] += probabilities[index]
    result = ops.marginal(jnp.asarray(probabilities), wires, 3)
    np.testing.assert_allclose(result, expected, atol=1e-15)


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("x", [-1.0, 1.0])
def test_safe_arccos_has_exact_values_and_finite_slopes_at_the_ends(x, x64):
    with jax.enable_x64(x64):
        value, slope = jax.value_and_grad(ops.safe_arccos)(x)
        assert value == np.arccos(np.asarray(x, value.dtype))
        assert np.isfinite(slope)
        assert slope < 0


def test_safe_arccos_is_arccos_inside_and_nan_outside():
    x = jnp.linspace(-0.9, 0.9, 7)
    np.testing.assert_allclose(ops.safe_arccos(x), np.arccos(x), atol=1e-15)
    slopes = jax.vmap(jax.grad(ops.safe_arccos))(x)
    np.testing.assert_allclose(slopes, -1 / np.sqrt(1 - x**2), rtol=1e-14)
    second = jax.vmap(jax.grad(jax.grad(ops.safe_arccos)))(x)
    np.testing.assert_allclose(second, -x / (1 - x**2) ** 1.5, rtol=1e-13, atol=1e-15)
    assert np.isnan(ops.safe_arccos(jnp.asarray(1.0001)))


@pytest.mark.parametrize("x64", [True, False])
def test_safe_sqrt_is_the_square_root_with_a_finite_slope_at_zero(x64):
    with jax.enable_x64(x64):
        value, slope = jax.value_and_grad(ops.safe_sqrt)(0.0)
        assert value == 0
        assert np.isfinite(slope)
        assert slope > 100
        assert np.isfinite(jax.grad(jax.grad(ops.safe_sqrt))(0.0))
    x = jnp.linspace(0.1, 2.0, 5)
    np.testing.assert_allclose(ops.safe_sqrt(x), np.sqrt(x), rtol=1e-15)
    np.testing.assert_allclose(jax.vmap(jax.grad(ops.safe_sqrt))(x), 0.5 / np.sqrt(x), rtol=1e-14)
    assert np.isnan(ops.safe_sqrt(jnp.asarray(-0.1)))
