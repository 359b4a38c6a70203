"""Checkpoints: one `.npz` of arrays and one `.json` manifest that proves them, written atomically.

    ckpt-00000120.npz     the leaves of a pytree, named leaf-0000, leaf-0001, ...; never a pickle
    ckpt-00000120.json    schema, step, SHA-256 of the npz, path, shape and dtype of each leaf,
                          notes, and the SHA-256 of all this

A checkpoint exists once its manifest does, and the manifest is renamed into place last. The newest
three are kept; those of later steps than the one just saved belong to a history that was given up
(their successor was resumed from an older step) and are deleted. Reading verifies everything before
a number is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import CheckpointError, CheckpointMismatch
from .files import read_capped, write_atomically

SCHEMA = 1
KEEP = 3
MANIFEST_BYTES = 2**20  # a manifest is a few kB; anything near this is not ours
_MANIFEST_NAME = re.compile(r"ckpt-(\d{8,})\.json")


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` returns.

    Arguments:
        step: the number under which it was saved.
        tree: the pytree, in the structure of the template.
        notes: the JSON object saved beside it.
        path: of the manifest.

    Example:
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> training.Checkpoint(step=3, tree={}, notes={}, path=Path("ckpt-00000003.json")).step
        3
    """

    step: int
    tree: Any
    notes: dict[str, Any]
    path: Path


class _Corrupt(Exception):
    """One checkpoint cannot be trusted; the message says why."""


def save_checkpoint(
    folder: Path, step: int, tree: Any, *, notes: Mapping[str, Any] | None = None
) -> Path:
    """Save a pytree of arrays (PRNG keys included) under a step's number.

    Arguments:
        folder: an existing directory.
        step: 0 or more; saving the same step again replaces it.
        tree: any pytree whose leaves are arrays of numbers or typed PRNG keys.
        notes: a small JSON object kept in the manifest.

    Returns:
        The manifest's path. Other checkpoints than this one and the two before it are deleted.

    Raises:
        ValueError: a leaf holds no numbers, or NaN.
        OSError: the folder cannot be written or the disk is full; path and bytes are named, older
            checkpoints are intact and no temporary file is left.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = training.save_checkpoint(Path(name), 7, {"a": jnp.arange(3.0)})
        ...     found = training.load_checkpoint(Path(name), {"a": jnp.zeros(3)})
        >>> path.name, found.step, found.tree["a"].tolist()
        ('ckpt-00000007.json', 7, [0.0, 1.0, 2.0])
    """
    folder = Path(folder)
    leaves = _plain_leaves(tree)
    _check_numbers(leaves)
    content = _npz(leaves)
    manifest = {
        "schema": SCHEMA,
        "step": step,
        "sha256": hashlib.sha256(content).hexdigest(),
        "leaves": [_describe(path, array) for path, array in leaves],
        "notes": dict(notes or {}),
    }
    manifest["seal"] = _seal(manifest)
    text = json.dumps(manifest, indent=1, allow_nan=False).encode()
    name = f"ckpt-{step:08d}"
    write_atomically(folder / f"{name}.npz", content)
    write_atomically(folder / f"{name}.json", text)
    _delete_others(folder, step)
    return folder / f"{name}.json"


def load_checkpoint(folder: Path, template: Any) -> Checkpoint | None:
    """The newest checkpoint that verifies, in the structure of a template.

    Arguments:
        folder: where `save_checkpoint` wrote.
        template: a pytree with the expected structure, shapes and dtypes (its numbers are unused).

    Returns:
        A `Checkpoint`, or None where the folder holds none. A corrupt one is skipped with a warning
        that names it and the older one used instead; nothing is ever deleted here.

    Raises:
        CheckpointError: every checkpoint is corrupt; each reason is listed.
        CheckpointMismatch: the newest sound one has other leaves or another schema.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from qrnn_jax import training
        >>> with tempfile.TemporaryDirectory() as name:
        ...     training.load_checkpoint(Path(name), {}) is None
        True
    """
    reasons: list[str] = []
    manifests = _manifests(Path(folder))
    for path in manifests:
        try:
            manifest, arrays = _read(path)
        except _Corrupt as error:
            reasons.append(f"{path}: {error}")
            continue
        tree = _restore(path, manifest, arrays, template)
        for reason in reasons:
            warnings.warn(f"Skipped a corrupt checkpoint, {reason}; using {path}.", stacklevel=2)
        return Checkpoint(manifest["step"], tree, manifest["notes"], path)
    if reasons:
        raise CheckpointError(
            "A checkpoint must be readable to resume, but none is; nothing was changed:\n  "
            + "\n  ".join(reasons)
        )
    return None


def _plain_leaves(tree: Any) -> list[tuple[str, np.ndarray]]:
    """(path, NumPy array) of every leaf; a typed PRNG key becomes its key data."""
    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        found.append((jax.tree_util.keystr(path), array))
    return found


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _describe(path: str, array: np.ndarray) -> dict[str, Any]:
    return {"path": path, "shape": list(array.shape), "dtype": array.dtype.name}


