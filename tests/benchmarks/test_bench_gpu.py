"""The benchmark of the CUDA kernel: without a GPU it says so; its measuring runs on any device."""

import json

import jax
import numpy as np
import pytest
from qrnn_jax_kernels import cuda_pure_states, pure_states

import benchmarks.__main__ as command
import qrnn_jax as qj
from benchmarks import gpu
from benchmarks.measure import GOLDEN_TOLERANCE, arguments
from benchmarks.ours import library_loss
from benchmarks.peers import tensorcircuit
from benchmarks.workloads import W2, W4
from qrnn_jax.engines import native

without_gpu = pytest.mark.skipif(
    cuda_pure_states.obstacle() is None, reason="there is a GPU; run `python -m benchmarks.gpu`"
)


@without_gpu
def test_without_a_gpu_it_ends_with_exit_code_5(tmp_path, capsys: pytest.CaptureFixture) -> None:
    assert gpu.main(["--out", str(tmp_path)]) == gpu.NO_DEVICE == 5
    told = capsys.readouterr()
    assert "There is nothing to measure: the CUDA kernel runs on NVIDIA GPUs" in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


@without_gpu
def test_the_main_command_hands_over(tmp_path, capsys: pytest.CaptureFixture) -> None:
    assert command.main(["--gpu", "--out", str(tmp_path)]) == gpu.NO_DEVICE
    assert "There is nothing to measure" in capsys.readouterr().err


def test_the_main_command_passes_the_folder_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(gpu, "main", lambda arguments: given.append(arguments) or 3)
    assert command.main(["--gpu", "--out", "somewhere"]) == 3
    assert command.main(["--gpu"]) == 3
    assert given == [["--out", "somewhere"], []]


@pytest.mark.skipif(pure_states.obstacle() is not None, reason="no native code to measure")
def test_it_checks_and_times_the_kernel_at_every_batch(capsys: pytest.CaptureFixture) -> None:
    """Here by the CPU's native code: the script only knows "native"."""
    with jax.enable_x64(False):
        results, refused = gpu.measure([W2.small()], [3, 5], rounds=1)
    found = json.loads(json.dumps(results))["W2"]
    assert not refused
    assert set(found["programs"]) == {gpu.SCAN, gpu.BACKPROP, gpu.KERNEL}
    assert [grown["sequences"] for grown in found["more_sequences"]] == [3, 5]
    for grown in found["more_sequences"]:
        rate, seconds = grown["sequence_steps_per_second"], grown["median_s"]
        assert rate[gpu.KERNEL] == pytest.approx(3 * grown["sequences"] / seconds[gpu.KERNEL])
    assert "W2 with 5 sequences" in capsys.readouterr().out


def test_a_kernel_that_disagrees_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gpu.programs

    def wrong(workload):
        losses = right(workload)
        losses[gpu.KERNEL] = lambda *args: 1.01 * losses[gpu.SCAN](*args)
        return losses

    monkeypatch.setattr(gpu, "programs", wrong)
    grown = gpu.grow(W2.small(), 2, rounds=1)
    assert "not timed" in grown["refused"]
    assert "median_s" not in grown


def test_a_wide_workload_grows_as_far_as_it_fits() -> None:
    """20 wires are 2**20 amplitudes, of which 16 sequences fit; W2 has 16 already."""
    assert gpu.larger(W4, (1, 2, 16, 17, 128)) == [2, 16]
    assert gpu.larger(W2, (16, 128, 16384)) == [128, 16384]


def test_the_peer_takes_part_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorcircuit, "loss", lambda workload: f"the peer on {workload.name}")
    monkeypatch.setattr(gpu, "peer_version", lambda: None)
    assert set(gpu.programs(W4)) == {gpu.SCAN, gpu.BACKPROP, gpu.KERNEL}
    monkeypatch.setattr(gpu, "peer_version", lambda: "1.10.0")
    assert gpu.programs(W4)[tensorcircuit.TITLE] == "the peer on W4"


@pytest.mark.slow
@pytest.mark.skipif(pure_states.obstacle() is not None, reason="no CPU kernel to compare with")
@pytest.mark.skipif(cuda_pure_states.TWIN.obstacle() is not None, reason="no twin")
def test_the_twin_gives_the_loss_of_the_wide_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 wires, 512 tiles: the golden loss in float64, the gradient of the CPU's kernel."""
    step = jax.value_and_grad(library_loss(W4, gradient=qj.Adjoint(kernel="native")))
    args = arguments(W4.draw(), "float64")
    _, expected = step(*args)
    monkeypatch.setitem(native.FAMILIES, "cpu", cuda_pure_states.TWIN)
    jax.clear_caches()
    text = jax.jit(step).lower(*args).as_text()
    assert "qrnn_twin_widebackward" in text
    value, found = step(*args)
    assert value == pytest.approx(W4.golden, abs=GOLDEN_TOLERANCE)
    np.testing.assert_allclose(found, expected, atol=1e-12)
