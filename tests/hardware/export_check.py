"""Exported programs through two independent importers, against exact joint probabilities.

    python -m tests.hardware.export_check docs/results/hardware/export.json

needs the extras `qiskit`, `braket` and qiskit-qasm3-import, and takes some minutes: Braket's
simulator repeats 20 steps for every shot.
"""

import importlib.metadata
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

import qrnn_jax as qj
from tests import oracle
from tests.helpers import cell_inputs

CELLS = {
    "takaki": qj.cells.Takaki(inputs=1, memory=1, depth=1),
    "viqueira": qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1),
}
PACKAGES = ("qiskit", "qiskit-qasm3-import", "amazon-braket-default-simulator", "numpy", "jax")


class Act(NamedTuple):
    """A matrix on some wires, or a `measure` into (step, place), or a `reset`."""

    kind: str
    wires: tuple[int, ...]
    matrix: np.ndarray | None = None
    bit: tuple[int, int] | None = None


def own(cell: qj.AbstractCell, steps: int, row: np.ndarray) -> list[list[Act]]:
    """T steps of the cell's circuit by the oracle's matrices: what no exporter has touched."""
    circuit = cell.circuit
    (template,) = qj.hardware.templates(cell, steps)
    reads = [Act("measure", (wire,), bit=(0, j)) for j, (wire, _) in enumerate(template.measured)]
    assert {letter for _, letter in template.measured} == {"Z"}
    found = []
    for step in range(steps):
        acts: list[Act] = []
        for index, (operation, offset) in enumerate(zip(circuit.operations, circuit.offsets)):
            if index == circuit.read_index:
                acts += [act._replace(bit=(step, act.bit[1])) for act in reads if act.bit]
            if isinstance(operation, qj.Reset):
                acts.append(Act("reset", operation.wires))
            elif isinstance(operation, qj.AbstractGate):
                angles = row.reshape(steps, -1)[step, offset : offset + len(operation.parameters)]
                slots = [qj.Weight(i) for i in range(len(angles))]
                gate = _with(operation, slots)
                small = qj.Circuit(circuit.wires, (gate,)).matrix(angles)
                acts.append(Act("gate", tuple(range(circuit.wires)), small))
        found.append(acts)
    return found


def _with(operation: Any, slots: list[qj.Slot]) -> Any:
    """The same gate with other angles."""
    import dataclasses

    fields = [f.name for f in dataclasses.fields(operation)]
    names = [n for n in fields if isinstance(getattr(operation, n), qj.Slot)]
    return dataclasses.replace(operation, **dict(zip(names, slots)))


def imported(text: str, row: dict[str, float], steps: int) -> list[list[Act]]:
    """The same as Qiskit reads it, cut into steps behind every step's measurements."""
    from qiskit import qasm3
    from qiskit.quantum_info import Operator

    circuit = qasm3.loads(text)
    circuit = circuit.assign_parameters({p: row[p.name] for p in circuit.parameters})
    found: list[list[Act]] = [[] for _ in range(steps)]
    last = 0
    for item in circuit.data:
        wires = tuple(circuit.find_bit(qubit).index for qubit in item.qubits)
        if item.operation.name == "measure":
            ((register, place),) = circuit.find_bit(item.clbits[0]).registers
            last = int(register.name.split("_")[1])
            found[last].append(Act("measure", wires, bit=(last, place)))
        elif item.operation.name == "reset":
            found[last].append(Act("reset", wires))
        else:
            later = any(act.kind == "measure" for act in found[last]) and last < steps - 1
            last += later
            matrix = np.asarray(Operator(item.operation).data)
            found[last].append(Act("gate", wires[::-1], matrix))
    return found


def pairs(acts: list[list[Act]], wires: int, bits: int) -> np.ndarray:
    """P(outcome of step t, outcome of step t + 1), exact: (T - 1, 2**bits, 2**bits)."""
    rho = np.zeros((2**wires, 2**wires), complex)
    rho[0, 0] = 1
    found = np.zeros((len(acts) - 1, 2**bits, 2**bits))
    for step in range(len(acts) - 1):
        branches = _play(acts[step], {(): rho}, wires)
        rho = sum(branches.values())  # type: ignore[assignment]
        for outcomes, state in _play(acts[step + 1], branches, wires).items():
            number = int("".join(map(str, outcomes)), 2)
            found[step][number >> bits, number % 2**bits] += np.trace(state).real
    return found


