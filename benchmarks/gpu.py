"""`python -m benchmarks.gpu`: the CUDA kernel beside JAX's own loop, on an NVIDIA GPU.

W2, W3 and W4 (wide states) as they are, where every program is checked against plain JAX in float64
before it is timed; then with more and more sequences, until the device is full, where the kernel is
checked against JAX's own loop. TensorCircuit-NG takes part where it is installed.
"""

import argparse
import importlib.metadata
import importlib.util
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
from qrnn_jax_kernels import cuda_pure_states

import qrnn_jax as qj
from benchmarks import report
from benchmarks.measure import check, compare, prepare, refusal, time_rounds
from benchmarks.ours import library_loss
from benchmarks.peers import tensorcircuit
from benchmarks.plain_jax import Loss
from benchmarks.programs import BACKPROP
from benchmarks.workloads import W2, W3, W4, Workload

NO_DEVICE = 5  # exit code
KERNEL = "ours, native kernel"
SCAN = "ours, JAX's own loop, undone"
_RESULTS = Path(__file__).resolve().parent / "results"
_BATCHES = (16, 128, 1024, 8192)
_MOST_AMPLITUDES = 2**24  # of all sequences: what JAX's own loop keeps of them must fit, too
_ROUNDS = 7


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 if a program was refused, 5 if there is no GPU for the kernel, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=_RESULTS, help="folder for gpu.json")
    parser.add_argument("--batches", type=int, nargs="*", default=_BATCHES, help="to fill it")
    chosen = parser.parse_args(arguments)
    reason = cuda_pure_states.obstacle()
    if reason:
        print(f"There is nothing to measure: {reason}.", file=sys.stderr)
        return NO_DEVICE
    results, refused = measure((W2, W3, W4), chosen.batches)
    device = jax.devices()[0]
    told = {"device": device.device_kind, "runtime": device.client.platform_version}
    content = {**told, tensorcircuit.TITLE: peer_version(), **results}
    print(f"\nwritten to {report.write(chosen.out, 'gpu', content)}")
    return int(refused)


def measure(
    workloads: Sequence[Workload], batches: Sequence[int], rounds: int = _ROUNDS
) -> tuple[dict[str, Any], bool]:
    """The workloads, each at all batches: results by name, and whether a program was refused."""
    results, refused = {}, False
    for workload in workloads:
        expected, records = compare(workload, programs(workload), rounds=rounds, say=report.say)
        print("\n" + report.table(workload, records), flush=True)
        grown = [grow(workload, batch, rounds) for batch in larger(workload, batches)]
        extra = {"more_sequences": grown}
        results[workload.name] = report.as_json(workload, expected, records, extra)
        told = [record.refused for record in records] + [found["refused"] for found in grown]
        refused = refused or any(told)
    return results, refused


def larger(workload: Workload, batches: Sequence[int]) -> list[int]:
    """Those that are more sequences than the workload has, and not too many for the device."""
    most = _MOST_AMPLITUDES >> workload.wires
    return [batch for batch in batches if workload.batch < batch <= most]


def peer_version() -> str | None:
    """Of TensorCircuit-NG in this environment; None if it is not there."""
    if importlib.util.find_spec("tensorcircuit") is None:
        return None
    return importlib.metadata.version("tensorcircuit-ng")


def programs(workload: Workload) -> dict[str, Loss]:
    """JAX's own loops, the kernel, and the peer if it is there; ratios are against the first."""
    rules = {
        SCAN: qj.Adjoint(kernel="reference"),
        BACKPROP: qj.Backprop(),
        KERNEL: qj.Adjoint(kernel="native"),
    }
    losses = {name: library_loss(workload, gradient=rule) for name, rule in rules.items()}
    if peer_version() is not None:
        losses[tensorcircuit.TITLE] = tensorcircuit.loss(workload)
    return losses


def grow(workload: Workload, batch: int, rounds: int) -> dict[str, Any]:
    """The kernel and JAX's loop with a batch of another size: seconds, and steps per second."""
    sized = replace(workload, batch=batch, golden=None)
    report.say(f"{sized.name}: {batch} sequences")
    losses, numbers = programs(sized), sized.draw()
    ready = {name: prepare(losses[name], numbers) for name in (SCAN, KERNEL)}
    tolerance = sized.gradient_tolerance
    agreed = check(ready[KERNEL].found, ready[SCAN].found, gradient_tolerance=tolerance)
    told = {"sequences": batch, **agreed._asdict(), "refused": refusal(agreed, tolerance)}
    if told["refused"]:
        return told
    repeats = time_rounds({name: program.step for name, program in ready.items()}, rounds=rounds)
    median = {name: statistics.median(times) for name, times in repeats.items()}
    rate = {name: batch * sized.steps / seconds for name, seconds in median.items()}
    line = ", ".join(f"{name} {1e3 * seconds:.2f} ms" for name, seconds in median.items())
    print(f"{sized.name} with {batch} sequences: {line}", flush=True)
    return {**told, "median_s": median, "sequence_steps_per_second": rate}


if __name__ == "__main__":
    # before anything is compiled: compile times are to be those of a first run
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
