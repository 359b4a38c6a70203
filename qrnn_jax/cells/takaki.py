"""The recurrent circuit of Takaki et al. (2021)."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import (
    RX,
    RY,
    RZ,
    Circuit,
    Data,
    Evolution,
    PauliSum,
    Reset,
    Weight,
    X,
    Z,
)
from qrnn_jax.ops import safe_arccos


@final
@dataclass(frozen=True)
class Takaki(AbstractCell):
    """The variational recurrent circuit of Takaki, Mitarai, Negoro, Fujii and Kitagawa.

    Equations, with input wires A (first) and memory wires B, one scalar x_t on every wire of A:

        encode   RY(arccos x_t) on each wire of A, so that <Z> = x_t
        evolve   `depth` times: exp(-i H tau), then RX RZ RX with trained angles on every wire,
                 H = sum_j a_j X_j + sum_{j>k} J_jk Z_j Z_k, a and J drawn once from U[-1, 1]
        read     y_t = scale * mean_{j in A} <Z_j>
        reset    A to |0>; B is carried

    Arguments:
        inputs: wires of A, 1 or more.
        memory: wires of B, 0 or more.
        depth: number of layers, 1 or more.
        tau: evolution time; too weak and too strong are both worse (best near 0.2).
        scale: factor on the output; 1 limits the fit, since a mean of <Z> is a contraction.
        seed: of NumPy's `default_rng`, for a and J.

    Shapes: params {"angles": (depth, inputs + memory, 3)}, radians; x (T, 1) in [-1, 1]; y (T, 1).
    Weight gradients are exact at |x| = 1; the gradient in x is taken just inside.

    Raises:
        ValueError: a size out of range.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> cell = qj.cells.Takaki(inputs=2, memory=1, depth=2)
        >>> cell.init(jax.random.key(0))["angles"].shape
        (2, 3, 3)

    Source: Phys. Rev. A 103, 052414 (2021), arXiv 2012.11242; sizes and output scale are our
    reconstruction, since the abstract does not fix them.
    """

    inputs: int = 3
    memory: int = 3
    depth: int = 3
    tau: float = 0.2
    scale: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("inputs", 1), ("memory", 0), ("depth", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"Argument `{name}` must be {least} or more, but is {getattr(self, name)}."
                )

    @property
    def wires(self) -> int:
        """Number of wires, input register first."""
        return self.inputs + self.memory

    @cached_property
    def hamiltonian(self) -> PauliSum:
        """H: the fixed, fully connected transverse-field Ising model."""
        rng = np.random.default_rng(self.seed)
        fields = rng.uniform(-1, 1, self.wires)
        terms = [float(fields[j]) * X(j).as_sum() for j in range(self.wires)]
        for j in range(self.wires):
            for k in range(j):
                terms.append(float(rng.uniform(-1, 1)) * (Z(k) @ Z(j)))
        return PauliSum(tuple(term for part in terms for term in part.terms))

    @cached_property
    def circuit(self) -> Circuit:
        operations: list = [RY(wire, Data(0)) for wire in range(self.inputs)]
        weights = iter(range(3 * self.wires * self.depth))
        for _ in range(self.depth):
            operations.append(Evolution(self.hamiltonian, self.tau))
            for wire in range(self.wires):
                operations += [gate(wire, Weight(next(weights))) for gate in (RX, RZ, RX)]
        operations += [Reset(wire) for wire in range(self.inputs)]
        return Circuit(self.wires, operations)

    @cached_property
    def observables(self) -> tuple[PauliSum, ...]:
        terms = tuple((1 / self.inputs, ((wire, "Z"),)) for wire in range(self.inputs))
        return (PauliSum(terms),)

    @property
    def features(self) -> int:
        return 1

    @property
    def outputs_count(self) -> int:
        return 1

    def init(self, key: Array) -> dict[str, Array]:
        shape = (self.depth, self.wires, 3)
        return {"angles": jax.random.uniform(key, shape, maxval=2 * jnp.pi)}

    def weights(self, params: dict[str, Array]) -> Array:
        return params["angles"].reshape(-1)

    def data(self, params: dict[str, Array], x: Array) -> Array:
        del params
        return safe_arccos(x)

    def outputs(self, params: dict[str, Array], reads: Array) -> Array:
        del params
        return self.scale * reads

    def feedback(self, y: Array) -> Array:
        return jnp.clip(y, -1, 1)

    def domain(self) -> tuple[float, float]:
        return (-1.0, 1.0)
