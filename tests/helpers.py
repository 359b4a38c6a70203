"""What many tests share: random circuits with their inputs, and registries of everything public.

A random circuit is one of four kinds, from the narrowest to the widest form of a step:

    unitary   gates with data anywhere; the read-out may stand in the middle
    encoder   gates; data only on the input register before it meets the memory; trailing resets
    reset     gates with data re-uploaded anywhere; trailing resets
    noisy     everything: channels, resets in the middle, often a `Read` with gates behind it

Weights and data must lie in [-3, 3] (`random_inputs` draws them): then strengths are in [0, 1].
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.random import Generator

import qrnn_jax as qj
from qrnn_jax.circuit.groups import Group
from qrnn_jax.engines.base import AbstractPlan, complex_dtype
from qrnn_jax.engines.dense import DensePlan
from qrnn_jax.engines.kraus import KrausPlan, kraus_refusal
from qrnn_jax.engines.sampler import AbstractSampler
from qrnn_jax.engines.state_vector import StateVectorPlan
from qrnn_jax.engines.transfer import TransferPlan
from qrnn_jax.validation.quick_jit import quick_jit as quick_jit

KINDS = ("unitary", "encoder", "reset", "noisy")
STRENGTHS = ("constant", "weight", "data")
STEPS = 4  # the usual length of a test sequence: one length, so that compiled programs are shared


def some(cases: Iterable, every: int) -> list:
    """Every so-manieth case; the others are more of the same, and `slow`."""
    return [
        case if number % every == 0 else pytest.param(*_row(case), marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]


def _row(case: object) -> tuple:
    return case if isinstance(case, tuple) else (case,)


class _Slots:
    """Hands out random slots; indices are new or repeated, and never leave a gap."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.weights = 0
        self.data = 0

    def weight(self) -> qj.Slot:
        """A weight: in one case of three an earlier one, so that a slot recurs."""
        index = self.weights
        if index and self.rng.random() < 0.33:
            index = int(self.rng.integers(index))
        self.weights = max(self.weights, index + 1)
        return qj.Weight(index)

    def datum(self) -> qj.Slot:
        """A data value: often an earlier one, so that data are re-uploaded."""
        index = self.data
        if index and self.rng.random() < 0.6:
            index = int(self.rng.integers(index))
        self.data = max(self.data, index + 1)
        return qj.Data(index)

    def angle(self, with_data: bool) -> qj.Slot | float:
        """A constant, a weight, a data value, their product, or something affine in them."""
        first, second = self.rng.uniform(-1.5, 1.5, 2)
        forms: list[Callable[[], qj.Slot | float]] = [
            self.weight,
            self.weight,
            lambda: first * self.weight() + second,
            lambda: float(first),
        ]
        if with_data:
            forms += [
                self.datum,
                self.datum,
                lambda: self.weight() * self.datum(),
                lambda: first * self.weight() * self.datum() + self.weight() - second,
            ]
        return forms[self.rng.integers(len(forms))]()

    def strength(self, kind: str) -> qj.Slot | float:
        """A noise strength in [0.1, 0.7]."""
        if kind == "constant":
            return float(self.rng.uniform(0.1, 0.4))
        return 0.1 * (self.weight() if kind == "weight" else self.datum()) + 0.4


def random_circuit(
    seed: int,
    *,
    wires: int = 3,
    kind: str = "noisy",
    gates: int = 10,
    strength: str = "constant",
) -> qj.Circuit:
    """A random step of one of the four `KINDS`.

    Arguments:
        seed: of NumPy's `default_rng`.
        wires: n, 2 or more.
        kind: one of `KINDS`, see the module's text.
        gates: number of gates; channels, resets and `Read` come on top.
        strength: what noise strengths depend on, one of `STRENGTHS`.

    Returns:
        A circuit with at least one weight and one data value; slots recur and scale each other.
    """
    rng = np.random.default_rng([seed, wires, KINDS.index(kind)])
    slots = _Slots(rng)
    inputs = _input_wires(rng, wires, kind)
    # every circuit has data and a weight; the encoder kind has data in these gates only
    operations: list = [qj.RY(wire, slots.datum()) for wire in inputs or (0,)]
    operations += [qj.RX(wire, slots.angle(with_data=True)) for wire in inputs]
    operations.append(qj.CRX(0, wires - 1, slots.weight()))
    with_data = kind != "encoder"
    operations += [_random_gate(rng, slots, wires, with_data) for _ in range(gates)]
    if kind == "noisy":
        for channel in _random_channels(rng, slots, wires, strength):
            operations.insert(int(rng.integers(1, len(operations) + 1)), channel)
    if kind in ("noisy", "unitary") and rng.random() < 0.6:
        first = min(3, len(operations) - 1)
        operations.insert(int(rng.integers(first, len(operations))), qj.Read())
    operations += [qj.Reset(wire) for wire in inputs]
    return qj.Circuit(wires, operations)


