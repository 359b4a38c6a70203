"""Operations on modes: their conventions, by hand and against big matrices; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import qrnn_jax as qj
from qrnn_jax.ops import lowering, wave_functions, x_outcome
from tests.helpers import public_classes, quick_jit

W = qj.Weight
R, PHI, THETA, K = 0.4, 0.7, 0.6, 0.15

# name -> (the operation; its Hamiltonian H in exp(i H), from a of the first and second mode)
GATES = {
    "Displacement": (
        qj.Displacement(0, R, PHI),
        lambda a, b: -1j * (R * np.exp(1j * PHI) * a.T - R * np.exp(-1j * PHI) * a),
    ),
    "Squeezing": (
        qj.Squeezing(0, R, PHI),
        lambda a, b: -0.5j * R * (np.exp(-1j * PHI) * a @ a - np.exp(1j * PHI) * a.T @ a.T),
    ),
    "Rotation": (qj.Rotation(0, PHI), lambda a, b: PHI * a.T @ a),
    "Beamsplitter": (
        qj.Beamsplitter(0, 1, THETA, PHI),
        lambda a, b: -1j * THETA * (np.exp(1j * PHI) * a @ b.T - np.exp(-1j * PHI) * a.T @ b),
    ),
    "Kerr": (qj.Kerr(0, K), lambda a, b: K * (a.T @ a) @ (a.T @ a)),
}


def values(operation):
    return [jnp.asarray(slot.constant) for slot in operation.parameters]


def test_every_public_gate_is_in_this_table():
    names = {gate.__name__ for gate in public_classes(qj.AbstractModeGate)}
    assert names == set(GATES)
    channels = {channel.__name__ for channel in public_classes(qj.AbstractModeChannel)}
    assert channels == {"Loss", "Homodyne"}
    observables = {seen.__name__ for seen in public_classes(qj.AbstractModeObservable)}
    assert observables == {"QuadX", "QuadP", "QuadXX", "Number"}


@pytest.mark.parametrize("name", GATES)
def test_fock_elements_are_exact_then_cut(name):
    """exp of a Hamiltonian with many more photons, of which the first ones are kept."""
    operation, hamiltonian = GATES[name]
    kept, many = 5, 14 if name == "Beamsplitter" else 40
    a = lowering(many)
    one = np.eye(many)
    two = name == "Beamsplitter"
    pair = (np.kron(a, one), np.kron(one, a)) if two else (a, None)
    big = expm(1j * hamiltonian(*pair)).reshape((many,) * (4 if two else 2))
    expected = big[(slice(kept),) * big.ndim].reshape(kept**2 if two else kept, -1)
    found = operation.fock_matrix(kept, *values(operation))
    if two:  # 8 photons at most, of 13: exact; row p + q > 13 would not be
        assert np.abs(np.asarray(found).imag).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in GATES if name != "Kerr"])
def test_the_affine_map_is_the_heisenberg_picture(name):
    """a -> A a + B a^dagger, as the equations of the docstrings say, in quadratures."""
    operation, _ = GATES[name]
    affine = operation.affine(*values(operation))
    if name == "Displacement":
        alpha = R * np.exp(1j * PHI)
        np.testing.assert_allclose(affine.shift, [2 * alpha.real, 2 * alpha.imag], atol=1e-15)
        return
    t, r = np.cos(THETA), np.exp(1j * PHI) * np.sin(THETA)
    unitary, dagger = {
        "Squeezing": ([[np.cosh(R)]], [[-np.exp(1j * PHI) * np.sinh(R)]]),
        "Rotation": ([[np.exp(1j * PHI)]], [[0]]),
        "Beamsplitter": ([[t, -r.conjugate()], [r, t]], np.zeros((2, 2))),
    }[name]
    # a' = A a + B a^dagger, a = (x + ip) / 2
    expected = np.block(
        [
            [np.add(unitary, dagger).real, -np.subtract(unitary, dagger).imag],
            [np.add(unitary, dagger).imag, np.subtract(unitary, dagger).real],
        ]
    )
    np.testing.assert_allclose(affine.matrix, expected, rtol=0, atol=1e-15)


EVERYTHING = (qj.QuadX(0), qj.QuadP(0), qj.QuadX(1), qj.QuadP(1), qj.QuadXX(0), qj.Number(1))
EVERYTHING += (qj.QuadXX(0, 1),)


def read(operations, engine, observables=EVERYTHING):
    cell = qj.CircuitCell(qj.Circuit(2, operations), observables)
    return quick_jit(lambda: qj.run(cell, jnp.zeros(0), jnp.zeros((1, 0)), engine=engine)[0])()


@pytest.mark.parametrize(
    ("engine", "tolerance"), [(qj.Gaussian(), 1e-12), (qj.Fock(30), 1e-6)], ids=["gaussian", "fock"]
)
def test_gates_have_the_published_conventions(engine, tolerance):
    alpha, beta = 0.3 + 0.2j, -0.25 + 0.4j
    t, r = np.cos(THETA), np.exp(1j * PHI) * np.sin(THETA)
    both = [
        qj.Displacement(mode, float(abs(value)), float(np.angle(value)))
        for mode, value in enumerate((alpha, beta))
    ]
    plain = read(both, engine)
    np.testing.assert_allclose(plain[:4], [0.6, 0.4, -0.5, 0.8], rtol=0, atol=tolerance)
    assert plain[4] == pytest.approx(1 + 0.36, abs=tolerance)
    assert plain[5] == pytest.approx(abs(beta) ** 2, abs=tolerance)
    assert plain[6] == pytest.approx(0.6 * -0.5, abs=tolerance)
    mixed = read([*both, qj.Beamsplitter(0, 1, THETA, PHI)], engine)
    first, second = t * alpha - r.conjugate() * beta, r * alpha + t * beta
    expected = [2 * first.real, 2 * first.imag, 2 * second.real, 2 * second.imag]
    np.testing.assert_allclose(mixed[:4], expected, rtol=0, atol=tolerance)
    squeezed = read([qj.Squeezing(0, 0.4), qj.Rotation(1, 0.3)], engine)
    assert squeezed[4] == pytest.approx(np.exp(-0.8), abs=tolerance)


@pytest.mark.parametrize("engine", [qj.Gaussian(), qj.Fock(24)], ids=["gaussian", "fock"])
def test_loss_keeps_a_share_of_the_energy(engine):
    share = 0.7
    found = read([qj.Displacement(1, 0.8), qj.Squeezing(0, 0.3), qj.Loss(0, share),
                  qj.Loss(1, share)], engine)  # fmt: skip
    assert found[2] == pytest.approx(1.6 * np.sqrt(share), abs=1e-6)
    assert found[4] == pytest.approx(share * np.exp(-0.6) + 1 - share, abs=1e-6)
    assert found[5] == pytest.approx(share * 0.64, abs=1e-6)


def test_lost_photons_and_the_derivative_at_no_loss():
    """|2><2| becomes binomial; d/dT is finite at T = 1, where sqrt(1 - T) has no slope."""
    loss = qj.Loss(0, 0.7)
    both = quick_jit(lambda t: jax.jvp(lambda t: loss.fock_superoperator(4, t), (t,), (t,)))
    matrix = np.asarray(both(0.7)[0]).reshape(4, 4, 4, 4)
    populations = np.einsum("aabb->ab", matrix)
    np.testing.assert_allclose(populations[:, 2], [0.09, 0.42, 0.49, 0], atol=1e-15)
    assert matrix[0, 1, 1, 2] == pytest.approx(np.sqrt(2) * np.sqrt(0.7) * 0.3)
    slope = np.asarray(both(1.0)[1]).reshape(4, 4, 4, 4)
    np.testing.assert_allclose(np.einsum("aabb->ab", slope)[:, 2], [0, -2, 2, 0], atol=1e-15)
    assert np.isnan(both(1.2)[0]).any()
    assert np.isnan(loss.affine(jnp.asarray(-0.1)).noise).any()


def test_wave_functions_are_orthonormal_and_outcomes_are_quantiles():
    x = np.linspace(-12, 12, 4001)
    waves = np.asarray(wave_functions(jnp.asarray(x), 8))
    overlap = waves.T @ waves * (x[1] - x[0])
    np.testing.assert_allclose(overlap, np.eye(8), atol=1e-12)
    moment = waves.T @ (x[:, None] * waves) * (x[1] - x[0])
    np.testing.assert_allclose(moment, lowering(8) + lowering(8).T, atol=1e-12)
    vacuum = jnp.zeros((6, 6)).at[0, 0].set(0.37) + 0j  # not normalised
    z = jnp.array([-2.5, -0.3, 0.0, 1.7])
    np.testing.assert_allclose(jax.vmap(lambda a: x_outcome(vacuum, a))(z), z, atol=1e-4)


def test_a_square_is_multiplied_before_it_is_cut():
    ((mode, square),) = qj.QuadXX(1).factors(3)
    assert mode == 1
    root = np.sqrt(2)
    np.testing.assert_allclose(square, [[1, 0, root], [0, 3, 0], [root, 0, 5]], atol=1e-15)


def test_modes_and_qubits_are_never_mixed():
    with pytest.raises(ValueError, match=r"qubits or on modes, but operation 1, Rotation.* 0, RX"):
        qj.Circuit(2, (qj.RX(0, W(0)), qj.Rotation(1, 0.2)))
    with pytest.raises(ValueError, match=r"qubits or on modes, .* operation 1, ReadoutError"):
        qj.Circuit(1, (qj.Rotation(0, 0.2), qj.ReadoutError(0, 0.1)))
    with pytest.raises(ValueError, match="without back-action, but operation 1 is Read"):
        qj.Circuit(1, (qj.Rotation(0, 0.2), qj.Read(measure=True)))
    circuit = qj.Circuit(1, (qj.Rotation(0, 0.2), qj.Read()))
    assert circuit.is_modes
    assert not qj.Circuit(1, (qj.RX(0, W(0)),)).is_modes
    with pytest.raises(ValueError, match="act on qubits to have a dense matrix"):
        circuit.matrix()


def test_numbers_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"`transmissivity` must be in \[0, 1\], but is 1.2"):
        qj.Loss(0, 1.2)
    with pytest.raises(ValueError, match="must be distinct"):
        qj.Beamsplitter(1, 1, 0.2, 0.3)
    with pytest.raises(ValueError, match="`r` must be finite"):
        qj.Displacement(0, float("nan"))
    with pytest.raises(ValueError, match="`wire` must be an integer of 0 or more"):
        qj.QuadX(-1)
    with pytest.raises(ValueError, match="Gaussian map must come from a Gaussian gate, but Kerr"):
        qj.Kerr(0, 0.1).affine(jnp.asarray(0.1))


def test_a_step_on_modes_is_drawn():
    drawn = qj.Circuit(2, (qj.Displacement(0, qj.Data(0)), qj.Beamsplitter(0, 1, W(0), 0.1))).draw()
    assert drawn.splitlines()[0].startswith("0: ─D(x0,0)─╭BS(w0,0.1)")
