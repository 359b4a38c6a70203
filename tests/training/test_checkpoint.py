"""Checkpoints: complete, verified before use, and harmless whatever the disk or a stranger does."""

import errno
import hashlib
import io
import json
import os
import pickle
import resource
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from qrnn_jax import training
from qrnn_jax.training.checkpoint import _seal
from tests.training.small import CELL, START, same_bits, windows


def random_tree(seed: int = 0):
    """Every kind of leaf that a training state may hold."""
    rng = np.random.default_rng(seed)
    return {
        "params": {"angles": jnp.asarray(rng.normal(size=(2, 3, 1))), "bias": jnp.float32(seed)},
        "optimizer": optax.adam(0.1).init(jnp.asarray(rng.normal(size=5))),
        "key": jax.random.key(seed),
        "old_key": jax.random.PRNGKey(seed),
        "step": jnp.int32(seed),
        "flags": jnp.array([True, False, True]),
        "complex": jnp.asarray(rng.normal(size=3) + 1j * rng.normal(size=3)),
        "coarse": jnp.asarray(rng.normal(size=4), jnp.bfloat16),
        "empty": jnp.zeros((0, 4)),
        "infinite": jnp.array([jnp.inf, -jnp.inf]),
    }


def blank(tree):
    """The same structure with other numbers."""
    return jax.tree.map(lambda leaf: leaf if leaf.dtype == tree["key"].dtype else 0 * leaf, tree)


@pytest.fixture
def three(tmp_path):
    """A folder with checkpoints of steps 10, 20 and 30."""
    for step in (10, 20, 30):
        training.save_checkpoint(tmp_path, step, random_tree(step), notes={"rate": step / 7})
    return tmp_path


def load(folder):
    return training.load_checkpoint(folder, random_tree())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def forge(folder, step, content, leaves):
    """A checkpoint of any content with honest checksums."""
    manifest = {"schema": 1, "step": step, "sha256": hashlib.sha256(content).hexdigest()}
    manifest |= {"leaves": leaves, "notes": {}}
    manifest["seal"] = _seal(manifest)
    (folder / f"ckpt-{step:08d}.npz").write_bytes(content)
    (folder / f"ckpt-{step:08d}.json").write_text(json.dumps(manifest))


# complete


def test_everything_comes_back_bit_by_bit(three):
    found = load(three)
    assert found.step == 30
    assert found.notes == {"rate": 30 / 7}
    assert found.path == three / "ckpt-00000030.json"
    assert same_bits(found.tree, random_tree(30))
    draws = [jax.random.normal(tree["key"], (3,)) for tree in (found.tree, random_tree(30))]
    assert same_bits(*draws)


@pytest.mark.parametrize("name", training.optimizer_names())
@pytest.mark.filterwarnings("ignore:Specifying a key will be required:UserWarning")
@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
def test_the_state_of_every_optimizer_comes_back(name, tmp_path):
    state = training.init_state(START, training.make_optimizer(name, learning_rate=0.01))
    training.save_checkpoint(tmp_path, 0, state)
    found = training.load_checkpoint(tmp_path, state)
    assert same_bits(found.tree, state)


def test_training_goes_on_from_a_file_to_the_bit(tmp_path):
    options = {"optimizer": optax.adam(0.1), "key": jax.random.key(5), "batch": 3, "chunk": 4}
    whole = training.fit(CELL, START, windows(), steps=11, **options)
    first = training.fit(CELL, START, windows(), steps=6, **options)
    training.save_checkpoint(tmp_path, 6, first.state)
    template = training.init_state(jnp.zeros(3), optax.adam(0.1))
    state = training.load_checkpoint(tmp_path, template).tree
    second = training.fit(CELL, START, windows(), steps=11, state=state, **options)
    assert same_bits(second.state, whole.state)


def test_an_empty_folder_holds_none(tmp_path):
    assert load(tmp_path) is None


def test_the_newest_three_are_kept_and_leftovers_swept(three):
    (three / ".ckpt-00000035.npz.123.tmp").write_bytes(b"left by a killed writer")
    (three / "ckpt-00000005.npz").write_bytes(b"an orphan")
    (three / "mine.txt").write_text("not a checkpoint")
    training.save_checkpoint(three, 40, random_tree(40))
    steps = (20, 30, 40)
    files = [f"ckpt-{step:08d}.{end}" for step in steps for end in ("json", "npz")]
    assert names(three) == [*files, "mine.txt"]


def test_saving_an_earlier_step_gives_up_the_later_ones(three):
    """After a corrupt 30 and 20, training went on from 10; a corrupt file must not stay on top."""
    training.save_checkpoint(three, 15, random_tree(15))
    assert names(three) == [f"ckpt-000000{s}.{end}" for s in (10, 15) for end in ("json", "npz")]
    assert load(three).step == 15