def _check_numbers(leaves: list[tuple[str, np.ndarray]]) -> None:
    """What could not be loaded again must not be saved."""
    for path, array in leaves:
        if array.dtype.hasobject or array.dtype.kind not in "biufcV":
            raise ValueError(
                f"Argument `tree` must hold arrays of numbers, but leaf {path} is "
                f"{array.dtype.name}; try leaving it out."
            )
        if _has_nan(array):
            raise ValueError(f"Argument `tree` must not hold NaN, but leaf {path} does.")


def _has_nan(array: np.ndarray) -> bool:
    return bool(np.issubdtype(array.dtype, np.inexact) and np.isnan(array).any())


def _npz(leaves: list[tuple[str, np.ndarray]]) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {_leaf_name(i): leaf for i, (_, leaf) in enumerate(leaves)}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _seal(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest's other entries."""
    others = {name: value for name, value in manifest.items() if name != "seal"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _leaf_name(index: int) -> str:
    return f"leaf-{index:04d}"


def _manifests(folder: Path) -> list[Path]:
    """All manifests, newest first."""
    found = [path for path in folder.iterdir() if _MANIFEST_NAME.fullmatch(path.name)]
    return sorted(found, key=_step_of, reverse=True)


def _step_of(manifest: Path) -> int:
    return int(manifest.stem.split("-")[1])


def _delete_others(folder: Path, step: int) -> None:
    """All but this step's and the newest before it, and what killed writers left behind."""
    manifests = _manifests(folder)
    kept = [path for path in manifests if _step_of(path) <= step][:KEEP]
    for path in manifests:
        if path not in kept:
            path.unlink(missing_ok=True)  # first: a crash in between leaves an orphan, nothing half
    arrays = {path.with_suffix(".npz") for path in kept}
    for path in (*folder.glob("ckpt-*.npz"), *folder.glob(".ckpt-*.tmp")):
        if path not in arrays:
            path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Manifest and arrays, or `_Corrupt`."""
    try:
        manifest = json.loads(read_capped(path, MANIFEST_BYTES))
        content = path.with_suffix(".npz").read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        raise _Corrupt(f"unreadable ({error})") from None
    _check_manifest(manifest)
    if manifest["schema"] != SCHEMA:
        return manifest, []  # sound, but its arrays are not ours to judge
    digest = hashlib.sha256(content).hexdigest()
    if digest != manifest["sha256"]:
        raise _Corrupt(f"SHA-256 of the arrays is {digest[:12]}..., not as in the manifest")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = [_array(archive, i, leaf) for i, leaf in enumerate(manifest["leaves"])]
    except _Corrupt:
        raise
    except Exception as error:  # a forged archive may raise anything
        raise _Corrupt(f"arrays do not load ({error})") from None
    return manifest, arrays


def _array(archive: Any, index: int, leaf: Mapping[str, Any]) -> np.ndarray:
    """One leaf as the manifest describes it."""
    stored, dtype = archive[_leaf_name(index)], np.dtype(leaf["dtype"])
    # npz keeps bfloat16 and its kin as nameless bytes
    array = stored.view(dtype) if dtype.kind == "V" else stored
    if _describe(str(leaf["path"]), array) != leaf:
        raise _Corrupt(f"leaf {leaf['path']} is {array.dtype.name} of shape {array.shape}")
    if _has_nan(array):
        raise _Corrupt(f"leaf {leaf['path']} holds NaN")
    return array


def _check_manifest(manifest: Any) -> None:
    expected = {"schema": int, "step": int, "sha256": str, "leaves": list, "notes": dict}
    if not isinstance(manifest, dict):
        raise _Corrupt("the manifest is no JSON object")
    for name, kind in expected.items():
        if not isinstance(manifest.get(name), kind):
            raise _Corrupt(f"the manifest has no valid `{name}`")
    if manifest.get("seal") != _seal(manifest):
        raise _Corrupt("the manifest's own SHA-256 does not fit")


def _restore(path: Path, manifest: dict[str, Any], arrays: list[np.ndarray], template: Any) -> Any:
    """The arrays in the template's structure, if every leaf has the template's shape and dtype."""
    if manifest["schema"] != SCHEMA:
        raise CheckpointMismatch(
            f"Checkpoint {path} must have schema {SCHEMA}, but has {manifest['schema']}; "
            "try the version of qrnn_jax that wrote it."
        )
    wanted = {leaf["path"]: leaf for leaf in (_describe(*pair) for pair in _plain_leaves(template))}
    found = {leaf["path"]: leaf for leaf in manifest["leaves"]}
    differing = [
        f"{name}: expected {_brief(wanted.get(name))}, found {_brief(found.get(name))}"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]
    if differing:
        raise CheckpointMismatch(
            f"Checkpoint {path} must fit this cell and optimizer, but {len(differing)} leaves "
            "differ:\n  " + "\n  ".join(differing)
        )
    by_path = dict(zip(found, arrays))  # not by position: fields may have changed places
    leaves, structure = jax.tree.flatten(template)
    return jax.tree.unflatten(
        structure, [_like(leaf, by_path[name]) for name, leaf in zip(wanted, leaves)]
    )


def _brief(leaf: dict[str, Any] | None) -> str:
    return "nothing" if leaf is None else f"{leaf['dtype']}{leaf['shape']}"


def _like(leaf: Any, array: np.ndarray) -> Any:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array, array.dtype)
