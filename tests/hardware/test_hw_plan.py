"""`plan`: its counts against a device that counts, its errors against shots, its refusals."""

import json
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax.hardware import Capabilities, DeviceError, LocalDevice, Queue, Speed
from qrnn_jax.hardware.plan_count import Tally, requests_of
from qrnn_jax.hardware.plan_inputs import CANDIDATES
from qrnn_jax.hardware.plan_result import duration
from tests.helpers import cell_inputs

W, D = qj.Weight, qj.Data
# two measurement settings; a weight twice a step; a controlled rotation: four terms, or two halves
SETTINGS = qj.CircuitCell(
    qj.Circuit(
        2,
        (qj.RY(0, D(0)), qj.RX(1, W(0)), qj.CRX(1, 0, W(1)), qj.RX(0, 0.7 * W(0)), qj.Reset(0)),
    ),
    (qj.Z(0), 0.5 * qj.X(0)),
)
# a weight that data scale: shots follow the data
SCALED = qj.CircuitCell(
    qj.Circuit(
        2, (qj.RX(0, W(0) * D(0)), qj.CNOT(0, 1), qj.RX(1, 0.5 * W(1)), qj.H(0), qj.Reset(0))
    ),
    (qj.Z(0),),
)
CELLS = {
    "takaki": qj.cells.Takaki(inputs=1, memory=1, depth=1),
    "viqueira": qj.cells.Viqueira(exchange=1, memory=1, layers=1, uploads=1),
    "settings": SETTINGS,
    "scaled": SCALED,
}
RULES: dict[str, qj.AbstractEstimator] = {
    "shift": qj.ParameterShift(),
    "samples": qj.ParameterShift(samples=7),
    "horizon": qj.ParameterShift(horizon=2),
    "weighted": qj.ParameterShift(allocation="weighted"),
    "shared": qj.SharedShift(),
    "riesz": qj.Riesz(terms=8),
    "riesz-samples": qj.Riesz(samples=5),
    "difference": qj.FiniteDifference(step=0.3),
    "five-point": qj.FiniteDifference(step=0.3, scheme="five-point"),
    "spsa": qj.SPSA(step=0.2, directions=3),
    "spsa-loss": qj.SPSA(step=0.2, on="loss"),
}
CASES = [
    *(("takaki", rule) for rule in RULES),
    ("viqueira", "shift"),
    ("viqueira", "shared"),
    ("settings", "shift"),
    ("settings", "weighted"),
    ("settings", "shared"),
    ("settings", "difference"),
    ("scaled", "weighted"),
    ("scaled", "riesz"),
]
BATCH, STEPS, SHOTS = 3, 3, 11


class Spy(qj.hardware.AbstractDevice):
    """Counts what it plays, in jobs of limited size."""

    capabilities: Any = None

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.jobs: list[tuple[int, int]] = []

    def run(self, template: Any, rows: np.ndarray, shots: int, seed: int) -> np.ndarray:
        self.jobs.append((len(rows), shots))
        return LocalDevice().run(template, rows, shots, seed)


def spy(**limits: Any) -> Spy:
    return Spy(replace(LocalDevice().capabilities, **limits))


def play(cell: qj.AbstractCell, rule: qj.AbstractGradient, queue: Queue, inputs: Any) -> None:
    """Value and gradient of a batch, as a user writes it, on the real queue."""
    params, xs = inputs
    engine, keys = qj.Device(queue, shots=SHOTS), jax.random.split(jax.random.key(4), BATCH)
    options = {"engine": engine, "gradient": rule}

    def both(params: Any, x: jax.Array, key: jax.Array) -> Any:
        if getattr(rule, "on", "outputs") == "loss":
            return qj.estimate_gradient(jnp.mean, cell, params, x, **options, key=key)
        return jax.value_and_grad(
            lambda p: jnp.mean(qj.run(cell, p, x, **options, key=key) ** 2)  # type: ignore[arg-type]
        )(params)

    jax.block_until_ready(jax.vmap(both, (None, 0, 0))(params, xs, keys))