def _input_wires(rng: Generator, wires: int, kind: str) -> tuple[int, ...]:
    """The register that is reset at the end of the step: scattered wires in random order."""
    if kind == "unitary":
        return ()
    count = int(rng.integers(1, wires))
    return tuple(int(wire) for wire in rng.permutation(wires)[:count])


def _random_gate(rng: Generator, slots: _Slots, wires: int, with_data: bool) -> qj.AbstractGate:
    a, b = (int(wire) for wire in rng.permutation(wires)[:2])

    def angle() -> qj.Slot | float:
        return slots.angle(with_data)

    makers: list[Callable[[], qj.AbstractGate]] = [
        *(lambda gate=gate: gate(a, angle()) for gate in (qj.RX, qj.RY, qj.RZ)),
        *(lambda gate=gate: gate(a, b, angle()) for gate in (qj.RXX, qj.RYY, qj.RZZ)),
        *(lambda gate=gate: gate(a, b, angle()) for gate in (qj.CRX, qj.CRY, qj.CRZ)),
        *(lambda gate=gate: gate(a, b) for gate in (qj.CNOT, qj.CZ, qj.SWAP)),
        *(lambda gate=gate: gate(a) for gate in (qj.H, qj.S, qj.T, qj.X, qj.Y, qj.Z)),
        lambda: qj.U3(a, angle(), angle(), angle()),
        lambda: qj.U3(a, angle(), angle(), angle()),
        lambda: qj.Unitary((a, b), random_isometry(rng, 4, 4)),
        lambda: qj.Evolution(0.4 * qj.X(a) + 0.7 * (qj.Z(b) @ qj.Y(a)), angle()),
    ]
    return makers[rng.integers(len(makers))]()


def _random_channels(
    rng: Generator, slots: _Slots, wires: int, strength: str
) -> list[qj.AbstractChannel]:
    """Two strength channels, perhaps a general one on two wires, and one reset in the middle."""
    kinds = (qj.Depolarizing, qj.AmplitudeDamping, qj.PhaseDamping, qj.BitFlip)
    chosen = [kinds[i] for i in rng.permutation(len(kinds))[:2]]
    channels: list[qj.AbstractChannel] = [
        kind(int(rng.integers(wires)), slots.strength(strength)) for kind in chosen
    ]
    if rng.random() < 0.5:
        pair = tuple(int(wire) for wire in rng.permutation(wires)[:2])
        channels.append(qj.Kraus(pair, random_isometry(rng, 12, 4).reshape(3, 4, 4)))
    channels.append(qj.Reset(int(rng.integers(wires))))
    return channels


def random_isometry(rng: Generator, rows: int, columns: int) -> np.ndarray:
    """A random complex (rows, columns) matrix V with V^dagger V = 1."""
    matrix = rng.normal(size=(rows, columns)) + 1j * rng.normal(size=(rows, columns))
    return np.linalg.qr(matrix)[0]


def random_observables(seed: int, *, wires: int = 3) -> tuple[qj.AbstractObservable, ...]:
    """A Z, a weighted sum of words, and the probabilities of two wires: 6 numbers."""
    rng = np.random.default_rng([seed, wires, 99])
    a, b = (int(wire) for wire in rng.permutation(wires)[:2])
    first, second, third = (float(c) for c in rng.uniform(-1, 1, 3))
    mixed = first * (qj.X(a) @ qj.Y(b)) + second * qj.Z(b) - third * (qj.Y(a) @ qj.Z(b))
    return (qj.Z(a), mixed, qj.Probabilities((b, a)))


