"""The wheel holds everything: built, unpacked elsewhere, used from an empty folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PROGRAM = """
import jax, jax.numpy as jnp, qrnn_jax as qj, qrnn_jax_kernels
assert "site" in qj.__file__ and "site" in qrnn_jax_kernels.__file__
assert len(qj.tasks.sunspots().train) == 205
cell = qj.cells.Takaki(inputs=1, memory=1, depth=1)
print(qj.run(cell, cell.init(jax.random.key(0)), jnp.zeros((3, 1))).shape)
"""


def test_wheel_works_from_an_empty_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(REPOSITORY)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = archive.namelist()
    assert "qrnn_jax/py.typed" in names
    kernels = REPOSITORY / "kernels"
    sources = [p for p in kernels.rglob("*") if p.suffix in (".cc", ".cu", ".h")]
    assert {path.suffix for path in sources} == {".cc", ".cu", ".h"}
    assert {path.relative_to(kernels).as_posix() for path in sources} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    # -P: nothing but the unpacked wheel and the installed dependencies is on the path
    program = f"import sys; sys.path.insert(0, {str(site)!r})\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=empty, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["(3,", "1)"]
