"""Samplers of Qiskit: one for every job, what it is asked, and the bits of its answer."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qrnn_jax.hardware.errors import DeviceError
from qrnn_jax.hardware.template import Template


def maker_of(sampler: Any) -> Callable[[int], Any]:
    """A function that makes a sampler for a seed: the given one, if it is one.

    Arguments:
        sampler: a sampler, which is then made for every seed, or a function.

    Raises:
        TypeError: neither of them.
        ValueError: a sampler with a seed of its own.
    """
    if callable(getattr(sampler, "run", None)):
        _check_unseeded(sampler)
        return lambda seed: sampler
    if not callable(sampler):
        raise TypeError(
            "Argument `sampler` must be a sampler of Qiskit or a function that makes one for a "
            f"seed, but is {sampler!r}; try `lambda seed: SamplerV2(seed=seed)`."
        )
    return sampler


def pubs_of(circuit: Any, template: Template, rows: np.ndarray) -> list[Any]:
    """What a sampler is asked for: a circuit with a table, or once for every row.

    Arguments:
        circuit: of the template.
        template: its symbols are the columns.
        rows: (R, len(template.symbols)).
    """
    place = {name: column for column, name in enumerate(template.symbols)}
    table = rows[:, [place[symbol.name] for symbol in circuit.parameters]]
    # rows of a table without columns would all return the same shots
    return [(circuit, table)] if table.shape[1] else [circuit] * len(rows)


def bits_of(results: Any, template: Template, rows: int, shots: int) -> np.ndarray:
    """The bits (R, shots, T, outputs) of a sampler's answer.

    Arguments:
        results: one for each of `pubs_of`, with a register y0, y1, .. for every step that is read.
        template: what was played.
        rows: R.
        shots: of every row.

    Raises:
        DeviceError: other registers, rows or shots.
    """
    bits = np.zeros((rows, shots, template.steps, template.outputs), np.uint8)
    for step in template.read_steps:
        packed = [_register(result.data, f"y{step}") for result in results]
        if not packed:
            raise DeviceError("The device must return results, but returned none.")
        stacked = np.concatenate([p.reshape(-1, *p.shape[-2:]) for p in packed])
        every = np.unpackbits(stacked, axis=-1)[..., ::-1]  # the last byte holds bit 0
        if every.shape[:2] != bits.shape[:2]:  # NumPy would repeat a single shot
            raise DeviceError(
                f"The device must return {bits.shape[:2]} rows and shots, but returned "
                f"{every.shape[:2]}."
            )
        bits[:, :, step] = every[..., : template.outputs]
    return bits


def _register(data: Any, name: str) -> np.ndarray:
    """The packed bits of one classical register, (.., shots, bytes)."""
    if name not in data:
        raise DeviceError(
            f"The device must return the register {name}, but returned {sorted(data)}."
        )
    return np.asarray(data[name].array)


def _check_unseeded(sampler: Any) -> None:
    """Refuse a simulator's sampler that repeats itself."""
    options = getattr(sampler, "options", None)
    backend = getattr(sampler, "backend", None) or getattr(sampler, "_backend", None)
    passed = getattr(options, "run_options", None)
    seeds = (
        getattr(sampler, "seed", None),
        getattr(options, "seed_simulator", None),
        passed.get("seed_simulator") if isinstance(passed, dict) else None,
        getattr(getattr(backend, "options", None), "seed_simulator", None),
    )
    seed = next((found for found in seeds if found is not None), None)
    if seed is not None:
        raise ValueError(
            f"Argument `sampler` must draw fresh shots in every job, but has the seed {seed}; try "
            "`QiskitDevice(lambda seed: SamplerV2(seed=seed))`."
        )