def batch_of(cell: qj.AbstractCell) -> tuple[Any, jax.Array]:
    """Parameters, and sequences unlike each other."""
    params, xs = cell_inputs(cell, 5, steps=STEPS)
    return params, jnp.stack([xs, 0.3 * xs, -0.8 * xs])


@pytest.mark.parametrize(("name", "rule_name"), CASES)
def test_rows_jobs_and_shots_are_those_of_the_real_run(name: str, rule_name: str) -> None:
    """On a device that takes 16 rows at a time, with a budget of not one shot more."""
    cell, rule = CELLS[name], RULES[rule_name]
    params, xs = batch_of(cell)
    device = spy(max_rows=16)
    given = {"params": params, "xs": xs, "exact": False, "device": device}
    found = qj.plan(cell, STEPS, batch=BATCH, shots=SHOTS, rule=rule, **given)
    (planned,) = found.rules
    assert device.jobs == []
    queue = Queue(device, budget=planned.executions)
    play(cell, rule, queue, (params, xs))
    assert (queue.jobs, queue.spent) == (planned.jobs, planned.executions)
    assert queue.left == 0
    assert sum(rows for rows, _ in device.jobs) == planned.rows
    assert len({shots for _, shots in device.jobs}) * len(found.circuits) <= planned.requests
    assert max(rows * shots for rows, shots in device.jobs) == planned.largest_job


def test_jobs_are_cut_by_shots_and_by_executions() -> None:
    cell, rule = SETTINGS, qj.SharedShift()
    params, xs = batch_of(cell)
    device = spy(max_rows=7, max_shots=9, max_executions=40)
    given = {"params": params, "xs": xs, "exact": False, "device": device}
    (planned,) = qj.plan(cell, STEPS, batch=BATCH, shots=SHOTS, rule=rule, **given).rules
    queue = Queue(device)
    play(cell, rule, queue, (params, xs))
    assert (queue.jobs, queue.spent) == (planned.jobs, planned.executions)
    assert max(rows * shots for rows, shots in device.jobs) == planned.largest_job <= 40
    assert max(shots for _, shots in device.jobs) == 9


def test_every_rule_is_in_the_test_above() -> None:
    kinds = {type(rule) for rule in RULES.values()}
    public = {v for v in vars(qj).values() if isinstance(v, type)}
    rules = {v for v in public if issubclass(v, qj.AbstractEstimator)}
    assert kinds == {rule for rule in rules if not rule.__name__.startswith("Abstract")}
    assert {type(rule) for rule in CANDIDATES} == kinds


@pytest.mark.parametrize(
    ("name", "rule", "sizes"),
    [
        ("takaki", qj.SharedShift(), [1, 2]),
        ("scaled", qj.ParameterShift(), [1, 2]),
        ("scaled", qj.ParameterShift(allocation="weighted"), [3]),  # shots follow the data: all
    ],
)
def test_large_batches_are_counted_from_small_ones(
    name: str, rule: Any, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (CELLS[name], rule, LocalDevice(), SHOTS, *batch_of(CELLS[name]))
    whole, seen, names = requests_of(*given), [], requests_of.__globals__
    inner = names["_rehearse"]
    monkeypatch.setitem(names, "_rehearse", lambda *a: seen.append(len(a[-1])) or inner(*a))
    monkeypatch.setitem(names, "_AT_ONCE", 0)
    assert requests_of(*given) == whole
    assert seen == sizes


def test_a_request_made_twice_is_free_as_in_a_queue() -> None:
    (template,) = qj.hardware.templates(SCALED, 2)
    rows = np.zeros((3, len(template.symbols)))
    requests = [
        (rows, 5, (1,)),
        (rows, 5, (1,)),
        (rows, 5, (2,)),
        (rows, 6, (1,)),
        (rows + 1, 5, (1,)),
    ]
    queue, tally = Queue(LocalDevice()), Tally(LocalDevice())
    with tally.counting() as counted:
        for request in requests:
            queue.run(template, *request)
            assert tally.run(template, *request).shape == (3, 2, 2, 1)
    assert len(counted) == queue.jobs == 4
    assert sum(request.executions for request in counted) == queue.spent == 63


def test_nothing_is_submitted_and_budgets_are_told() -> None:
    device = spy()
    queue = Queue(device, budget=50)
    found = qj.plan(CELLS["takaki"], 2, shots=10, rule=qj.ParameterShift(), device=queue)
    assert device.jobs == []
    assert (queue.jobs, queue.spent, found.left) == (0, 0, 50)
    assert "50 shots left; too few for ParameterShift()" in str(found)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_wires": 1}, "must have 2 qubits, but has 1"),
        ({"measures_midway": False}, "mid-circuit measure"),
        ({"basis": LocalDevice().capabilities.basis - {"reset"}}, r"instructions \['reset'\]"),
        ({"basis": LocalDevice().capabilities.basis - {"measure"}}, r"\['measure'\]"),
    ],
)
def test_what_the_device_cannot_play_is_refused(limits: dict, message: str) -> None:
    device = spy(**limits)
    with pytest.raises(DeviceError, match=message):
        qj.plan(CELLS["takaki"], 2, shots=10, device=device, pilot=True)
    assert device.jobs == []


