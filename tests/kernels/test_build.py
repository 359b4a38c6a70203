"""Building kernels: each language by its own compiler, once, and never against another jaxlib."""

import shutil
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from qrnn_jax_kernels import build, cuda_pure_states
from qrnn_jax_kernels.build import CPP, CUDA, BuildError, ffi_obstacle, library

FOLDER = Path(cuda_pure_states.__file__).parent
# the smallest states only, for one kind of GPU: seconds instead of minutes
QUICK = replace(
    CUDA,
    flags=tuple(
        {"arch=compute_90,code=[sm_90,compute_90]": "arch=compute_90,code=sm_90"}.get(flag, flag)
        for flag in (*CUDA.flags[:2], *CUDA.flags[4:], "-DQRNN_MOST_WIRES=7")
    ),
)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc, the CUDA compiler, is not there")
def test_the_cuda_kernel_compiles() -> None:
    """And loads without a GPU: the driver is asked for only when it runs."""
    assert [flag for flag in QUICK.flags if "arch=" in flag] == ["arch=compute_90,code=sm_90"]
    found = library(FOLDER, QUICK)
    assert ffi_obstacle(found) is None
    assert found.QrnnCudaForward
    assert found.QrnnCudaBackward
    assert found.QrnnCudaWideForward
    assert found.QrnnCudaWideBackward


def test_without_nvcc_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRNN_JAX_KERNEL_CACHE", str(tmp_path))
    monkeypatch.setenv("NVCC", "no-such-nvcc")
    library.cache_clear()
    with pytest.raises(BuildError, match=r"need a CUDA compiler, but none of no-such-nvcc.* NVCC"):
        library(FOLDER, CUDA)
    assert list(tmp_path.iterdir()) == []


def test_each_language_builds_its_own_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library is kept by the hash of its sources, headers and flags."""
    folder = tmp_path / "thing"
    folder.mkdir()
    for suffix in (".cc", ".cu"):
        (folder / f"thing{suffix}").write_text(suffix)
    started: list[tuple[list[str], str]] = []

    def note(command: list[str], source: Path, target: Path) -> None:
        started.append((command, source.name))
        target.touch()

    monkeypatch.setenv("QRNN_JAX_KERNEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_compile", note)
    monkeypatch.setattr(build, "_compiler", lambda toolchain: "true")
    monkeypatch.setattr(build.ctypes, "CDLL", str)
    find = library.__wrapped__
    first, again = find(folder, CPP), find(folder, CPP)
    assert first == again
    assert started == [(["true", *CPP.flags], "thing.cc")]
    (folder / "thing.cu").write_text("changed")
    assert find(folder, CPP) == first
    found = {find(folder, CUDA), find(folder, replace(CUDA, flags=("-O0",)))}
    (folder / "part.h").write_text("a header")
    found |= {find(folder, CUDA), find(folder, CPP)}
    assert len(found | {first}) == 5
    assert {name for _, name in started[1:4]} == {"thing.cu"}


class Foreign:
    """A library that was built against another version of XLA's FFI."""

    QrnnCudaForward = QrnnCudaBackward = None
    QrnnCudaWideForward = QrnnCudaWideBackward = None

    @staticmethod
    def QrnnFfiVersion() -> int:
        return 999


def test_a_library_for_another_jaxlib_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("registered")

    monkeypatch.setattr(jax.ffi, "register_ffi_target", never)
    reason = cuda_pure_states.register(Foreign(), "Cuda", "CUDA")  # type: ignore[arg-type]
    assert "was built for version 999 of XLA's FFI, but jaxlib has" in reason
