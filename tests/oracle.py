"""An independent oracle: recurrent circuits by dense NumPy density matrices.

Written from the conventions of the design alone: wire 0 is the most significant bit, a rotation is
exp(-i angle G / 2), operations act in order, every operation is a 2**n matrix, the whole 4**n
density matrix is carried. Of the library it reads the descriptions (class names, wires, slots),
never a number that the library computed.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product

import numpy as np
from scipy.linalg import block_diag, expm

import qrnn_jax as qj

I2 = np.eye(2, dtype=complex)
X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
PAULI = {"X": X, "Y": Y, "Z": Z}
ZERO, ONE = np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex)
RAISE = np.array([[0, 1], [0, 0]], dtype=complex)  # |0><1|

FIXED = {
    **PAULI,
    "H": (X + Z) / np.sqrt(2),
    "S": np.diag([1, 1j]),
    "T": np.diag([1, np.exp(0.25j * np.pi)]),
    "CNOT": np.kron(ZERO, I2) + np.kron(ONE, X),
    "CZ": np.kron(ZERO, I2) + np.kron(ONE, Z),
    "SWAP": (np.eye(4) + sum(np.kron(p, p) for p in PAULI.values())) / 2,
}


def run(
    circuit: qj.Circuit,
    observables: Sequence[qj.AbstractObservable],
    weights: np.ndarray,
    data: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (T, M), and the density matrix (2**n, 2**n) after the last step."""
    errors = readout_errors(circuit)
    operators = [
        o for item in observables for o in observable_matrices(item, circuit.wires, errors)
    ]
    bases = read_bases(circuit, observables)
    rho = np.zeros((2**circuit.wires,) * 2, complex)
    rho[0, 0] = 1
    outputs = []
    for x in data:
        rho, seen = step(circuit, rho, weights, x, bases)
        seen, rho = seen / np.trace(seen).real, rho / np.trace(rho).real  # 1 but for `Postselect`
        outputs.append([np.trace(operator @ seen).real for operator in operators])
    return np.array(outputs), rho