def test_no_job_exceeds_ten_million_executions() -> None:
    found = qj.plan(CELLS["takaki"], 4, batch=40, shots=100_000, rule=qj.ParameterShift())
    (rule,) = found.rules
    assert rule.executions == 40 * (1 + 2 * 6 * 4) * 100_000
    assert rule.largest_job <= 10_000_000
    assert rule.jobs >= rule.executions / 10_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "`shots` must be"),
        ({"batch": 0}, "`batch` must be"),
        ({"error": -1.0}, "`error` must be"),
        ({"shots": None}, "`shots` must be an integer of 1 or more, but is None"),
        ({"shots": 0}, "`shots` must be an integer of 1 or more, but is 0"),
        ({"rule": qj.Backprop()}, "`rule` must be a rule that a device can follow"),
        ({"rule": qj.SPSA()}, "`step` of `SPSA` must be given"),
        ({"rule": ()}, "`rule` must name a rule"),
        ({"xs": np.zeros((3, 1))}, r"`xs` must have shape \(1, 2, 1\) or \(2, 1\)"),
        ({"params": np.zeros(3)}, "`params` must have the structure"),
    ],
)
def test_bad_arguments_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qj.plan(CELLS["takaki"], 2, **{"shots": 10, **options})


def test_a_memory_wire_is_refused() -> None:
    cell = qj.CircuitCell(qj.Circuit(1, (qj.RX(0, W(0)),)), (qj.Z(0),))
    with pytest.raises(ValueError, match="must be reset or measured"):
        qj.plan(cell, 2, shots=10)


def test_all_rules_are_compared_and_those_that_cannot_serve_are_named() -> None:
    found = qj.plan(SCALED, 3, shots=100)
    assert [item.name for item in found.refused] == ["SharedShift()"]
    assert len(found.rules) == len(CANDIDATES) - 1
    assert found.recommended is not None
    assert found.recommended.bias == 0  # biased rules are not compared without parameters
    text, data = str(found), json.loads(found.to_json())
    assert "not SharedShift()" in text
    assert all(rule["rule"] in text for rule in data["rules"])
    assert data["circuits"][0]["two_qubit"] == 3
    best = min(rule.equal for rule in found.rules if rule.equal is not None)
    assert found.recommended.equal == best


def test_sizes_are_those_of_the_template() -> None:
    """By hand: RY RX CRX(6: h rz cx rz cx h) RX, a basis change for X, measure; reset but last."""
    found = qj.plan(SETTINGS, 2, shots=10, rule=qj.SPSA(step=0.1))
    by_word = {circuit.measured: circuit for circuit in found.circuits}
    assert set(by_word) == {"Z0", "X0"}
    assert by_word["Z0"].instructions == 2 * (1 + 1 + 6 + 1 + 1) + 1
    assert by_word["X0"].instructions == by_word["Z0"].instructions + 2
    assert by_word["Z0"].two_qubit == 4
    # on wire 0: ry h rz cx rz cx h rx measure reset, then the same without reset
    assert by_word["Z0"].depth == 10 + 9


