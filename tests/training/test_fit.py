"""The training loop: right numbers, resumable to the bit, and honest about unusable steps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import qrnn_jax as qj
from qrnn_jax import training
from qrnn_jax.training.fit import _advance, draw
from tests.training.small import CELL, START, Fragile, same_bits, windows, with_bad_input

KEY = jax.random.key(5)
ADAM = optax.adam(0.1)


def fit(**options):
    settings = {"optimizer": ADAM, "steps": 11, "key": KEY, **options}
    cell, given = settings.pop("cell", CELL), settings.pop("windows", windows())
    return training.fit(cell, START, given, **settings)


def hand_written(optimizer, steps, given):
    """Losses and parameters of the same training, written down without the library's loop."""
    inputs, targets = jnp.asarray(given.inputs), jnp.asarray(given.targets)

    def loss(params):
        outputs = jax.vmap(lambda xs: qj.run(CELL, params, xs))(inputs)
        return jnp.mean((outputs - targets) ** 2)

    @jax.jit
    def step(params, state):
        value, slope = jax.value_and_grad(loss)(params)
        more = {"value": value, "grad": slope, "value_fn": loss}
        updates, state = optimizer.update(slope, state, params, **more)
        return optax.apply_updates(params, updates), state, value

    params, losses = START, []
    state = optimizer.init(params)
    for _ in range(steps):
        params, state, value = step(params, state)
        losses.append(value)
    return params, np.array(losses)


def test_the_loss_falls():
    result = fit(steps=60)
    assert result.losses.shape == result.gradient_norms.shape == (60,)
    assert result.losses[-1] < 0.05 * result.losses[0]
    assert result.compile_s > 0
    assert result.train_s > 0


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_the_numbers_are_those_of_a_hand_written_loop(name):
    optimizer = {"adam": ADAM, "lbfgs": optax.with_extra_args_support(optax.lbfgs())}[name]
    result = fit(optimizer=optimizer)
    params, losses = hand_written(optimizer, 11, windows())
    # two compiled programs may round differently, by a few units in the last place
    np.testing.assert_allclose(result.losses, losses, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.params, params, rtol=0, atol=1e-11)


def test_lbfgs_reaches_the_minimum():
    assert fit(optimizer=training.make_optimizer("bfgs"), steps=30).losses[-1] < 1e-8


def test_gradient_norm_and_first_loss_are_those_of_the_start():
    batch = training.Batch.of(windows())
    value, slope = jax.value_and_grad(
        lambda params: training.mean_squared_error(CELL, params, batch)
    )(START)
    result = fit()
    assert result.losses[0] == pytest.approx(float(value), rel=1e-13)
    assert result.gradient_norms[0] == pytest.approx(float(np.linalg.norm(slope)), rel=1e-12)


def test_stopping_and_going_on_changes_no_bit():
    whole = fit(batch=3, chunk=4)
    first = fit(batch=3, chunk=4, steps=6)  # 6 is no multiple of the chunk
    second = fit(batch=3, chunk=4, state=first.state)
    assert same_bits(second.state, whole.state)
    losses = np.concatenate([first.losses, second.losses])
    assert losses.tobytes() == whole.losses.tobytes()
    assert not same_bits(first.state, whole.state)


def test_the_chunk_changes_no_bit():
    whole = fit(batch=3, chunk=4)
    for chunk in (1, 50):
        other = fit(batch=3, chunk=chunk)
        assert same_bits(other.state, whole.state)
        assert other.losses.tobytes() == whole.losses.tobytes()


def test_the_key_alone_decides_the_order_of_batches():
    assert same_bits(fit(batch=3, chunk=4).state, fit(batch=3, chunk=4).state)
    other = fit(batch=3, chunk=4, key=jax.random.key(6))
    assert not same_bits(other.params, fit(batch=3, chunk=4).params)


def test_an_epoch_draws_every_window_once():
    data = training.Batch(*(jnp.arange(8.0)[:, None] for _ in range(3)))

    def epoch(number, key):
        drawn = [draw(data, key, jnp.int32(4 * number + i), 2) for i in range(4)]
        for batch in drawn:  # inputs, targets and mask belong together
            np.testing.assert_array_equal(batch.inputs, batch.targets)
            np.testing.assert_array_equal(batch.inputs, batch.mask)
        return np.concatenate([batch.inputs[:, 0] for batch in drawn]).tolist()

    first, second, other = epoch(0, KEY), epoch(1, KEY), epoch(0, jax.random.key(6))
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second
    assert first != other
    assert epoch(1, KEY) == second


def test_a_remainder_is_left_out_and_batches_stay_disjoint():
    data = training.Batch(*(jnp.arange(8.0)[:, None] for _ in range(3)))
    drawn = [draw(data, KEY, jnp.int32(i), 3).inputs[:, 0].tolist() for i in range(2)]
    assert len({*drawn[0], *drawn[1]}) == 6


