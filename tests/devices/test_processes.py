"""Two processes that find each other over loopback give what one gives."""

import socket

from tests.devices.child import answers, start


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_processes_agree_with_one() -> None:
    address = f"127.0.0.1:{free_port()}"
    found = answers(*(start("processes", 2, address, str(process)) for process in (0, 1)))
    assert len(found) == 2
    for differences in found:
        assert set(differences) == {"batch", "state", "shifted runs"}
        assert max(differences.values()) < 1e-12, differences
