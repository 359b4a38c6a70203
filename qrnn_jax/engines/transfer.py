"""The transfer-matrix plan: for a small memory, one real matrix product per step.

A step of the Kraus form is linear in sigma(x) = |phi(x)><phi(x)| and linear in rho_B, so

    (rho_B, y)_out = M (q(x) (x) r),   r = real coordinates of rho_B,   sigma(x) = sum_f q_f(x) S_f

with S_f an orthonormal basis of the (small) span of all encoded states: three RY with the same
angle span 7 dimensions, not 64. M depends on weights alone and is built once per call.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.circuit import AbstractGate, AbstractObservable, Circuit
from qrnn_jax.circuit.spectrum import frequencies
from qrnn_jax.circuit.spread import spread
from qrnn_jax.engines.base import AbstractPlan
from qrnn_jax.engines.kraus import KrausPlan
from qrnn_jax.ops import hermitian_to_real, real_to_hermitian

_MAX_ENTRIES = 2**18  # of M: 1 MiB in float32
_MAX_RELATIVE_FLOPS = (
    4.0  # a real product runs that much nearer to the peak than small complex ones
)


@final
@dataclass(frozen=True)
class TransferPlan(AbstractPlan):
    """Carry the memory as 4**nB real numbers; one matrix product per step."""

    kraus: KrausPlan

    @property
    def circuit(self) -> Circuit:  # type: ignore[override]
        return self.kraus.circuit

    @property
    def observables(self) -> tuple[AbstractObservable, ...]:  # type: ignore[override]
        return self.kraus.observables

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        return self.kraus.dtype

    @property
    def basis(self) -> np.ndarray:
        """S_f: an orthonormal Hermitian basis of the span of sigma(x), (F, dA, dA)."""
        return encoder_span(self.circuit)

    def init(self) -> Array:
        return self.kraus.init()

    def open(self, state: Array) -> Array:
        return hermitian_to_real(state.astype(self.dtype))

    def close(self, carry: Array) -> Array:
        return real_to_hermitian(carry).astype(self.dtype)

    def prepare(self, tape: Array) -> Any:
        _, unitary = self.kraus.prepare(tape)
        return self._matrix(unitary)

    def _matrix(self, unitary: Array) -> Array:
        """M: (F dB**2, dB**2 + M), from U cut as (outcome k, memory out c, A in a, memory in b)."""
        outer, inner = self.kraus.sizes
        basis = jnp.asarray(self.basis, self.dtype)
        cut = unitary.reshape(outer, inner, outer, inner)
        weighted = jnp.einsum("faA,kcab->fkcAb", basis, cut)
        transfer = jnp.einsum("fkcAb,kdAB->fbBcd", weighted, cut.conj())
        real = jax.vmap(jax.vmap(hermitian_to_real))(_by_coordinate(transfer))
        flat = unitary.reshape(outer * inner, outer * inner)
        operators = [o.matrices(self.kraus.place, self.circuit.wires) for o in self.observables]
        stacked = jnp.asarray(np.concatenate(operators), self.dtype)
        heisenberg = jnp.einsum("po,mpq,qr->mor", flat.conj(), stacked, flat)
        heisenberg = heisenberg.reshape(-1, outer, inner, outer, inner)
        # Tr(H (S (x) rho)) = sum H[(A B), (a b)] S[a, A] rho[b, B]
        reads = jnp.einsum("mABab,faA->fbBm", heisenberg, basis)
        reads = _by_coordinate(reads).real
        features = len(self.basis)
        return jnp.concatenate([real, reads], axis=-1).reshape(features * inner**2, -1)

    def encode(self, prepared: Any, tape_t: Array) -> Any:
        del prepared
        return self._features(self.kraus.encode_register(tape_t))

    def _features(self, phi: Array) -> Array:
        """q_f = Tr(S_f sigma) = <phi| S_f |phi>, (F,)."""
        basis = jnp.asarray(self.basis, self.dtype)
        return jnp.einsum("a,fab,b->f", phi.conj(), basis, phi).real

    def step(self, prepared: Any, carry: Array, encoded_t: Any) -> tuple[Array, Array]:
        product = (encoded_t[:, None] * carry[None, :]).reshape(-1)
        out = product @ prepared
        return out[: carry.size], out[carry.size :]

    def step_at(self, tape_t: Array, state: Array) -> tuple[Array, Array]:
        return self.kraus.step_at(tape_t, state)

    @property
    def prepared_columns(self) -> frozenset[int]:
        return self.kraus.prepared_columns

    @property
    def is_linear(self) -> bool:
        return True

    def norm(self, state: Array) -> Array:
        return self.kraus.norm(state)

    def stored_bytes(self) -> int:
        return (len(self.basis) + 1) * self.kraus.sizes[1] ** 2 * self.dtype.itemsize // 2


def transfer_refusal(plan: KrausPlan) -> str | None:
    """The cost model: why one real product per step is not cheaper than the Kraus blocks, or None.

    Real multiply-adds per step: F dB^2 (dB^2 + M) for the transfer matrix; for forming and applying
    the blocks 4 (dA^2 dB^2 + 2 dA dB^3). Measured on a CPU, the former run about four times faster
    each; a matrix over 2**18 entries leaves the cache.
    """
    outer, inner = plan.sizes
    if plan.body_varies:
        return "data enter after the input register has met the memory"
    if outer > 16 or inner > 16:
        return "the input register or the memory has more than 4 qubits"
    features = len(encoder_span(plan.circuit))
    outputs = sum(observable.outputs for observable in plan.observables)
    entries = features * inner**2 * (inner**2 + outputs)
    if entries > _MAX_ENTRIES:
        return f"its matrix would have {entries} entries and leave the cache"
    blocks = 4 * (outer**2 * inner**2 + 2 * outer * inner**3)
    if entries > _MAX_RELATIVE_FLOPS * blocks:
        return f"it would need {entries} products per step, {entries / blocks:.1f} times the blocks"
    return None


@lru_cache(maxsize=256)
def encoder_span(circuit: Circuit) -> np.ndarray:
    """An orthonormal Hermitian basis of the span of |phi><phi| over all weights and data.

    Found once per circuit from random samples in float64: the span of more samples than dimensions.
    """
    plan, rng = KrausPlan(circuit, (), np.dtype(np.complex128)), np.random.default_rng(0)
    size, reach = plan.sizes[0], _reach(plan)
    samples = 2 * size**2 + 4
    weights = rng.uniform(-reach, reach, (samples, circuit.weight_count))
    data = rng.uniform(-reach, reach, (samples, circuit.data_count))

    def encoded(weights: Array, data: Array) -> Array:
        return jax.vmap(lambda w, x: plan.encode_register(spread(circuit, w, x)))(weights, data)

    with jax.enable_x64(True):
        # compiled ahead of time, so that it runs here and now even while a caller is being traced
        compiled = jax.jit(encoded).lower(weights, data).compile()
        phi = np.asarray(compiled(weights, data))
    sigma = np.einsum("sa,sb->sab", phi, phi.conj())
    real = np.concatenate([sigma.real, sigma.imag], axis=1).reshape(samples, -1)
    _, values, rows = np.linalg.svd(real, full_matrices=False)
    kept = rows[values > 1e-10 * values[0]].reshape(-1, 2, size, size)
    return kept[:, 0] + 1j * kept[:, 1]


def _reach(plan: KrausPlan) -> float:
    """A bound on weights and data up to which every angle of the encoder runs through a period.

    An angle a = c w x + .. of a gate exp(-i a G) has the longest period 2 pi / (smallest gap of G).
    """
    reach = np.pi
    for index in plan.split[0]:
        operation = plan.circuit.operations[index]
        assert isinstance(operation, AbstractGate)
        for slot, generator in zip(operation.parameters, operation.generators()):
            gaps = frequencies(generator)
            if slot.terms and gaps.size:
                scale = max(abs(term.coefficient) for term in slot.terms)
                reach = max(reach, np.pi / (float(gaps[0]) * scale))
    return float(reach)


def _by_coordinate(tensor: Array) -> Array:
    """Turn axes (b, B) of a map on Hermitian matrices into one axis of real coordinates.

    Coordinate (i, j) of `hermitian_to_real` stands for: i = j the entry; i < j the real part of
    both (i, j) and (j, i); i > j the imaginary part, +i at (i, j) and -i at (j, i).
    """
    size = tensor.shape[1]
    swapped = jnp.swapaxes(tensor, 1, 2)
    row, column = np.indices((size, size))
    shape = (1, size, size) + (1,) * (tensor.ndim - 3)
    upper, diagonal = ((row < column).reshape(shape), (row == column).reshape(shape))
    off = jnp.where(upper, tensor + swapped, 1j * (tensor - swapped))
    chosen = jnp.where(diagonal, tensor, off)
    return chosen.reshape(tensor.shape[0], size * size, *tensor.shape[3:])