def errors_of(rule: Any, seeds: int, *, shots: int = 40) -> tuple[Any, np.ndarray]:
    """What is planned, and the errors of real estimates of dy_T/dw from sampled outcomes."""
    cell, weights = SETTINGS, jnp.array([0.7, -1.1])
    xs = jnp.array([[0.4], [-0.9], [1.3]])
    (planned,) = qj.plan(cell, 3, shots=shots, rule=rule, params=weights, xs=xs).rules

    def last(w: jax.Array, **options: Any) -> jax.Array:
        return qj.run(cell, w, xs, **options)[-1]

    exact = jax.jacrev(last)(weights)  # (2 reads, 2 weights)
    options = {"prefixes": True, "gradient": rule, "shots": shots}  # exact chances: fast
    slope = jax.jit(jax.vmap(lambda k: jax.jacfwd(lambda w: last(w, key=k, **options))(weights)))
    keys = jax.random.split(jax.random.key(8), seeds)
    return planned, np.asarray(slope(keys) - exact)


@pytest.mark.parametrize("name", ["shift", "samples", "shared", "difference", "spsa"])
def test_exact_errors_are_those_of_shots(name: str) -> None:
    seeds = 300
    planned, off = errors_of(RULES[name], seeds)
    seen = np.sqrt(np.mean(off.var(axis=0)))
    assert abs(seen / planned.stderr - 1) < 0.15  # about five standard errors of a spread
    bias = np.sqrt(np.mean(off.mean(axis=0) ** 2))
    assert bias < planned.bias + 4 * planned.stderr / np.sqrt(seeds)
    assert (planned.bias > 0) == (name in ("difference", "spsa"))


@pytest.mark.parametrize("name", ["shift", "samples", "shared", "riesz"])
def test_bounds_are_above_exact_errors(name: str) -> None:
    weights, xs = jnp.array([0.7, -1.1]), jnp.array([[0.4], [-0.9], [1.3]])
    options = {"shots": 40, "rule": RULES[name], "params": weights, "xs": xs}
    exact, bound = (qj.plan(SETTINGS, 3, exact=e, **options) for e in (True, False))
    assert exact.rules[0].stderr < bound.rules[0].stderr < 4 * exact.rules[0].stderr
    assert "exact variances" in exact.errors
    assert "largest" in bound.errors


def test_the_bound_is_reached() -> None:
    """One rotation, read where its outcome is a fair coin: sigma T / sqrt(N), N = 2 T shots."""
    circuit = qj.Circuit(1, (qj.RZ(0, W(0)), qj.H(0), qj.Reset(0)))
    cell = qj.CircuitCell(circuit, (qj.Z(0),))
    rule = qj.ParameterShift(horizon=1)  # the state is forgotten at every step
    for exact in (True, False):
        found = qj.plan(
            cell,
            4,
            shots=50,
            rule=rule,
            params=jnp.zeros(1),
            xs=jnp.zeros((4, 0)),
            exact=exact,
        )
        assert found.rules[0].stderr == pytest.approx(0.1, rel=1e-5)  # 1 / sqrt(2 x 50)


@pytest.mark.parametrize("rule", [qj.ParameterShift(), qj.ParameterShift(samples=7)])
def test_the_cheapest_rule_reaches_the_error(rule: Any) -> None:
    weights, xs = jnp.array([0.7, -1.1]), jnp.array([[0.4], [-0.9], [1.3]])
    found = qj.plan(SETTINGS, 3, shots=40, rule=rule, params=weights, xs=xs, error=0.03)
    best = found.recommended
    assert best is not None
    assert 0.9 * 0.03 < best.stderr <= 0.03
    (first,) = found.rules
    assert best.executions > first.executions  # it was not precise enough
    ratio = (first.stderr / 0.03) ** 2
    assert best.executions / first.executions == pytest.approx(ratio, rel=0.2)
    if rule.draws is None:
        given = {"rule": rule, "params": weights, "xs": xs}
        again = qj.plan(SETTINGS, 3, shots=best.shots, **given).rules[0]
        assert again.stderr == pytest.approx(best.stderr, rel=1e-3)
    else:
        assert best.rule.samples > rule.samples