def test_callback_sees_every_step_once_in_calls_that_end_at_multiples_of_the_chunk():
    seen = []
    result = fit(batch=3, chunk=4, callback=seen.append)
    assert np.concatenate([progress.steps for progress in seen]).tolist() == list(range(1, 12))
    losses = np.concatenate([progress.losses for progress in seen])
    assert losses.tobytes() == result.losses.tobytes()
    assert all(progress.used.all() for progress in seen)
    ends = [int(progress.steps[-1]) for progress in seen]
    assert {4, 8, 11} <= set(ends)
    assert [int(progress.state.step) for progress in seen] == ends


def test_what_a_callback_raises_ends_the_fit():
    class Stop(Exception):
        pass

    def stop(progress):
        raise Stop

    with pytest.raises(Stop):
        fit(batch=3, chunk=4, callback=stop)


def test_no_step_returns_the_start():
    result = fit(steps=0)
    assert same_bits(result.params, START)
    assert result.losses.shape == (0,)
    done = fit(batch=3, chunk=4)
    again = fit(batch=3, chunk=4, state=done.state)
    assert same_bits(again.state, done.state)
    assert again.losses.shape == (0,)


def test_a_second_fit_does_not_compile():
    fit(batch=3, chunk=4)
    before = _advance._cache_size()
    other = windows()
    fit(windows=type(other)(other.inputs / 2, other.targets, other.mask), batch=3, chunk=4, steps=5)
    fit(batch=3, chunk=4, steps=7, key=jax.random.key(9))
    fit(batch=3, chunk=4, steps=9, state=fit(batch=3, chunk=4, steps=2).state)
    assert _advance._cache_size() == before


def test_one_nan_gradient_is_skipped_and_counted():
    seen = []
    given = with_bad_input(windows(), 5)
    result = fit(cell=Fragile(), windows=given, batch=1, steps=8, callback=seen.append)
    assert int(result.state.step) == 8
    assert int(result.state.skipped) == 1
    assert int(result.state.streak) == 0
    used = np.concatenate([progress.used for progress in seen])
    (bad,) = np.flatnonzero(~used)
    assert np.isfinite(result.losses[bad])  # the loss is fine, the gradient is not
    assert np.isnan(result.gradient_norms[bad])
    assert np.isfinite(np.delete(result.gradient_norms, bad)).all()
    assert np.isfinite(result.params).all()


def test_four_nan_gradients_in_a_row_end_the_fit_with_finite_parameters():
    given = with_bad_input(windows(), *range(8))
    seen = []
    message = (
        r"must make usable steps, but steps 1 to 4 gave .* parameters are those of step 0; try"
    )
    with pytest.raises(training.NumericalError, match=message) as raised:
        fit(cell=Fragile(), windows=given, batch=1, callback=seen.append)
    state = raised.value.state
    assert same_bits(state.params, START)
    assert (int(state.step), int(state.skipped), int(state.streak)) == (4, 4, 4)
    assert int(seen[-1].state.step) == 4  # the callback saw the last steps before the error


def test_a_hopeless_state_gets_four_new_steps():
    given = with_bad_input(windows(), *range(8))
    with pytest.raises(training.NumericalError) as raised:
        fit(cell=Fragile(), windows=given, batch=1)
    with pytest.raises(training.NumericalError, match="steps 5 to 8"):
        fit(cell=Fragile(), windows=given, batch=1, state=raised.value.state)
    result = fit(cell=Fragile(), batch=1, state=raised.value.state)  # the data were mended
    assert int(result.state.step) == 11
    assert int(result.state.skipped) == 4
    assert not same_bits(result.params, START)


def test_an_absurd_learning_rate_stops_within_ten_steps_and_no_number_is_nan():
    seen = []
    with pytest.raises(training.NumericalError, match="try a smaller learning rate") as raised:
        fit(optimizer=optax.sgd(1e30), steps=100, callback=seen.append)
    assert int(raised.value.state.step) <= 10
    assert same_bits(raised.value.state.params, START)
    for progress in seen:
        assert np.isfinite(progress.losses).all()
        assert np.isfinite(progress.gradient_norms).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"steps": -1},
            r"`steps` must be a whole number of at least 0, but it is -1; try `steps=1`",
        ),
        ({"steps": 2.0}, r"`steps` must be a whole number"),
        ({"steps": True}, r"`steps` must be a whole number"),
        ({"chunk": 0}, r"`chunk` must be a whole number of at least 1, but it is 0"),
        ({"batch": 0}, r"`batch` must be a whole number of at least 1, but it is 0"),
        ({"batch": 9}, r"`batch` must be at most the 8 training windows, but it is 9; try"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        fit(**options)
