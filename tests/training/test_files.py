"""Files that are whole or not there, and errors that say which file and how many bytes."""

import errno
import os
from pathlib import Path

import pytest

from qrnn_jax.training.files import append, read_capped, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fails(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"new and longer"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_write_error_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, stage):
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, stage, fails)
    message = r"a\.txt \(5 bytes\) must be writable, but No space left on device; try freeing space"
    with pytest.raises(OSError, match=message) as raised:
        write_atomically(path, b"12345")
    assert raised.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_an_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", b"12345")
    assert names(tmp_path) == []


def test_a_reader_sees_the_old_file_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path, replace, seen = tmp_path / "a.txt", os.replace, []
    write_atomically(path, b"old")

    def watched(source, target):
        seen.append((path.read_bytes(), Path(source).read_bytes()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    write_atomically(path, b"new")
    assert seen == [(b"old", b"new")]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OSError, match=r"nowhere/a\.txt \(3 bytes\) must be writable, but No such"):
        write_atomically(tmp_path / "nowhere" / "a.txt", b"123")


def test_appending(tmp_path):
    path = tmp_path / "a.txt"
    append(path, b"one ")
    append(path, b"two")
    assert path.read_bytes() == b"one two"
    with pytest.raises(OSError, match=r"must be writable, but Is a directory; try") as raised:
        append(tmp_path, b"three")
    assert raised.value.errno == errno.EISDIR


def test_reading_is_capped(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"12345")
    assert read_capped(path, 5) == b"12345"
    with pytest.raises(ValueError, match=r"a\.bin must have at most 4 bytes, but has more"):
        read_capped(path, 4)
    with pytest.raises(FileNotFoundError):
        read_capped(tmp_path / "b.bin", 4)
