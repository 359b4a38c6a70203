"""Peers: an environment built once, a process that takes turns, and the gate that all pass."""

import json
import os
import subprocess
import sys
import sysconfig
import types
from dataclasses import replace
from importlib.metadata import version

import jax
import numpy as np
import pytest

import benchmarks.__main__ as command
from benchmarks import environment, process, report
from benchmarks.measure import PeerError, arguments, compare
from benchmarks.peers import reduced_for, refusal_of
from benchmarks.plain_jax import plain_loss
from benchmarks.process import NAMES, PeerProcess, peer_named, starting
from benchmarks.programs import OURS, PLAIN
from benchmarks.recurrence import gates
from benchmarks.workloads import W1, W2, W3, W4
from tests.benchmarks import fake_peer, fake_peer_numpy

TINY = W2.small()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("peers")


@pytest.fixture
def empty(monkeypatch, folder):
    """Environments of this file alone, without a JAX of their own: they borrow the running one."""
    monkeypatch.setenv(environment.VARIABLE, str(folder))
    monkeypatch.setattr(environment, "pins", lambda: ())
    monkeypatch.setenv("PYTHONPATH", sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Commands that would build an environment; only its folder is made."""
    found = []

    def call(name, command):
        found.append(command)
        if "venv" in command:
            os.makedirs(command[-1])

    monkeypatch.setattr(environment, "_call", call)
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path))
    return found


# what a peer is


def test_every_peer_says_what_it_needs_with_a_pinned_version():
    assert {"tensorcircuit", "pennylane", "qujax", "lightning"} <= set(NAMES)
    for name in NAMES:
        peer = peer_named(name)
        assert peer.TITLE
        assert peer.REQUIREMENTS
        assert all("==" in line for line in peer.REQUIREMENTS)


def test_peers_see_nothing_of_the_library():
    told = "import sys, benchmarks.child, benchmarks.recurrence; print([*sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert "benchmarks.recurrence" in done.stdout
    assert "qrnn_jax" not in done.stdout


@pytest.mark.parametrize("workload", [W1.small(), TINY], ids=["reset", "unitary"])
def test_the_gates_of_a_step_give_the_plain_loss_and_gradient(workload):
    args = arguments(workload.draw(), "float64")
    expected = jax.value_and_grad(plain_loss(workload))(*args)
    found = jax.value_and_grad(fake_peer.loss(workload))(*args)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-13)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-13)


def test_lightning_refuses_mixed_states_and_says_how_much_it_runs() -> None:
    lightning = peer_named("lightning")
    assert "pure states only" in refusal_of(lightning, W1)
    assert [refusal_of(lightning, w) for w in (W2, W3, W4)] == [None] * 3
    sizes = [reduced_for(lightning, w).sizes for w in (W2, W3, W4)]
    assert [(s["wires"], s["steps"], s["batch"]) for s in sizes] == [
        (10, 16, 1),
        (8, 16, 1),
        (20, 4, 1),
    ]
    assert reduced_for(lightning, W4) is W4
    assert reduced_for(lightning, W2).golden is None
    assert refusal_of(peer_named("qujax"), W1) is None
    assert reduced_for(peer_named("qujax"), W3) is W3


def test_every_parameter_turns_one_gate():
    for workload in (W1, W2):
        used = [gate.angle for gate in gates(workload) if gate.angle]
        assert sorted(used) == list(range(1, workload.parameters + 1))


# the environment


def test_an_environment_is_built_once(empty):
    told = []
    python = environment.interpreter("once", (), told.append)
    assert python.is_relative_to(empty)
    assert environment.interpreter("once", (), told.append) == python
    assert len(told) == 1
    done = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True)
    assert done.stdout.decode().strip() == str(python.parent.parent)


def test_a_half_built_environment_is_built_anew(calls):
    place = environment.interpreter("some", ("a==1",)).parent.parent
    (place / "requirements.txt").unlink()
    (place / "half").touch()
    environment.interpreter("some", ("a==1",))
    assert len(calls) == 4
    assert not (place / "half").exists()


def test_another_pin_or_another_jax_is_another_environment(calls, monkeypatch):
    one = environment.interpreter("some", ("a==1",))
    assert calls[1][-3:] == ["a==1", f"jax=={jax.__version__}", f"jaxlib=={version('jaxlib')}"]
    two = environment.interpreter("some", ("a==2",))
    monkeypatch.setattr(environment, "pins", lambda: ("jax==0.0",))
    three = environment.interpreter("some", ("a==2",))
    assert len({one, two, three}) == 3


def test_a_failed_build_says_why_and_is_not_taken_for_finished(empty, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RuntimeError, match=r"(?s)environment of failing failed: .*no-such-tool"):
        environment.interpreter("failing", ("no-such-tool==1",))
    assert list(empty.glob("failing-*"))
    assert not list(empty.glob("failing-*/requirements.txt"))


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert environment.cache() == tmp_path / "qrnn_jax" / "peers"


# the process


def test_a_peer_takes_turns_and_passes_the_same_gate(empty):
    python = environment.interpreter("fake_peer", ())
    with starting({fake_peer: python}, TINY, quick=True) as starts:
        _, records = compare(TINY, {PLAIN: plain_loss(TINY)}, starts, rounds=2)
    found = {record.name: record for record in records}["a fake peer"]
    assert found.refused is None
    assert found.check.gradient_error < 1e-5
    assert len(found.repeats_s) >= 2
    assert min(found.repeats_s) > 0
    assert found.compile_s > 0
    assert found.temp_bytes > 0
    assert found.versions["jax"] == jax.__version__
    assert found.memory["peak_rss_bytes"] is None or found.memory["peak_rss_bytes"] > 50e6


def test_a_wrong_peer_is_refused_and_a_broken_one_says_why(empty, monkeypatch):
    here = {fake_peer: sys.executable}
    for state, reasons in {
        "wrong": ["value off by 5.0e-01"],
        "broken": ["a fake peer on W2 ended with exit code 1: ", "the fake peer gave up"],
    }.items():
        monkeypatch.setenv("FAKE_PEER", state)
        with starting(here, TINY, quick=True) as starts:
            _, records = compare(TINY, {PLAIN: plain_loss(TINY)}, starts, rounds=1)
        plain, peer = records
        assert plain.repeats_s
        assert all(reason in peer.refused for reason in reasons)
        assert peer.repeats_s == []


@pytest.mark.parametrize("state", ["numpy", "numpy wrong"])
def test_a_peer_without_jax_passes_the_same_gate(empty, monkeypatch, state):
    monkeypatch.setenv("FAKE_PEER", state)
    with starting({fake_peer_numpy: sys.executable}, TINY, quick=True) as starts:
        _, (plain, peer) = compare(TINY, {PLAIN: plain_loss(TINY)}, starts, rounds=1)
    assert plain.repeats_s
    if state == "numpy wrong":
        assert "gradient off by" in peer.refused
        assert peer.repeats_s == []
        return
    assert peer.refused is None
    assert peer.check.gradient_error < 1e-5
    assert peer.repeats_s
    assert peer.temp_bytes is None
    assert report.table(TINY, [plain, peer]).splitlines()[3].split()[-3] == "-"
    assert "temp_bytes" not in report.ours_over([replace(plain, name=OURS), peer])[peer.name]


def test_a_workload_that_a_peer_refuses_is_not_run_and_is_no_failure():
    with starting({fake_peer_numpy: sys.executable}, W1.small(), quick=True) as starts:
        _, (_, peer) = compare(W1.small(), {PLAIN: plain_loss(W1.small())}, starts, rounds=1)
    assert peer.refused is None
    assert peer.skipped == "pure states only"
    assert peer.repeats_s == []


def test_a_slow_peer_runs_less_of_it_beside_ours_and_nothing_is_scaled(monkeypatch, tmp_path):
    monkeypatch.setenv("FAKE_PEER", "numpy less")
    monkeypatch.setattr(command, "NAMES", ["fake"])
    monkeypatch.setattr(command, "peer_named", lambda name: fake_peer_numpy)
    monkeypatch.setattr(command, "interpreter", lambda *args: sys.executable)
    monkeypatch.setattr(command, "programs", lambda w: {PLAIN: plain_loss(w), OURS: plain_loss(w)})
    monkeypatch.setattr(command, "measure_apart", lambda *args, **options: {})
    code = command.main(["--quick", "--only", "W2", "--peers", "--out", str(tmp_path)])
    assert code == 0
    found = json.loads((tmp_path / "W2.json").read_text())
    assert set(found["programs"]) == {PLAIN, OURS}  # at the whole size
    less = found["less_of_it"][fake_peer_numpy.TITLE]
    assert less["sizes"] == {"wires": 3, "steps": 2, "batch": 1, "parameters": 12}
    assert set(less["programs"]) == {PLAIN, OURS, fake_peer_numpy.TITLE}
    assert set(less["ours_over"]) == {PLAIN, fake_peer_numpy.TITLE}
    monkeypatch.setenv("FAKE_PEER", "numpy less wrong")
    assert command.main(["--quick", "--only", "W2", "--peers"]) == 1


def test_a_peer_on_another_device_is_refused(monkeypatch):
    other = types.SimpleNamespace(device_kind="another chip")
    peer = PeerProcess(fake_peer, sys.executable, TINY, quick=True)
    try:
        monkeypatch.setattr(process.jax, "devices", lambda: [other])
        with pytest.raises(PeerError, match="ran on cpu, but ours on another chip"):
            peer.ready()
    finally:
        peer.close()


def test_the_process_ends_with_the_block():
    peer = PeerProcess(fake_peer, sys.executable, TINY, quick=True)
    peer.ready()
    assert peer.step() > 0
    peer.close()
    assert peer._process.returncode == 0


# the command


def test_the_command_writes_the_peer_beside_ours(empty, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "NAMES", ["fake"])
    monkeypatch.setattr(command, "peer_named", lambda name: fake_peer)
    code = command.main(["--quick", "--only", "W2", "--peers", "--out", str(tmp_path / "out")])
    assert code == 0
    assert "ours over a fake peer: " in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "W2.json").read_text())
    assert found["programs"]["a fake peer"]["versions"]["jax"] == jax.__version__
    assert found["programs"]["a fake peer"]["median_s"] > 0
    assert set(found["ours_over"]) == {PLAIN, "plain JAX, step fused by hand", "a fake peer"}
    assert found["programs"][OURS]["peak_rss_bytes"] != 0
    assert command.main(["--picture", "--out", str(tmp_path / "out")]) == 0
    picture = (tmp_path / "out" / "overview.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_without_results_there_is_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results in"):
        command.main(["--picture", "--out", str(tmp_path)])


def test_without_the_option_no_peer_runs():
    assert command.find_peers(None) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("workload", [W1, W2], ids=["reset", "unitary"])
def test_the_real_peers_pass_the_gate_in_their_own_environment(name, workload):
    """Builds the environments: needs a network the first time."""
    peer, small = peer_named(name), workload.small()
    python = environment.interpreter(name, peer.REQUIREMENTS)
    with starting({peer: python}, small, quick=True) as starts:
        _, records = compare(small, {PLAIN: plain_loss(small)}, starts, rounds=1)
    assert [record.refused for record in records] == [None, None]
    if refusal_of(peer, small):
        assert records[1].skipped
        return
    assert records[1].check.gradient_error < 1e-5
