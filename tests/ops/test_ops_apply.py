"""Matrices, phases and channels on some wires of a vector or a density matrix."""

import helpers
import jax.numpy as jnp
import numpy as np
import pytest

from qrnn_jax import ops

COUNT = 4
WIRES = ((0,), (2,), (3,), (0, 1), (3, 1), (1, 3), (2, 0, 3), (3, 2, 1, 0))


def by_bits(matrix, wires, count):
    """The full matrix, entry by entry from the bits of its indices: wire 0 is the first bit."""
    size = 2**count
    full = np.zeros((size, size), complex)
    for row in range(size):
        for column in range(size):
            left, right = f"{row:0{count}b}", f"{column:0{count}b}"
            if all(left[w] == right[w] for w in range(count) if w not in wires):
                inner = [int("".join(bits[w] for w in wires), 2) for bits in (left, right)]
                full[row, column] = matrix[inner[0], inner[1]]
    return full


def random_complex(seed, *shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def random_density(seed, size):
    matrix = random_complex(seed, size, size)
    matrix = matrix @ matrix.conj().T
    return matrix / np.trace(matrix)


@pytest.mark.parametrize("wires", WIRES)
def test_apply_matrix_acts_on_the_named_wires_in_their_order(wires):
    matrix = random_complex(1, 2 ** len(wires), 2 ** len(wires))
    vector = random_complex(2, 2**COUNT)
    expected = by_bits(matrix, wires, COUNT) @ vector
    np.testing.assert_allclose(
        ops.apply_matrix(jnp.asarray(matrix), jnp.asarray(vector), wires, COUNT),
        expected,
        atol=1e-13,
    )


def test_apply_matrix_leaves_further_axes_alone():
    matrix, vectors = random_complex(1, 4, 4), random_complex(2, 2**COUNT, 3, 2)
    result = ops.apply_matrix(jnp.asarray(matrix), jnp.asarray(vectors), (3, 1), COUNT)
    expected = np.einsum("ij,jab->iab", by_bits(matrix, (3, 1), COUNT), vectors)
    np.testing.assert_allclose(result, expected, atol=1e-13)


@pytest.mark.parametrize("wires", WIRES)
def test_apply_diagonal_is_apply_matrix_of_the_diagonal_matrix(wires):
    diagonal, vector = random_complex(3, 2 ** len(wires)), random_complex(4, 2**COUNT, 2)
    expected = by_bits(np.diag(diagonal), wires, COUNT) @ vector
    result = ops.apply_diagonal(jnp.asarray(diagonal), jnp.asarray(vector), wires, COUNT)
    np.testing.assert_allclose(result, expected, atol=1e-13)


@pytest.mark.parametrize("wires", [(1,), (2, 0)])
def test_apply_unitary_conjugates(wires):
    matrix = random_complex(5, 2 ** len(wires), 2 ** len(wires))
    rho = random_density(6, 8)
    full = by_bits(matrix, wires, 3)
    result = ops.apply_unitary(jnp.asarray(matrix), jnp.asarray(rho), wires, 3)
    np.testing.assert_allclose(result, full @ rho @ full.conj().T, atol=1e-13)


@pytest.mark.parametrize("wires", [(1,), (2, 0)])
def test_apply_diagonal_unitary_conjugates(wires):
    diagonal, rho = random_complex(7, 2 ** len(wires)), random_density(8, 8)
    full = by_bits(np.diag(diagonal), wires, 3)
    result = ops.apply_diagonal_unitary(jnp.asarray(diagonal), jnp.asarray(rho), wires, 3)
    np.testing.assert_allclose(result, full @ rho @ full.conj().T, atol=1e-13)


@pytest.mark.parametrize("wires", [(1,), (2, 0)])
def test_apply_superoperator_is_the_sum_over_kraus_matrices(wires):
    size = 2 ** len(wires)
    kraus = helpers.random_isometry(np.random.default_rng(9), 3 * size, size).reshape(3, size, size)
    rho = random_density(10, 8)
    full = [by_bits(matrix, wires, 3) for matrix in kraus]
    expected = sum(matrix @ rho @ matrix.conj().T for matrix in full)
    matrix = ops.superoperator(jnp.asarray(kraus))
    result = ops.apply_superoperator(matrix, jnp.asarray(rho), wires, 3)
    np.testing.assert_allclose(result, expected, atol=1e-13)
    np.testing.assert_allclose(np.trace(result), 1, atol=1e-13)


def test_superoperator_is_the_sum_of_kronecker_products():
    kraus = random_complex(11, 2, 4, 4)
    expected = sum(np.kron(matrix, matrix.conj()) for matrix in kraus)
    np.testing.assert_allclose(ops.superoperator(jnp.asarray(kraus)), expected, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_the_type_of_the_arguments_is_kept(dtype):
    matrix, vector = jnp.eye(2, dtype=dtype), jnp.ones(8, dtype)
    assert ops.apply_matrix(matrix, vector, (1,), 3).dtype == dtype
    assert ops.apply_diagonal(jnp.ones(2, dtype), vector, (1,), 3).dtype == dtype
    assert ops.superoperator(matrix[None]).dtype == dtype
