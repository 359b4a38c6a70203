"""Reading OpenQASM 3: what comes back, what is refused, and that no text takes long."""

import subprocess
import sys
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qrnn_jax as qj
from qrnn_jax.hardware import ProgramError, check_openqasm3, from_openqasm3, to_openqasm3
from qrnn_jax.hardware.gates import NAMED, STANDARD

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
Q = f"{HEAD}qubit[3] q;\nbit[3] c;\n"
VIQUEIRA = qj.cells.Viqueira(exchange=1, memory=2, layers=1, uploads=1)
EXPORT = to_openqasm3(VIQUEIRA, steps=2)

# fault 16 of the fault matrix, and what else can keep a reader busy: text, and what the answer says
HOSTILE = {
    "qubits": (HEAD + "qubit[20000000] q;", "declare 1 .. 1000 qubits in all, but declares 2000"),
    "loop": (Q + "for int i in [0:2000000000] { x q[0]; }", "loops and conditions are not read"),
    "nested blocks": (Q + "if (true) {" * 5000 + "x q[0];" + "}" * 5000, "at most 4096 charac"),
    "nested brackets": (Q + f"rx({'(' * 5000}1{')' * 5000}) q[0];", "at most 4096 characters"),
    "brackets": (Q + f"rx({'(' * 500}1{')' * 500}) q[0];", "at most 32 deep"),
    "empty": ("", "is empty"),
    "blank": (" \n\t\n", "is empty"),
    "binary": ("\x00\x01\x7fELF" * 50, "ASCII text"),
    "other letters": (Q + "// \u03c0\n", "ASCII text"),
    "include": ('OPENQASM 3.0;\ninclude "/etc/passwd";', "include nothing but"),
    "large": (Q + "x q[0];" * 100_000, "at most 524288 characters"),
    "long": (Q + "x q[0];" * 60_000, "one of 50000 operations"),
    "wide": (HEAD + "qubit[1000] q;" + "x q;" * 90_000, "one of 50000 operations"),
    "semicolons": (Q + ";" * 400_000, "known gate"),
    "comments": (Q + "/*" * 200_000, r"no `\*/`"),
    "declarations": (HEAD + "".join(f"bit b{i:05d};" for i in range(45_000)), "has none"),
    "digits": (HEAD + f"qubit[{'9' * 4000}] q;", "declare as"),
    "spaces": (Q + "h" + " " * 4000 + "!;", "known gate"),
    "equals": (Q + "=" * 4000 + ";", "be a measurement as"),
    "terms": (
        HEAD + "".join(f"input float i{k};" for k in range(140)) + "qubit q; rx("
        + "*".join(f"({'+'.join(f'i{k}' for k in part)})" for part in (range(70), range(70, 140)))
        + ") q;",
        "at most 64 terms",
    ),
    "overflow": (Q + "rx(1e308 * 10) q[0];", "finite"),
    "zero": (Q + "rx(1 / (2 - 2)) q[0];", "divide by numbers other than 0"),
    "definition": (Q + "gate g a { g a; }", "definitions, blocks and modifiers"),
    "power": (Q + "pow(1e300) @ x q[0];", "known gate"),
    "no end": (Q + "x q[0]", "end in a semicolon"),
    "pragma": (Q + "#pragma braket unitary([[1]]) q[0];", "known gate"),
    "version 2": ('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];', 'be "OPENQASM 3.0;"'),
    "gate": (Q + "magic q[0];", "known gate"),
    "angles": (Q + "rx(1, 2) q[0];", "1 angles and 1 qubits, but gives 2 and 1"),
    "index": (Q + "x q[3];", "stay in its register of 3"),
    "negative": (HEAD + "qubit[-2] q;", "declare as"),
    "name": (Q + "x r[0];", "declared registers"),
    "again": (Q + "qubit q;", "'q' is taken"),
    "same": (Q + "cx q[1], q[1];", "distinct qubits"),
    "bits": (Q + "bit[2] d; d = measure q;", "bit for every qubit"),
    "unknown": (Q + "rx(theta) q[0];", "numbers and inputs"),
    "breaks off": (Q + "rx(1 +) q[0];", "whole angles, but one breaks off"),
    "nothing": (Q + "rx() q[0];", "whole angles, but one breaks off"),
    "bracket": (Q + "rx((1 + 2) q[0];", "close its brackets"),
    "function": (Q + "rx(sin(1)) q[0];", "numbers and inputs"),
    "register": (Q + "cx q, q[0];", "single qubits"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_are_refused_with_a_reason(name: str) -> None:
    text, message = HOSTILE[name]
    for read in (check_openqasm3, from_openqasm3):
        with pytest.raises(ProgramError, match=message):
            read(text)


LIMITS = """
import json, resource, sys, time
from qrnn_jax.hardware import ProgramError, check_openqasm3, from_openqasm3
texts = json.load(sys.stdin)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, resource.RLIM_INFINITY))
for name, text in texts.items():
    begin, refused = time.process_time(), False
    try:
        check_openqasm3(text)
    except ProgramError:
        refused = True
    middle = time.process_time()
    try:
        from_openqasm3(text)
    except ValueError:
        pass
    print(json.dumps([name, refused, middle - begin, time.process_time() - middle]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process by its memory")
def test_no_text_takes_over_a_second_or_200_megabytes() -> None:
    """In a process that may not take more memory than that, imports aside."""
    import json

    late = "".join(f"c[{wire}] = measure q[{wire}]; " for wire in range(600))
    late = "qubit[601] q; bit[601] c; " + late[: late.index("c[1]")] + "x q[600];" * 40_000 + late
    texts = {name: text for name, (text, _) in HOSTILE.items()} | {"late": HEAD + late}
    done = subprocess.run(
        [sys.executable, "-c", LIMITS], input=json.dumps(texts), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in found] == list(texts)
    assert all(refused for name, refused, *_ in found if name != "late")
    assert max(seconds for *_, seconds, _ in found) < 1, found  # the check
    assert max(seconds for *_, seconds in found) < 3, found  # check and circuit, refused ones too


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_exports_raise_nothing_else(data: st.DataObject) -> None:
    """Cut, extended, shuffled, with foreign words: a description, or our own error."""
    text = EXPORT
    pieces = [*"(){};[]=-,*", "measure ", "->", "9" * 30, "1e999", "/*", "//", "for ", "q[0]"]
    pieces += ["a_0_0", "/0", "\x00", "qubit", "input float", "U("]
    for _ in range(data.draw(st.integers(1, 4))):
        place, other = (data.draw(st.integers(0, len(text))) for _ in range(2))
        kind = data.draw(st.sampled_from(["cut", "insert", "repeat", "swap"]))
        low, high = sorted((place, other))
        if kind == "cut":
            text = text[:low] + text[high:]
        elif kind == "insert":
            text = text[:place] + data.draw(st.sampled_from(pieces)) + text[place:]
        elif kind == "repeat":
            text = text[:high] + text[low:]
        else:
            text = text[high:] + text[low:high] + text[:low]
    for read in (check_openqasm3, from_openqasm3):
        complaint = ""
        try:
            read(text)
        except ProgramError:
            continue
        except ValueError as error:  # a program, but no step
            complaint = str(error)
        assert not complaint or "must be one step" in complaint or "Slots must be" in complaint


def test_own_exports_are_read() -> None:
    found = check_openqasm3(EXPORT)
    (template,) = qj.hardware.templates(VIQUEIRA, steps=2)
    count = template.count()
    assert found["qubits"] == 3
    assert set(found["inputs"]) <= set(template.symbols)
    for name in ("measure", "reset"):
        assert found["operations"][name] == count[name]
    row = np.linspace(-1, 1, len(template.symbols))
    bound = check_openqasm3(to_openqasm3(VIQUEIRA, steps=2, angles=row))
    assert bound["inputs"] == []
    assert bound["operations"] == found["operations"]
    braket = check_openqasm3(to_openqasm3(VIQUEIRA, steps=2, dialect="braket"))
    assert sum(braket["operations"].values()) >= sum(found["operations"].values())


def test_every_number_stands_in_its_place() -> None:
    """Bound programs hold the numbers of the tape, scaled and shifted as the angle says."""
    circuit = qj.Circuit(2, (qj.RX(1, qj.Data(0)), qj.CRX(0, 1, 2 * qj.Weight(0)), qj.Reset(1)))
    cell = qj.CircuitCell(circuit, (qj.Z(1),))
    text = to_openqasm3(cell, 2, angles=np.array([[0.1, 0.2], [0.3, 0.4]]))
    assert "rx(0.1) q[1];" in text
    assert "rx(0.3) q[1];" in text
    assert "rz(0.2) q[1];" in text  # half of the CRX, twice
    assert "rz(-0.2) q[1];" in text
    for wrong, message in ((np.zeros(3), "have shape"), (np.full(4, np.nan), "be finite")):
        with pytest.raises(ValueError, match=f"`angles` must {message}"):
            to_openqasm3(cell, 2, angles=wrong)
    with pytest.raises(ValueError, match="`dialect` must be one of"):
        to_openqasm3(cell, 2, dialect="quil")


STEP = """OPENQASM 3;
include "stdgates.inc";  // a step, /* not a comment
input float[64] theta;
input angle[32] phi;
input float drive;
qubit[2] q;  qubit r;
bit[2] c;
/* data on the first
   register */
ry(2*drive) q[0];
crx(theta * drive - phi/2 + 0.1) q[0], r;
h q[1];
cp(-(phi + pi)) r, q[1];
barrier q;
U(0.1, theta, 2*theta) q[1];
c[0] = measure q[0];
measure q[1] -> c[1];
reset q[0]; reset q[1];
rz(theta) r;
"""


def test_a_step_is_read_as_it_is_meant() -> None:
    circuit = from_openqasm3(STEP, data=["drive"])
    w, x = qj.Weight, qj.Data(0)
    expected = (
        qj.RY(0, 2 * x),
        qj.CRX(0, 2, w(0) * x - 0.5 * w(1) + 0.1),
        qj.H(1),
        qj.Controlled(qj.U3(1, 0.0, 0.0, -w(1) - np.pi), 2),
        qj.U3(1, 0.1, w(0), 2 * w(0)),
        qj.Read(),
        qj.Reset(0),
        qj.Reset(1),
        qj.RZ(2, w(0)),
    )
    assert [type(op) for op in circuit.operations] == [type(op) for op in expected]
    assert circuit.memory_wires == (2,)
    own = qj.CircuitCell(qj.Circuit(3, expected), (qj.Z(0), qj.X(1)))
    cell = qj.CircuitCell(circuit, (qj.Z(0), qj.X(1)))
    weights, xs = jnp.array([0.7, -1.1]), jnp.array([[0.3], [1.2], [-0.4]])
    np.testing.assert_allclose(qj.run(cell, weights, xs), qj.run(own, weights, xs), atol=1e-6)
    slope, other = (
        jax.grad(lambda v, c=c: jnp.sum(qj.run(c, v, xs)))(weights) for c in (cell, own)
    )
    np.testing.assert_allclose(slope, other, atol=1e-5)
    assert np.abs(slope).min() > 1e-2


def test_names_say_which_input_is_what() -> None:
    swapped = from_openqasm3(STEP, data=lambda name: name == "drive", weights=["phi", "theta"])
    assert swapped.operations[-1] == qj.RZ(2, qj.Weight(1))
    for options, message in (
        ({"data": ["driver"]}, "`data` must name symbols of the circuit, but names 'driver'"),
        ({"data": ["drive", "drive"]}, "each symbol once"),
        ({"data": ["drive"], "weights": ["drive"]}, "name no data"),
        ({"data": ["drive"], "weights": ["phi"]}, r"leave out \['theta'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            from_openqasm3(STEP, **options)
    with pytest.raises(TypeError, match="product of two weights"):
        from_openqasm3(STEP)


def test_the_read_out_stands_where_the_program_measures() -> None:
    kept = Q + "h q[0]; c[0] = measure q[0]; c[1] = measure q[1]; reset q[1]; h q[2];"
    operations = from_openqasm3(kept).operations
    assert operations[1:] == (
        qj.Read(measure=True), qj.Measure(0), qj.Reset(1), qj.H(2),
    )  # fmt: skip
    going_on = Q + "x q[1]; c[0] = measure q[0]; h q[0]; reset q[0];"
    assert from_openqasm3(going_on).operations == (
        qj.X(1), qj.Read(measure=True), qj.Measure(0), qj.H(0), qj.Reset(0),
    )  # fmt: skip
    for text in (
        "c[0] = measure q[0]; reset q[0]; h q[0]; c[1] = measure q[0];",
        "c[0] = measure q[0]; h q[1]; c[1] = measure q[1];",
    ):
        with pytest.raises(ValueError, match="`text` must be one step that measures"):
            from_openqasm3(Q + text)
    assert from_openqasm3(Q + "h q;").count() == {"H": 3}


@pytest.mark.parametrize("pair", list(product("+-", "*/")))
def test_arithmetic_binds_as_usual(pair: tuple[str, str]) -> None:
    add, multiply = pair
    text = (
        HEAD
        + f"input float u; qubit q; rz(1 {add} u {multiply} 4 {add} -(2 - u) {multiply} .5e1) q;"
    )
    circuit = from_openqasm3(text)
    for u in (0.0, 1.7):
        wanted = eval(f"1 {add} u {multiply} 4 {add} -(2 - u) {multiply} .5e1", {"u": u})
        found = np.angle(circuit.matrix([u])[1, 1] / circuit.matrix([u])[0, 0])
        assert abs(np.exp(1j * found) - np.exp(1j * wanted)) < 1e-12


@pytest.mark.parametrize("name", sorted(STANDARD - {"cnot", "si", "ti"}))
def test_every_word_means_what_qiskit_reads(name: str) -> None:
    """Up to a phase, to 1e-12, on wires whose order matters."""
    pytest.importorskip("qiskit_qasm3_import", reason="needs qiskit-qasm3-import")
    from qiskit import qasm3
    from qiskit.quantum_info import Operator

    known = NAMED[name]
    angles = ["2 * turn - pi / 3", "turn * 0.5 + 0.1", "-(0.7)", "1.1e0"][: known.angles]
    call = f"{name}({', '.join(angles)})" if angles else name
    wires = ", ".join(["q[2]", "q[0]", "q[1]"][: known.wires])
    text = HEAD + "input float[64] turn; qubit[3] q;" + "".join(
        f"ry({0.3 + 0.4 * wire}) q[{wire}];" for wire in range(3)
    ) + f"{call} {wires}; rx(turn) q[0];"  # fmt: skip
    circuit = qasm3.loads(text)
    bound = circuit.assign_parameters(dict.fromkeys(circuit.parameters, 0.8))
    wanted = np.asarray(Operator(bound.reverse_bits()).data)
    found = from_openqasm3(text).matrix([0.8])
    overlap = np.vdot(wanted, found) / 8
    assert abs(abs(overlap) - 1) < 1e-12
    np.testing.assert_allclose(found, wanted * overlap, atol=1e-12)
