"""The magnetisation of a small spin chain, evolved exactly: quantum dynamics as a time series."""

import numpy as np
from numpy.typing import NDArray

from ._checks import FloatArray, real, whole
from ._series import half_and_half
from .base import Task

Matrix = NDArray[np.float64]
X: Matrix = np.array([[0.0, 1.0], [1.0, 0.0]])
Z: Matrix = np.array([[1.0, 0.0], [0.0, -1.0]])


def spin_chain(
    *,
    steps: int = 200,
    sites: int = 3,
    field: float = 0.5,
    dt: float = 0.2,
    amplitude: float = 0.5,
) -> Task:
    """Predict the magnetisation of the first spin of an open transverse-field Ising chain.

    H = sum_j Z_j Z_{j+1} + field sum_j X_j,  x_t = amplitude <psi(t dt)| Z_0 |psi(t dt)>,
    psi(0) = |0...0>; evolved by diagonalising H, never Trotterised. Target x_{t+1}; T = `steps` to
    train, the next T to test.

    Arguments:
        steps: T, the training steps, and as many test steps.
        sites: spins in the chain, 2 to 10.
        field: transverse field in units of the coupling.
        dt: time between samples in units of the inverse coupling, above 0.
        amplitude: in (0, 1]; below 1, since <Z_0> starts at 1.

    Returns:
        `train` (1, T, 1); `test` (1, 2T, 1), whose mask scores the second half.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> tasks.spin_chain().series[:4, 0].round(4).tolist()
        [0.5, 0.4902, 0.4626, 0.4226]

    Source: Takaki et al., Phys. Rev. A 103, 052414 (2021), arXiv:2012.11242, name the task; the
    chain and its numbers are ours.
    """
    steps = whole("steps", steps, least=1)
    sites = whole("sites", sites, least=2)
    if sites > 10:
        raise ValueError(
            f"Argument `sites` must be at most 10, since H is diagonalised as a dense matrix, but "
            f"it is {sites}; try `sites=10`."
        )
    field = real("field", field, low=-np.inf)
    dt = real("dt", dt, low=0.0)
    amplitude = real("amplitude", amplitude, low=0.0, high=1.0)
    return half_and_half(
        "spin_chain",
        amplitude * _magnetisation(np.arange(2.0 * steps + 1.0) * dt, sites=sites, field=field),
        description=f"<Z> of the first of {sites} spins in a transverse-field Ising chain.",
        source="Takaki et al., Phys. Rev. A 103, 052414 (2021), arXiv:2012.11242.",
    )


def _magnetisation(times: FloatArray, *, sites: int, field: float) -> FloatArray:
    """<Z_0> at each time, from |0...0>."""
    coupling = sum(_on_site(Z, j, sites) @ _on_site(Z, j + 1, sites) for j in range(sites - 1))
    hamiltonian = coupling + field * sum(_on_site(X, j, sites) for j in range(sites))
    energies, vectors = np.linalg.eigh(hamiltonian)
    phases = np.exp(-1j * np.outer(times, energies))  # (times, eigenvectors)
    states = (phases * vectors[0]) @ vectors.T  # (times, 2^sites); <k|0...0> = vectors[0, k]
    return np.abs(states) ** 2 @ np.diag(_on_site(Z, 0, sites))


def _on_site(pauli: Matrix, site: int, sites: int) -> Matrix:
    """A Pauli matrix on one site; site 0 is the most significant bit."""
    return np.kron(np.kron(np.eye(2**site), pauli), np.eye(2 ** (sites - site - 1)))