def _play(
    acts: list[Act], branches: dict[tuple[int, ...], np.ndarray], wires: int
) -> dict[tuple[int, ...], np.ndarray]:
    """Every branch of outcomes, in the order of the bits' places."""
    zero, one, lower = np.diag([1.0, 0]), np.diag([0, 1.0]), np.array([[0, 1.0], [0, 0]])
    for act in acts:
        if act.kind == "gate":
            full = oracle.embed(act.matrix, act.wires, wires)
            branches = {k: full @ r @ full.conj().T for k, r in branches.items()}
        elif act.kind == "reset":
            both = [oracle.embed(m, act.wires, wires) for m in (zero, lower)]
            branches = {k: sum(m @ r @ m.T for m in both) for k, r in branches.items()}
        else:
            both = [oracle.embed(m, act.wires, wires) for m in (zero, one)]
            branches = {
                (*k, b): both[b] @ r @ both[b] for k, r in branches.items() for b in range(2)
            }
    return branches


def p_values(bits: np.ndarray, exact: np.ndarray) -> Iterator[float]:
    """Of every step's outcomes and of every adjacent pair: bits (S, T, k), exact from `pairs`."""
    numbers = bits @ (1 << np.arange(bits.shape[-1])[::-1])
    size = exact.shape[1]
    for step in range(len(exact)):
        joint = numbers[:, step] * size + numbers[:, step + 1]
        yield _p(np.bincount(joint, minlength=size**2), exact[step].ravel())
        yield _p(np.bincount(numbers[:, step], minlength=size), exact[step].sum(axis=1))
    yield _p(np.bincount(numbers[:, -1], minlength=size), exact[-1].sum(axis=0))


def _p(seen: np.ndarray, chances: np.ndarray) -> float:
    shots = seen.sum()
    rare = chances * shots < 5  # chi-square wants more: rare outcomes count as one
    seen = np.append(seen[~rare], seen[rare].sum())
    wanted = np.append(chances[~rare], chances[rare].sum()) * shots
    if wanted[-1] < 1e-9:
        assert seen[-1] == 0, "an impossible outcome"
        seen, wanted = seen[:-1], wanted[:-1]
    return (
        float(stats.chisquare(seen, wanted * shots / wanted.sum()).pvalue) if len(seen) > 1 else 1.0
    )


def step_error(name: str) -> float:
    """The unitary part of one step as Qiskit reads it, against the circuit's own matrix."""
    cell = CELLS[name]
    params, xs = cell_inputs(cell, 3, steps=1)
    tape = qj.hardware.angles(cell, params, xs)
    text = qj.hardware.to_openqasm3(cell, 1, angles=tape)
    wires = cell.circuit.wires
    found = np.eye(2**wires)
    for act in imported(text, {}, 1)[0]:
        if act.kind == "gate":
            found = oracle.embed(act.matrix, act.wires, wires) @ found
    wanted = np.eye(2**wires)
    for act in own(cell, 1, tape)[0]:
        if act.kind == "gate":
            wanted = act.matrix @ wanted
    phase = np.vdot(wanted, found) / len(found)
    return float(np.abs(found - wanted * phase / abs(phase)).max())


def through_qiskit(name: str, steps: int) -> float:
    """The largest difference of pair probabilities behind Qiskit's importer, symbols open."""
    cell, row, symbols = _row(name, steps)
    wires, bits = cell.circuit.wires, qj.hardware.templates(cell, 1)[0].outputs
    text = qj.hardware.to_openqasm3(cell, steps)
    read = pairs(imported(text, dict(zip(symbols, row)), steps), wires, bits)
    return float(np.abs(read - pairs(own(cell, steps, row), wires, bits)).max())


def through_braket(name: str, steps: int, shots: int) -> list[float]:
    """All p-values of Braket's counts."""
    cell, row, _ = _row(name, steps)
    (template,) = qj.hardware.templates(cell, steps)
    bits = qj.hardware.BraketDevice().run(template, row[None], shots, seed=20260)[0]
    exact = pairs(own(cell, steps, row), cell.circuit.wires, template.outputs)
    return list(p_values(bits, exact))


def _row(name: str, steps: int) -> tuple[qj.AbstractCell, np.ndarray, tuple[str, ...]]:
    cell = CELLS[name]
    params, xs = cell_inputs(cell, 3, steps=steps)
    (template,) = qj.hardware.templates(cell, steps)
    return cell, qj.hardware.angles(cell, params, xs).ravel(), template.symbols


def main(path: Path, steps: int = 20, shots: int = 400) -> None:
    """Everything, into a file."""
    found: dict[str, Any] = {"steps": steps, "shots": shots, "cells": {}}
    for name, cell in CELLS.items():
        text = qj.hardware.to_openqasm3(cell, steps)
        clock = time.perf_counter()
        values = through_braket(name, steps, shots)
        braket_s = time.perf_counter() - clock
        found["cells"][name] = {
            "cell": repr(cell), "statements": text.count(";"), "bytes": len(text),
            "qiskit_step_error": step_error(name), "qiskit_pair_error": through_qiskit(name, steps),
            "braket_p_values": len(values), "braket_smallest_p": min(values),
            "braket_seconds": round(braket_s, 1),
        }  # fmt: skip
        print(name, found["cells"][name], flush=True)
    found["versions"] = {package: importlib.metadata.version(package) for package in PACKAGES}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
