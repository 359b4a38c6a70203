"""A peer in a process and an environment of its own, taking turns with the programs here."""

import importlib
import json
import os
import pkgutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from benchmarks import peers
from benchmarks.measure import Gradient, NotRunError, PeerError, Ready
from benchmarks.workloads import Workload

_ROOT = Path(__file__).resolve().parent.parent
_SECONDS_TO_END = 10
NAMES = sorted(module.name for module in pkgutil.iter_modules(peers.__path__))


def peer_named(name: str) -> ModuleType:
    """A peer's file: `TITLE`, `REQUIREMENTS`, and `loss` or `training_step`."""
    return importlib.import_module(f"benchmarks.peers.{name}")


@contextmanager
def starting(
    environments: Mapping[ModuleType, Path], workload: Workload, *, quick: bool
) -> Iterator[dict[str, Callable[[], Ready]]]:
    """Calls that start a peer and wait until it is ready; all processes end with the block."""
    with ExitStack() as stack:

        def start(peer: ModuleType, python: Path) -> Ready:
            if reason := peers.refusal_of(peer, workload):
                raise NotRunError(reason)
            process = PeerProcess(peer, python, workload, quick=quick)
            stack.callback(process.close)
            return process.ready()

        yield {peer.TITLE: partial(start, peer, python) for peer, python in environments.items()}


class PeerProcess:
    """Start a peer's program on one workload, or on as much of it as it runs; it waits for steps.

    Arguments:
        peer: its module.
        python: the interpreter of its environment.
        workload: what to run; the process looks it up by name.
        quick: take the small workload of that name.
    """

    def __init__(self, peer: ModuleType, python: Path, workload: Workload, *, quick: bool) -> None:
        self._title = f"{peer.TITLE} on {workload.name}"
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by `close`
        command = [str(python), "-m", "benchmarks.child", peer.__name__, workload.name]
        self._process = subprocess.Popen(
            command + ["--quick"] * quick,
            cwd=_ROOT,
            env={**os.environ, "JAX_ENABLE_X64": "0", "JAX_ENABLE_COMPILATION_CACHE": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ready(self) -> Ready:
        """Wait until its step is compiled and has run once.

        Raises:
            PeerError: it ended, or it runs on another kind of device than this process.
        """
        found = self._answer()
        here = str(jax.devices()[0].device_kind)
        if found["device"] != here:
            raise PeerError(f"{self._title} ran on {found['device']}, but ours on {here}")
        return Ready(
            found["trace_s"],
            found["compile_s"],
            found["temp_bytes"],
            Gradient(found["value"], np.array(found["gradient"])),
            self.step,
            found["memory"],
            found["versions"],
        )

    def step(self) -> float:
        """Run one step there; the seconds it took, told by the process itself."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("step\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: the answer below says why
        seconds: float = self._answer()["seconds"]
        return seconds

    def close(self) -> None:
        """End the process: it stops when nothing more can come."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            told = self._errors.read()[-2000:]
            raise PeerError(f"{self._title} ended with exit code {code}: {told}")
        answer: dict[str, Any] = json.loads(line)
        return answer
