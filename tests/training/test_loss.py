"""The masked mean squared error, against NumPy and against each sequence on its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qrnn_jax as qj
from qrnn_jax import tasks, training
from qrnn_jax.training.loss import check_windows
from tests.training.small import CELL, CIRCUIT, START, same_bits, windows

PAIR = qj.CircuitCell(CIRCUIT, (qj.Z(2), qj.X(0) @ qj.Z(1)))  # two outputs
LENGTHS = (4, 1, 6)


def value_and_gradient(cell, batch, gradient=None):
    def loss(params):
        return training.mean_squared_error(cell, params, batch, gradient=gradient)

    return jax.jit(jax.value_and_grad(loss))(START)


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(3)
    inputs = [rng.uniform(-1.5, 1.5, (length, 1)) for length in LENGTHS]
    targets = [rng.uniform(-1.0, 1.0, (length, 2)) for length in LENGTHS]
    return inputs, targets


def test_prediction_is_one_run_per_sequence():
    given = windows()
    found = training.predict(CELL, START, given.inputs)
    for n in range(len(given)):
        np.testing.assert_allclose(found[n], qj.run(CELL, START, given.inputs[n]), atol=1e-14)


def test_masked_loss_equals_numpy(sequences):
    inputs, targets = sequences
    given = tasks.pad(inputs, targets)
    mask = given.mask.copy()
    mask[0, 0] = mask[2, 3] = False  # wash-out and a gap, beside the padding
    batch = training.Batch.of(tasks.Windows(given.inputs, given.targets, mask))
    total, count = 0.0, 0
    for n, length in enumerate(LENGTHS):
        outputs = np.asarray(qj.run(PAIR, START, inputs[n]))
        for t in range(length):
            if mask[n, t]:
                total += ((outputs[t] - targets[n][t]) ** 2).mean()
                count += 1
    assert count == sum(LENGTHS) - 2
    found = training.mean_squared_error(PAIR, START, batch)
    assert float(found) == pytest.approx(total / count, rel=1e-14)


def test_padded_sequences_are_as_good_as_separate_ones(sequences):
    inputs, targets = sequences
    found = value_and_gradient(PAIR, training.Batch.of(tasks.pad(inputs, targets)))
    parts = [
        value_and_gradient(PAIR, training.Batch.of(tasks.pad([x], [y])))
        for x, y in zip(inputs, targets, strict=True)
    ]
    weights = np.array(LENGTHS) / sum(LENGTHS)
    value = sum(w * float(part[0]) for w, part in zip(weights, parts, strict=True))
    gradient = sum(w * np.asarray(part[1]) for w, part in zip(weights, parts, strict=True))
    assert float(found[0]) == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(found[1], gradient, rtol=0, atol=1e-14)


def test_what_stands_in_the_padding_changes_no_bit(sequences):
    clean = training.Batch.of(tasks.pad(*sequences))
    rng = np.random.default_rng(1)
    off = (clean.mask == 0)[..., None]
    noisy = training.Batch(
        jnp.where(off, rng.uniform(-3, 3, clean.inputs.shape), clean.inputs),
        jnp.where(off, 1e3, clean.targets),
        clean.mask,
    )
    found = [value_and_gradient(PAIR, batch, qj.Backprop()) for batch in (noisy, clean)]
    assert same_bits(*found)
    # a rule that undoes its steps comes back from the padding: the same up to rounding
    found = [value_and_gradient(PAIR, batch) for batch in (noisy, clean)]
    assert float(found[0][0]) == pytest.approx(float(found[1][0]), rel=1e-14)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=1e-14)


def test_a_batch_in_which_no_step_counts_has_loss_and_gradient_zero():
    batch = training.Batch.of(windows())
    value, gradient = value_and_gradient(CELL, batch._replace(mask=0 * batch.mask))
    assert float(value) == 0
    assert not np.asarray(gradient).any()


def test_a_batch_has_the_default_real_type():
    given = windows()
    assert {array.dtype.name for array in training.Batch.of(given)} == {"float64"}
    with jax.enable_x64(False):
        assert {array.dtype.name for array in training.Batch.of(given)} == {"float32"}


def test_windows_that_do_not_suit_the_cell_are_refused():
    with pytest.raises(ValueError, match=r"must have 1 features and 2 outputs .* has 1 and 1"):
        check_windows(PAIR, windows())


def test_the_first_input_out_of_the_domain_is_named():
    inputs = np.full((3, 4, 1), 0.5)
    inputs[1, 2], inputs[2, 0] = -1.25, 7.0
    given = tasks.Windows(inputs, inputs, np.ones((3, 4), bool))
    message = r"in \[-1, 1\], but window 1, row 2, column 0 is -1.25; try `tasks.Standardiser`"
    with pytest.raises(ValueError, match=message):
        check_windows(qj.cells.Takaki(inputs=1, memory=1, depth=1), given)
    check_windows(CELL, given)  # this one reads any angle