def test_saving_a_step_again_replaces_it(three):
    training.save_checkpoint(three, 30, random_tree(31))
    assert same_bits(load(three).tree, random_tree(31))


def test_fields_that_change_places_are_found_by_name(tmp_path):
    class State(NamedTuple):
        first: jax.Array
        second: jax.Array

    old = State(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0]))
    training.save_checkpoint(tmp_path, 1, old)

    class State(NamedTuple):  # the same fields in another order
        second: jax.Array
        first: jax.Array

    found = training.load_checkpoint(tmp_path, State(jnp.zeros(2), jnp.zeros(2))).tree
    assert found.first.tolist() == [1.0, 2.0]
    assert found.second.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        (np.array([object()]), r"must hold arrays of numbers, but leaf \['b'\] is object"),
        (np.array(["text"]), r"must hold arrays of numbers, but leaf \['b'\] is str"),
        (jnp.array([1.0, jnp.nan]), r"must not hold NaN, but leaf \['b'\] does"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(three, leaf, message):
    before = contents(three)
    with pytest.raises(ValueError, match=message):
        training.save_checkpoint(three, 40, {"a": jnp.zeros(2), "b": leaf})
    assert contents(three) == before


# damaged


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_flipped_bits_are_found_or_harmless(three, kind):
    path = three / f"ckpt-00000030.{kind}"
    good, rng = path.read_bytes(), np.random.default_rng(1)
    detected = 0
    for bit in rng.choice(8 * len(good), 100, replace=False):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(bad)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = load(three)
        assert found.step in (20, 30)
        assert same_bits(found.tree, random_tree(found.step)), f"bit {bit} changed a number"
        assert found.notes == {"rate": found.step / 7}
        if found.step == 20:
            detected += 1
            (warning,) = caught
            assert "ckpt-00000030.json" in str(warning.message)
            assert "using" in str(warning.message)
            assert "ckpt-00000020.json" in str(warning.message)
    assert detected >= 95  # harmless are only bits that JSON does not care about


@pytest.mark.parametrize("kind", ["npz", "json"])
@pytest.mark.parametrize("share", [0.0, "one byte", 0.5])
def test_a_truncated_file_is_skipped(three, kind, share):
    path = three / f"ckpt-00000030.{kind}"
    good = path.read_bytes()
    path.write_bytes(good[: 1 if share == "one byte" else int(share * len(good))])
    with pytest.warns(UserWarning, match=r"ckpt-00000030\.json: .*; using .*ckpt-00000020\.json"):
        found = load(three)
    assert same_bits(found.tree, random_tree(20))


def test_missing_arrays_are_skipped(three):
    (three / "ckpt-00000030.npz").unlink()
    with pytest.warns(UserWarning, match=r"unreadable .*No such file"):
        assert load(three).step == 20


def test_if_all_are_corrupt_each_reason_is_listed_and_nothing_is_deleted(three):
    (three / "ckpt-00000010.npz").write_bytes(b"")
    (three / "ckpt-00000020.json").write_text("[]")
    (three / "ckpt-00000030.json").write_text("[" * 100_000)
    before = contents(three)
    with pytest.raises(training.CheckpointError) as raised:
        load(three)
    message = str(raised.value)
    for step, reason in ((10, "SHA-256"), (20, "no JSON object"), (30, "unreadable")):
        (line,) = [line for line in message.splitlines() if f"ckpt-000000{step}.json" in line]
        assert reason in line
    assert contents(three) == before


def test_a_nan_with_honest_checksums_is_corrupt(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, **{"leaf-0000": np.array([1.0, np.nan])})
    leaves = [{"path": "['a']", "shape": [2], "dtype": "float64"}]
    forge(tmp_path, 1, buffer.getvalue(), leaves)
    with pytest.raises(training.CheckpointError, match=r"leaf \['a'\] holds NaN"):
        training.load_checkpoint(tmp_path, {"a": jnp.zeros(2)})


# forged


class Canary:
    """Unpickling one creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickled_object_is_refused_and_not_run(three, tmp_path_factory):
    canary = tmp_path_factory.mktemp("canary") / "alive"
    pickle.loads(pickle.dumps(Canary(canary))).close()
    assert canary.exists()  # the canary sings where pickles are loaded
    canary.unlink()
    buffer = io.BytesIO()
    np.savez(buffer, **{"leaf-0000": np.array([Canary(canary)], object)})
    forge(three, 40, buffer.getvalue(), [{"path": "['a']", "shape": [1], "dtype": "object"}])
    with pytest.warns(UserWarning, match=r"ckpt-00000040.json: arrays do not load \(.*pickle"):
        assert load(three).step == 30
    bare = pickle.dumps(Canary(canary))
    forge(three, 40, bare, [{"path": "['a']", "shape": [1], "dtype": "object"}])
    with pytest.warns(UserWarning, match=r"ckpt-00000040.json: arrays do not load"):
        assert load(three).step == 30
    assert not canary.exists()


def test_forged_archives_with_honest_checksums_raise_nothing_of_their_own(three):
    """200 random changes of 1 to 8 bytes, sealed again as a stranger would."""
    template = {"a": jnp.zeros((2, 3)), "b": jnp.int32(0)}
    folder = three / "forged"
    folder.mkdir()
    training.save_checkpoint(folder, 40, template)
    good = (folder / "ckpt-00000040.npz").read_bytes()
    leaves = json.loads((folder / "ckpt-00000040.json").read_text())["leaves"]
    rng, refused = np.random.default_rng(2), 0
    for _ in range(200):
        bad = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 9)):
            bad[place] = rng.integers(256)
        forge(folder, 40, bytes(bad), leaves)
        try:
            found = training.load_checkpoint(folder, template)
        except training.CheckpointError:
            refused += 1
        else:  # the change lay where a zip archive keeps nothing that matters
            assert same_bits(found.tree, template)
    assert refused > 50


@pytest.mark.parametrize(
    "leaves",
    [
        [1],
        [{}],
        [{"path": ["a"], "shape": [2], "dtype": "float64"}],
        [{"path": "['a']", "shape": [2], "dtype": "object"}],
        [{"path": "['a']", "shape": "2", "dtype": "float64"}],
        [{"path": "['a']", "shape": [2], "dtype": "no such type"}],
        [{"path": "['a']", "shape": [2], "dtype": "float64"}] * 2,
    ],
)
def test_forged_manifests_are_corrupt(tmp_path, leaves):
    buffer = io.BytesIO()
    np.savez(buffer, **{"leaf-0000": np.zeros(2)})
    forge(tmp_path, 1, buffer.getvalue(), leaves)
    with pytest.raises(training.CheckpointError, match=r"ckpt-00000001.json: "):
        training.load_checkpoint(tmp_path, {"a": jnp.zeros(2)})


# of another model


def test_other_shapes_dtypes_and_leaves_are_named(tmp_path):
    training.save_checkpoint(
        tmp_path, 7, {"a": jnp.zeros((2, 3)), "b": jnp.zeros(4), "c": jnp.ones(1)}
    )
    template = {"a": jnp.zeros((2, 5)), "b": jnp.zeros(4, jnp.float32), "d": jnp.ones(1)}
    with pytest.raises(training.CheckpointMismatch) as raised:
        training.load_checkpoint(tmp_path, template)
    lines = str(raised.value).splitlines()
    assert "ckpt-00000007.json must fit this cell and optimizer, but 4 leaves differ" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "['a']: expected float64[2, 5], found float64[2, 3]",
        "['b']: expected float32[4], found float64[4]",
        "['c']: expected nothing, found float64[1]",
        "['d']: expected float64[1], found nothing",
    ]


def test_a_mismatch_is_no_reason_to_fall_back(three):
    training.save_checkpoint(three, 40, {"other": jnp.zeros(3)})
    with pytest.raises(training.CheckpointMismatch, match=r"ckpt-00000040\.json must fit"):
        load(three)


def test_another_schema_is_named(three):
    path = three / "ckpt-00000030.json"
    manifest = json.loads(path.read_text()) | {"schema": 2}
    path.write_text(json.dumps(manifest | {"seal": _seal(manifest)}))
    with pytest.raises(training.CheckpointMismatch, match="must have schema 1, but has 2; try"):
        load(three)


# no room


@contextmanager
def file_size_limit(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_size_limit_leaves_the_old_checkpoints_alone(three):
    before = contents(three)
    with (
        file_size_limit(1000),
        pytest.raises(
            OSError, match=r"ckpt-00000040\.npz \(\d+ bytes\) must be writable, but File too large"
        ),
    ):
        training.save_checkpoint(three, 40, random_tree(40))
    assert contents(three) == before
    assert same_bits(load(three).tree, random_tree(30))


@pytest.mark.parametrize("failing", ["npz", "json"])
def test_a_full_disk_leaves_the_old_checkpoints_alone(three, monkeypatch, failing):
    before, replace = contents(three), os.replace

    def full(source, target):
        if str(target).endswith(failing):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    message = rf"ckpt-00000040\.{failing} \(\d+ bytes\) must be writable, but No space left"
    with pytest.raises(OSError, match=message) as raised:
        training.save_checkpoint(three, 40, random_tree(40))
    assert raised.value.errno == errno.ENOSPC
    after = contents(three)
    after.pop("ckpt-00000040.npz", None)  # arrays without a manifest are no checkpoint
    assert after == before
    assert same_bits(load(three).tree, random_tree(30))
    monkeypatch.undo()
    training.save_checkpoint(three, 50, random_tree(50))
    assert len(names(three)) == 6
