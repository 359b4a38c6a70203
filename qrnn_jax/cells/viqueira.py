"""The exchange-memory circuits of Viqueira et al. (2023, 2025)."""

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import matmul
from typing import final

import jax
import jax.numpy as jnp
from jax import Array

from qrnn_jax.cell import AbstractCell
from qrnn_jax.circuit import CZ, RX, RY, RZ, Circuit, Data, PauliSum, Reset, Weight, Z

_TRIPLES = {"EMCZ2": (RX, RZ), "EMCZ3": (RX, RZ, RX)}


@final
@dataclass(frozen=True)
class Viqueira(AbstractCell):
    """The exchange-memory ansatz with controlled-Z, of Viqueira, Failde, Juane, Gomez and Mera.

    Equations, with exchange wires E (first) and memory wires M, feature j on wire j of E; a "block"
    is RX RZ (EMCZ2) or RX RZ RX (EMCZ3), with trained angles:

        encode   RY(x_j), then `uploads` times [block, RY(x_j)], on each wire j of E
        evolve   `layers` times: a block on every wire, then CZ on neighbours (EMCZ2) or between
                 every wire of E and every wire of M (EMCZ3)
        final    RX (EMCZ2) or a block (EMCZ3) on each wire of E
        read     y_t = bias + <Z x ... x Z> over E: the parity, one number
        reset    E to |0>; M is carried

    Arguments:
        exchange: wires of E = features, 1 or more.
        memory: wires of M, 1 or more.
        layers: evolution layers, 0 or more.
        uploads: repetitions of the data after the first, 0 or more.
        ansatz: "EMCZ2" or "EMCZ3".

    Shapes: params, the paper's flat vector: bias, then encoder (wire, repetition, angle), evolution
    (layer, wire, angle), final column (wire, angle), radians; x (T, exchange), radians; y (T, 1).

    Raises:
        ValueError: a size out of range, an unknown ansatz.

    Example:
        >>> import jax, qrnn_jax as qj
        >>> cell = qj.cells.Viqueira(exchange=1, memory=2, layers=3, uploads=3)
        >>> cell.init(jax.random.key(0)).shape
        (26,)

    Source: arXiv 2310.20671; Mach. Learn.: Sci. Technol. 6 (2025), doi 10.1088/2632-2153/ad9431.
    """

    exchange: int
    memory: int
    layers: int
    uploads: int
    ansatz: str = "EMCZ2"

    def __post_init__(self) -> None:
        for name, least in (("exchange", 1), ("memory", 1), ("layers", 0), ("uploads", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"Argument `{name}` must be {least} or more, but is {getattr(self, name)}."
                )
        if self.ansatz not in _TRIPLES:
            raise ValueError(
                f"Argument `ansatz` must be one of {list(_TRIPLES)}, but is {self.ansatz!r}."
            )

    @property
    def wires(self) -> int:
        """Number of wires, exchange register first."""
        return self.exchange + self.memory

    @cached_property
    def circuit(self) -> Circuit:
        block = _TRIPLES[self.ansatz]
        index = iter(range(10**9))
        operations: list = []
        for wire in range(self.exchange):
            operations.append(RY(wire, Data(wire)))
            for _ in range(self.uploads):
                operations += [gate(wire, Weight(next(index))) for gate in block]
                operations.append(RY(wire, Data(wire)))
        for _ in range(self.layers):
            for wire in range(self.wires):
                operations += [gate(wire, Weight(next(index))) for gate in block]
            operations += [CZ(*pair) for pair in self._pairs()]
        final_column = (RX,) if self.ansatz == "EMCZ2" else block
        for wire in range(self.exchange):
            operations += [gate(wire, Weight(next(index))) for gate in final_column]
        operations += [Reset(wire) for wire in range(self.exchange)]
        return Circuit(self.wires, operations)

    def _pairs(self) -> list[tuple[int, int]]:
        if self.ansatz == "EMCZ2":
            return [(wire, wire + 1) for wire in range(self.wires - 1)]
        memory = range(self.exchange, self.wires)
        return [(wire, other) for wire in range(self.exchange) for other in memory]

    @cached_property
    def observables(self) -> tuple[PauliSum, ...]:
        parity = reduce(matmul, [Z(wire) for wire in range(self.exchange)])
        return (parity.as_sum(),)

    @property
    def features(self) -> int:
        return self.exchange

    @property
    def outputs_count(self) -> int:
        return 1

    def init(self, key: Array) -> Array:
        angles = jax.random.uniform(key, (self.circuit.weight_count,), maxval=2 * jnp.pi)
        return jnp.concatenate([jnp.zeros(1, angles.dtype), angles])

    def weights(self, params: Array) -> Array:
        return params[1:]

    def data(self, params: Array, x: Array) -> Array:
        del params
        return x

    def outputs(self, params: Array, reads: Array) -> Array:
        return params[0] + reads

    def feedback(self, y: Array) -> Array:
        return jnp.broadcast_to(y, (self.exchange,))

    def domain(self) -> tuple[float, float]:
        return (-jnp.inf, jnp.inf)