def test_a_bias_above_the_error_is_never_recommended() -> None:
    weights, xs = jnp.array([0.7, -1.1]), jnp.array([[0.4], [-0.9], [1.3]])
    given = {"shots": 40, "params": weights, "xs": xs}
    rules = (qj.FiniteDifference(step=1.5), qj.ParameterShift())
    found = qj.plan(SETTINGS, 3, rule=rules, error=0.01, **given)
    assert isinstance(found.recommended.rule, qj.ParameterShift)
    found = qj.plan(SETTINGS, 3, rule=rules[:1], error=0.01, **given)
    assert found.recommended is None
    assert "no rule reaches" in found.advice


def test_time_is_the_sum_over_jobs() -> None:
    class Stated(Spy):
        def speed(self, template: Any) -> Speed:
            return Speed(job=10.0, row=0.5, execution=0.01)

    device = Stated(replace(LocalDevice().capabilities, max_rows=8))
    cell = CELLS["takaki"]
    (rule,) = qj.plan(cell, 2, shots=20, rule=qj.ParameterShift(), device=device).rules
    assert (rule.rows, rule.jobs) == (25, 4)  # 1, and 24 in three jobs
    assert rule.seconds == pytest.approx(4 * 10 + 25 * 0.5 + 25 * 20 * 0.01)
    unknown = spy()
    found = qj.plan(cell, 2, shots=20, rule=qj.ParameterShift(), device=unknown)
    assert found.rules[0].seconds is None
    assert "try `pilot=True`" in str(found)
    assert unknown.jobs == device.jobs == []


def test_durations_are_readable() -> None:
    shown = [duration(s) for s in (None, 0.0123, 95.2, 700, 9000, 9e5)]
    assert shown == ["unknown", "0.012 s", "95 s", "12 min", "2.5 h", "10 d"]


def test_transpiled_circuits_are_counted_and_timed() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit`")
    cell = CELLS["takaki"]
    device = qj.hardware.named("aer", "fake_manila")
    found = qj.plan(cell, 3, shots=2049, batch=2, rule=qj.ParameterShift(), device=device)
    (template,) = qj.hardware.templates(cell, 3)
    counts = device.circuit(template).count_ops()
    (circuit,) = found.circuits
    assert circuit.two_qubit == counts["cx"] > template.count()["unitary"]
    assert circuit.instructions == sum(counts.values())
    assert found.rules[0].jobs == 2 * found.rules[0].requests  # 2048 shots, and 1
    assert found.rules[0].seconds > 0
    ideal = qj.plan(
        cell, 3, shots=10, rule=qj.ParameterShift(), device=qj.hardware.named("aer")
    ).circuits[0]
    assert ideal.instructions == sum(template.count().values())
    assert ideal == qj.plan(cell, 3, shots=10, rule=qj.ParameterShift()).circuits[0]


@pytest.mark.slow
def test_planned_times_are_within_a_factor_of_three() -> None:
    """As `python -m benchmarks.plan` does, which wrote docs/results/hardware/plan.json."""
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra `qiskit`")
    pytest.importorskip("qiskit_aer", reason="needs the extra `qiskit`")
    from benchmarks.plan import FACTOR, cases, factor, measure

    found = [factor(measure(case)) for case in cases()]
    print(found)
    assert max(found) < FACTOR


def test_the_committed_times_are_within_a_factor_of_three() -> None:
    from benchmarks.plan import FACTOR, PATH, cases, factor

    record = json.loads(PATH.read_text())
    assert record["allowed_factor"] == FACTOR == 3
    assert len(record["cases"]) == len(cases())
    for case, wanted in zip(record["cases"], cases()):
        assert case.items() >= wanted._asdict().items()
        assert case["factor"] == pytest.approx(factor(case))
        assert factor(case) < FACTOR