def step(
    circuit: qj.Circuit,
    rho: np.ndarray,
    weights: np.ndarray,
    x: np.ndarray,
    bases: dict[int, str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The state after one step, and the state that is read in it, before any back-action."""
    place, seen = read_place(circuit), rho
    for index, operation in enumerate(circuit.operations):
        if index == place:
            seen = rho
        if isinstance(operation, qj.Read):
            for wire, letter in (bases or {}).items():
                rho = _apply(eigenprojectors(letter), (wire,), rho, circuit.wires)
        elif not isinstance(operation, qj.ReadoutError):
            rho = _apply(kraus(operation, weights, x), operation.wires, rho, circuit.wires)
    return rho, rho if place == len(circuit.operations) else seen


def _apply(
    matrices: Sequence[np.ndarray], wires: Sequence[int], rho: np.ndarray, count: int
) -> np.ndarray:
    full = [embed(matrix, wires, count) for matrix in matrices]
    return sum(k @ rho @ k.conj().T for k in full)


def eigenprojectors(letter: str) -> list[np.ndarray]:
    """The projectors on the eigenvalues +1 (outcome 0) and -1 (outcome 1) of a Pauli matrix."""
    _, vectors = np.linalg.eigh(PAULI[letter])  # ascending eigenvalues
    return [np.outer(vectors[:, i], vectors[:, i].conj()) for i in (1, 0)]


def readout_errors(circuit: qj.Circuit) -> dict[int, tuple[float, float]]:
    """For each wire with an error of its read-out, P(1 | 0) and P(0 | 1)."""
    errors = [op for op in circuit.operations if isinstance(op, qj.ReadoutError)]
    return {op.wire: (op.p01, op.p10) for op in errors}


def read_bases(circuit: qj.Circuit, observables: Sequence[qj.AbstractObservable]) -> dict[int, str]:
    """The letter in which a read-out with back-action measures each wire."""
    if not any(isinstance(op, qj.Read) and op.measure for op in circuit.operations):
        return {}
    bases = {}
    for item in observables:
        if isinstance(item, qj.Probabilities):
            bases |= dict.fromkeys(item.wires, "Z")
        else:
            bases |= {wire: letter for _, word in item.as_sum().terms for wire, letter in word}
    return bases


def read_place(circuit: qj.Circuit) -> int:
    """Before which operation the observables are read."""
    names = [type(operation).__name__ for operation in circuit.operations]
    if "Read" in names:
        return names.index("Read")
    if "ReadoutError" in names:
        raise NotImplementedError("The oracle wants an explicit `Read` beside a `ReadoutError`.")
    trailing = 0
    while trailing < len(names) and names[-1 - trailing] == "Reset":
        trailing += 1
    return len(names) - trailing


def value(slot: qj.Slot, weights: np.ndarray, x: np.ndarray) -> float:
    """constant + sum of coefficient * weight * data; an index of None means factor 1."""
    total = slot.constant
    for coefficient, weight, data in slot.terms:
        left = 1.0 if weight is None else weights[weight]
        right = 1.0 if data is None else x[data]
        total += coefficient * left * right
    return float(total)


def kraus(
    operation: qj.AbstractGate | qj.AbstractChannel, weights: np.ndarray, x: np.ndarray
) -> list[np.ndarray]:
    """The Kraus matrices of an operation on its own wires: one for a gate."""
    name = type(operation).__name__
    values = [value(slot, weights, x) for slot in operation.parameters]
    if name in FIXED:
        return [FIXED[name]]
    if name in ROTATIONS:
        return [ROTATIONS[name](*values)]
    if name in CHANNELS:
        return CHANNELS[name](*values)
    if name == "If":
        (branch,) = kraus(operation.gate, weights, x)
        other = np.eye(len(branch))
        first, second = (other, branch) if operation.value else (branch, other)
        return [np.kron(ZERO, first) + np.kron(ONE, second)]
    if name == "Controlled":
        (inner,) = kraus(operation.gate, weights, x)
        matrix = np.eye(len(inner) * 2 ** len(operation.condition), dtype=complex)
        matrix[-len(inner) :, -len(inner) :] = inner
        return [matrix]
    if name == "Flip":
        return [X if values[0] else I2]
    if name in ("Neuron", "UnitaryNeuron"):
        return [_neuron(operation, values)]
    if name == "Measure":
        projectors = eigenprojectors(operation.basis)
        if operation.to is None:
            return projectors
        writes = ((ZERO, RAISE), (RAISE.T, ONE))  # |b><0| and |b><1| for b = 0, 1
        return [np.kron(p, write) for p, pair in zip(projectors, writes) for write in pair]
    if name == "Postselect":
        return [ONE if operation.value else ZERO]
    if name == "AngleNoise":
        (unitary,) = kraus(operation.gate, weights, x)
        lost = 1 - np.exp(-operation.rate * abs(values[0]))
        return [k @ unitary for k in CHANNELS["Depolarizing"](0.75 * lost)]
    if name == "Evolution":
        return [expm(-1j * values[0] * pauli_sum(operation.hamiltonian, operation.wires))]
    if name == "Unitary":
        return [operation.constant.value]
    if name == "Kraus":
        return list(operation.constant.value)
    raise NotImplementedError(f"The oracle must learn {name}.")


def _neuron(operation: "qj.Neuron | qj.UnitaryNeuron", thetas: list[float]) -> np.ndarray:
    """One real 2 x 2 block per bit string of the sources, from the definition of eta."""
    count = len(operation.sources)
    subsets = [s for size in range(count + 1) for s in combinations(range(count), size)]
    blocks = []
    for bits in product((0, 1), repeat=count):
        terms = [t for s, t in zip(subsets, thetas) if all(bits[i] for i in s)]
        half = sum(terms) / 2
        turn = np.array([np.cos(half), np.sin(half)]) ** 2**operation.order
        if type(operation).__name__ == "UnitaryNeuron":
            turn /= np.linalg.norm(turn)
        blocks.append([[turn[0], -turn[1]], [turn[1], turn[0]]])
    return block_diag(*blocks).astype(complex)


def _rotation(word: str) -> Callable[[float], np.ndarray]:
    def matrix(angle: float) -> np.ndarray:
        return expm(-0.5j * angle * kron(PAULI[letter] for letter in word))

    return matrix


def _controlled(word: str) -> Callable[[float], np.ndarray]:
    def matrix(angle: float) -> np.ndarray:
        return np.kron(ZERO, I2) + np.kron(ONE, _rotation(word)(angle))

    return matrix


def _u3(theta: float, phi: float, lam: float) -> np.ndarray:
    rotations = (_rotation(word)(a) for word, a in (("Z", phi), ("Y", theta), ("Z", lam)))
    return np.exp(0.5j * (phi + lam)) * np.linalg.multi_dot(list(rotations))


ROTATIONS = {
    **{f"R{word}": _rotation(word) for word in ("X", "Y", "Z", "XX", "YY", "ZZ")},
    **{f"CR{word}": _controlled(word) for word in "XYZ"},
    "U3": _u3,
}

CHANNELS: dict[str, Callable[..., list[np.ndarray]]] = {
    "Reset": lambda: [ZERO, RAISE],
    "BitFlip": lambda p: [np.sqrt(1 - p) * I2, np.sqrt(p) * X],
    "Depolarizing": lambda p: [
        np.sqrt(1 - p) * I2,
        *(np.sqrt(p / 3) * matrix for matrix in (X, Y, Z)),
    ],
    "AmplitudeDamping": lambda g: [ZERO + np.sqrt(1 - g) * ONE, np.sqrt(g) * RAISE],
    "PhaseDamping": lambda s: [ZERO + np.sqrt(1 - s) * ONE, np.sqrt(s) * ONE],
}


Errors = dict[int, tuple[float, float]]


def effects(letter: str, flips: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    """The operators whose expectations are the probabilities of REPORTING 0 and 1."""
    p01, p10 = flips
    zero, one = eigenprojectors(letter)
    return (1 - p01) * zero + p10 * one, p01 * zero + (1 - p10) * one


def observable_matrices(
    observable: qj.AbstractObservable, count: int, errors: Errors | None = None
) -> list[np.ndarray]:
    """The dense operators on all wires whose expectations an observable reads."""
    if isinstance(observable, qj.Probabilities):
        pairs = [effects("Z", (errors or {}).get(wire, (0.0, 0.0))) for wire in observable.wires]
        words = np.ndindex((2,) * len(pairs))
        reported = (kron(pair[bit] for pair, bit in zip(pairs, word)) for word in words)
        return [embed(matrix, observable.wires, count) for matrix in reported]
    return [pauli_sum(observable, range(count), errors)]


def pauli_sum(
    observable: qj.AbstractObservable, wires: Sequence[int], errors: Errors | None = None
) -> np.ndarray:
    """sum_m c_m P_m on the given wires, first wire most significant; a factor is E_0 - E_1."""
    total = np.zeros((2 ** len(wires),) * 2, complex)
    for coefficient, word in observable.as_sum().terms:
        factors = [I2] * len(wires)
        for wire, letter in word:
            zero, one = effects(letter, (errors or {}).get(wire, (0.0, 0.0)))
            factors[list(wires).index(wire)] = zero - one
        total += coefficient * kron(factors)
    return total


def kron(factors: Iterable[np.ndarray]) -> np.ndarray:
    """The Kronecker product, first factor most significant."""
    total = np.eye(1, dtype=complex)
    for factor in factors:
        total = np.kron(total, factor)
    return total


def embed(matrix: np.ndarray, wires: Sequence[int], count: int) -> np.ndarray:
    """A matrix on some wires as a matrix on all of them."""
    rest = [wire for wire in range(count) if wire not in wires]
    order = [*wires, *rest]
    full = np.kron(matrix, np.eye(2 ** len(rest))).reshape((2,) * (2 * count))
    axes = [order.index(wire) for wire in range(count)]
    full = full.transpose([*axes, *(axis + count for axis in axes)])
    return full.reshape(2**count, 2**count)


def memory(rho: np.ndarray, kept: Sequence[int], count: int) -> np.ndarray:
    """The reduced density matrix of the kept wires, first wire most significant."""
    rest = [wire for wire in range(count) if wire not in kept]
    order = [*rest, *kept]
    tensor = rho.reshape((2,) * (2 * count)).transpose([*order, *(w + count for w in order)])
    sizes = 2 ** len(rest), 2 ** len(kept)
    return np.trace(tensor.reshape(*sizes, *sizes), axis1=0, axis2=2)
