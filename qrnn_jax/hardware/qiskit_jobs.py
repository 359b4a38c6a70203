"""Jobs of a service that keeps them: tagged with their ids here, found again by their ids there."""

import threading
from typing import Any, final

from qrnn_jax.hardware.errors import DeviceError

_OVER = ("ERROR", "CANCELLED")
_UNREADABLE = (ValueError, LookupError)  # what clients raise at answers that they cannot decode


@final
class ServiceJobs:
    """The jobs that a sampler of Qiskit sends to a service.

    Arguments:
        sampler: whose `options.environment.job_tags` go with its jobs, as those of IBM do.
        service: `job(id)` and `jobs(job_tags=[tag], limit=1)` return jobs that it has, as
            `QiskitRuntimeService` does.

    Raises:
        TypeError: another sampler or service.

    Source: the interface of qiskit-ibm-runtime 0.51.
    """

    def __init__(self, sampler: Any, service: Any) -> None:
        missing = [n for n in ("job", "jobs") if not callable(getattr(service, n, None))]
        if missing:
            raise TypeError(
                "Argument `service` must find jobs by their ids and by their tags, but "
                f"{service!r} has no {missing}; try `backend.service`."
            )
        environment = getattr(getattr(sampler, "options", None), "environment", None)
        if getattr(environment, "job_tags", self) is self:
            raise TypeError(
                "Argument `service` must come with a sampler that has "
                f"`options.environment.job_tags`, but {sampler!r} has not; try `Sampler(backend)` "
                "of qiskit_ibm_runtime.executor_sampler, or `service=None`."
            )
        self._sampler = sampler
        self._service = service
        self._lock = threading.Lock()  # a sampler has one place for tags

    def send(self, tag: str, pubs: list[Any], shots: int) -> str:
        """Send a job, and return the service's id of it.

        Arguments:
            tag: our own id of it; beside the tags that the sampler has.
            pubs: what the sampler is asked.
            shots: of every row.

        Raises:
            TypeError: an id that is no text.
        """
        environment = self._sampler.options.environment
        with self._lock:
            own = environment.job_tags
            environment.job_tags = [*(own or ()), tag]
            try:
                return _id_of(self._sampler.run(pubs, shots=shots))
            finally:
                environment.job_tags = own

    def find(self, tag: str) -> str | None:
        """The service's id of a job; None where it never arrived.

        Arguments:
            tag: our own id of it.

        Raises:
            TypeError: an id that is no text.
        """
        found = self._service.jobs(job_tags=[tag], limit=1)
        return _id_of(found[0]) if found else None

    def results(self, ticket: str) -> Any:
        """Wait for a job, and return the sampler's answer.

        Arguments:
            ticket: the service's id of it.

        Raises:
            DeviceError: the job is over without an answer that can be read. Any other error is the
                client's own, and says nothing about the job.
        """
        job = self._service.job(ticket)
        try:
            found = job.result()
        except Exception as error:
            status = job.status()
            status = getattr(status, "name", status)
            if status in _OVER or (status == "DONE" and isinstance(error, _UNREADABLE)):
                raise DeviceError(
                    f"The device must finish the job {ticket} with an answer, but the service says "
                    f"{status}: {type(error).__name__}: {error}"
                ) from error
            raise
        if found is None:
            raise DeviceError(f"The device must answer the job {ticket}, but there is no answer.")
        return found


def _id_of(job: Any) -> str:
    """The service's id of a job."""
    found = job.job_id()
    if not isinstance(found, str) or not found:
        raise TypeError(f"The service must know jobs by text, but by its id {job!r} is {found!r}.")
    return found