def random_inputs(
    circuit: qj.Circuit, seed: int, *, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (Kw,) and data (steps, Kd) in [-3, 3], float64."""
    rng = np.random.default_rng([seed, 7])
    weights = rng.uniform(-3, 3, circuit.weight_count)
    return weights, rng.uniform(-3, 3, (steps, circuit.data_count))


def random_cell(seed: int, **options: object) -> qj.CircuitCell:
    """A `CircuitCell` of a random circuit (see `random_circuit`) with random observables."""
    circuit = random_circuit(seed, **options)  # type: ignore[arg-type]
    return qj.CircuitCell(circuit, random_observables(seed, wires=circuit.wires))


def cell_inputs(cell: qj.AbstractCell, seed: int, *, steps: int = STEPS) -> tuple:
    """Parameters and inputs for any cell: xs (steps, features) well inside [-1, 1], or bits."""
    params = cell.init(jax.random.key(seed))
    rng, shape = np.random.default_rng([seed, 8]), (steps, cell.features)
    words = isinstance(cell, qj.cells.Bausch)
    xs = rng.integers(0, 2, shape).astype(float) if words else rng.uniform(-0.9, 0.9, shape)
    return params, jnp.asarray(xs)


@final
@dataclass(frozen=True)
class Forced(qj.AbstractExactEngine):
    """An engine that takes one plan, where `DensityMatrix` would choose by cost."""

    kind: type[AbstractPlan]
    dtype: type[np.complexfloating] | None = None

    def refusal(self, circuit: qj.Circuit) -> str | None:
        if self.kind is DensePlan:
            return None
        reason = kraus_refusal(circuit)
        if reason is None and self.kind is TransferPlan:
            plan = KrausPlan(circuit, (), complex_dtype(self.dtype))
            reason = "data meet the memory" if plan.body_varies else None
        return reason

    def plan(
        self, circuit: qj.Circuit, observables: tuple[qj.AbstractObservable, ...]
    ) -> AbstractPlan:
        return _forced(self.kind, circuit, observables, complex_dtype(self.dtype))

    def sampler(
        self,
        circuit: qj.Circuit,
        observables: tuple[qj.AbstractObservable, ...],
        group: Group | None,
    ) -> AbstractSampler:
        return qj.DensityMatrix(self.dtype).sampler(circuit, observables, group)


@cache
def _forced(kind: type, *settings: object) -> AbstractPlan:
    return TransferPlan(KrausPlan(*settings)) if kind is TransferPlan else kind(*settings)


DENSITY_PLANS = (DensePlan, KrausPlan, TransferPlan)
"""The plans that `DensityMatrix` chooses from."""


def accepting_engines(
    circuit: qj.Circuit, dtype: type[np.complexfloating] | None = None
) -> dict[type[AbstractPlan], qj.AbstractEngine]:
    """Every plan that can run the circuit, and an engine that takes it."""
    engines: dict[type[AbstractPlan], qj.AbstractEngine] = {StateVectorPlan: qj.StateVector(dtype)}
    engines |= {kind: Forced(kind, dtype) for kind in DENSITY_PLANS}
    return {kind: e for kind, e in engines.items() if e.refusal(circuit) is None}


ALL_CELLS: dict[str, qj.AbstractCell] = {
    "takaki": qj.cells.Takaki(inputs=2, memory=1, depth=1),
    "viqueira-emcz2": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
    "viqueira-emcz3": qj.cells.Viqueira(exchange=2, memory=1, layers=1, uploads=1, ansatz="EMCZ3"),
    "bausch": qj.cells.Bausch(1, 1, stages=1, degree=1, order=1, weight_sd=0.7),
    "cv": qj.cells.CVQRNN(io=1, hidden=1),
    "noisy": qj.cells.Noisy(
        qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=0),
        qj.NoiseProfile(gate2=0.05, damping=0.1, idle=0.08, readout=0.05),
    ),
    "circuit-unitary": random_cell(0, kind="unitary", gates=5),
    "circuit-reset": random_cell(1, kind="reset", gates=5),
    "circuit-noisy": random_cell(10, kind="noisy", gates=5),
}
"""One small instance or more of every public cell."""

ALL_ENGINES: dict[str, qj.AbstractExactEngine] = {
    "state-vector": qj.StateVector(),
    "density-matrix": qj.DensityMatrix(),
    "real-vector": qj.RealVector(),
    "gaussian": qj.Gaussian(),
}
"""One instance or more of every public exact engine."""

CUT_ENGINES: dict[str, qj.AbstractExactEngine] = {"fock": qj.Fock(6)}
"""One instance or more of every public engine that is exact up to a cutoff."""

SAMPLED_ENGINES: dict[str, qj.AbstractEngine] = {
    "trajectories": qj.Trajectories(100),
    "device": qj.Device(qj.hardware.LocalDevice(), shots=100),
}
"""One instance or more of every public engine that draws outcomes or branches."""

ALL_RULES: dict[str, qj.AbstractGradient] = {
    "backprop": qj.Backprop(),
    "checkpointed": qj.Checkpointed(every=2),
    "adjoint": qj.Adjoint(),
    "adjoint-reference": qj.Adjoint(kernel="reference"),
    "parameter-shift": qj.ParameterShift(chunk=32),
    "shared-shift": qj.SharedShift(chunk=16),
    "riesz": qj.Riesz(terms=40, chunk=40),
}
"""One instance or more of every public gradient rule that is exact."""

INEXACT_RULES: dict[str, qj.AbstractGradient] = {
    "finite-difference": qj.FiniteDifference(),
    "spsa": qj.SPSA(),
}
"""One instance or more of every public gradient rule that is biased or random."""

CHOOSING_RULES: dict[str, qj.AbstractGradient] = {"automatic": qj.Automatic()}
"""One instance of every public gradient rule that stands for another, which the tests above see."""

REGISTRIES: dict[type, dict] = {
    qj.AbstractCell: ALL_CELLS,
    qj.AbstractEngine: ALL_ENGINES | CUT_ENGINES | SAMPLED_ENGINES,
    qj.AbstractGradient: ALL_RULES | INEXACT_RULES | CHOOSING_RULES,
}


def public_classes(base: type) -> set[type]:
    """Every public, final class under `base`: what a registry must have an instance of."""
    found = {**vars(qj), **vars(qj.cells)}.values()
    return {
        item
        for item in found
        if inspect.isclass(item) and issubclass(item, base) and not inspect.isabstract(item)
    }
