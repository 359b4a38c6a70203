"""IBM's own client up to where it would leave the machine, and its snapshots played here."""

import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qrnn_jax.hardware import DeviceError, Queue, ibm, ibm_device, snapshot
from tests.hardware.test_hw_queue import ROWS, TEMPLATE

pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")

from qiskit_aer.primitives import SamplerV2
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.executor_sampler import Sampler
from qiskit_ibm_runtime.ibm_backend import IBMBackend
from qiskit_ibm_runtime.sampler import SamplerV2 as Former


class Service:
    """Stands where `QiskitRuntimeService` would call IBM: keeps what the client hands over."""

    is_local = False

    def __init__(self) -> None:
        self.tags: list[list[str]] = []

    def _run(self, *, options: Any, **rest: Any) -> Any:
        given = options if isinstance(options, dict) else vars(options)
        self.tags.append(given["job_tags"])
        return SimpleNamespace(job_id=lambda: f"ibm {len(self.tags) - 1}")

    def job(self, job_id: str) -> Any:
        circuit = ibm_device(self.backend).circuit(TEMPLATE)
        table = ROWS[:1, [TEMPLATE.symbols.index(symbol.name) for symbol in circuit.parameters]]
        return SamplerV2(seed=5).run([(circuit, table)], shots=30)

    def jobs(self, **filters: Any) -> list[Any]:
        raise AssertionError("a new job is not looked for")

    @property
    def backend(self) -> IBMBackend:
        """The snapshot of a chip as a backend of this service."""
        fake = snapshot("fake_manila")
        client = SimpleNamespace(backend_properties=lambda *args, **options: None)
        made = IBMBackend(fake.configuration(), self, client)
        made._target = fake.target
        return made


@pytest.mark.filterwarnings("ignore:The SamplerV2 class is deprecated")  # why it is the former
@pytest.mark.parametrize("kind", [Sampler, Former])
def test_the_client_sends_a_job_with_its_id_as_a_tag(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service()
    monkeypatch.setattr(ibm, "_sampler", lambda: kind)
    device = ibm_device(service.backend)
    assert (device.gives_tickets, device.replays_free) == (True, False)
    bits = Queue(device, journal=tmp_path, pause=0).run(TEMPLATE, ROWS[:1], 30, key=(1,))
    assert (bits == (ROWS[:1] > 1)[:, None, :, None]).all()
    sent, noted = map(json.loads, (tmp_path / "journal.jsonl").read_text().splitlines())
    assert (service.tags, noted["ticket"]) == ([[sent["job"]]], "ibm 0")


def test_the_service_is_asked_as_it_wants_to_be() -> None:
    inspect.signature(QiskitRuntimeService.job).bind(None, "id")
    inspect.signature(QiskitRuntimeService.jobs).bind(None, job_tags=["tag"], limit=1)


def test_a_snapshot_is_played_here_and_keeps_no_jobs() -> None:
    device = ibm_device(snapshot("fake_manila"))
    assert (device.gives_tickets, device.calibration is None) == (False, False)
    found = [Queue(device, pause=0).run(TEMPLATE, ROWS[:1], 300, key=(1,)) for _ in range(2)]
    assert all(0 < (bits != (ROWS[:1] > 1)[:, None, :, None]).mean() < 0.15 for bits in found)
    assert not np.array_equal(*found)  # noise is felt, and shots are fresh at every call


def test_a_missing_package_is_an_error_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime.executor_sampler", None)
    assert ibm._sampler() is Former
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime", None)
    with pytest.raises(DeviceError, match="needs the package qiskit-ibm-runtime; try `pip"):
        ibm_device(None)
