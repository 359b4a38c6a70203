"""Classical networks against plain NumPy, their training against a plain loop."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from qrnn_jax import tasks

pytest.importorskip("equinox", reason="the cells come from equinox (extra `baselines`)")

from qrnn_jax import baselines

KEY = jax.random.key(3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def in_numpy(tree):
    return jax.tree.map(np.asarray, tree)


def by_hand(network, params, xs):
    """Every kind of network, gate by gate, in NumPy."""
    cell, head = in_numpy((params["cell"], params["head"]))
    h = c = np.zeros(network.hidden)
    answers = []
    for x in np.asarray(xs):
        if network.kind == "lstm":
            rows = cell.weight_ih @ x + cell.weight_hh @ h + cell.bias
            i, f, g, o = rows.reshape(4, -1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        elif network.kind == "gru":
            r, z, n = (cell.weight_ih @ x + cell.bias).reshape(3, -1)
            hr, hz, hn = (cell.weight_hh @ h).reshape(3, -1)
            new = np.tanh(n + sigmoid(r + hr) * (hn + cell.bias_n))
            h = (1 - sigmoid(z + hz)) * new + sigmoid(z + hz) * h
        else:
            total = cell[0].weight @ x + cell[1].weight @ h
            h = np.tanh(total + cell[0].bias) if network.kind == "rnn" else total
        answers.append(head.weight @ h + head.bias)
    return np.array(answers)


@pytest.mark.parametrize("kind", baselines.KINDS)
def test_network_is_its_equations(kind):
    network = baselines.Network(kind, features=3, hidden=4, outputs=2)
    params = network.init(KEY)
    generator = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), params)  # biases, too
    xs = generator.normal(size=(6, 3))
    answers = jax.jit(network)(params, xs)
    np.testing.assert_allclose(answers, by_hand(network, params, xs), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "features", "hidden", "outputs", "expected"),
    [
        ("lstm", 1, 4, 1, 101),
        ("lstm", 1, 1, 1, 14),
        ("lstm", 1, 2, 1, 35),
        ("lstm", 1, 3, 1, 64),
        ("gru", 1, 4, 1, 3 * 4 * (1 + 4 + 1) + 4 + 5),
        ("rnn", 8, 22, 8, 22 * (8 + 22 + 1) + 8 * 23),
        ("linear", 1, 4, 1, 4 * (1 + 4) + 5),
    ],
)
def test_parameters_are_counted(kind, features, hidden, outputs, expected):
    assert baselines.Network(kind, features, hidden, outputs).parameters == expected


@pytest.mark.parametrize("kind", baselines.KINDS)
@pytest.mark.parametrize("target", [1, 26, 101, 837])
def test_size_for_is_the_nearest(kind, target):
    found = baselines.size_for(target, kind, features=2, outputs=3)
    sizes = range(1, found.hidden + 3)
    gaps = [abs(baselines.Network(kind, 2, n, 3).parameters - target) for n in sizes]
    assert abs(found.parameters - target) == min(gaps)


def test_initial_values_are_keras_s():
    network = baselines.Network("lstm", features=3, hidden=5, outputs=2)
    params = in_numpy(network.init(KEY))
    cell, head = params["cell"], params["head"]
    np.testing.assert_allclose(cell.weight_hh.T @ cell.weight_hh, np.eye(5), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(cell.bias.reshape(4, 5), np.eye(4)[1][:, None] * np.ones(5))
    np.testing.assert_array_equal(head.bias, 0)
    for weight in (cell.weight_ih, head.weight):
        limit = np.sqrt(6 / sum(weight.shape))
        assert np.abs(weight).max() <= limit
        assert np.abs(weight).max() > 0.6 * limit
    gru = in_numpy(baselines.Network("gru", 3, 5, 2).init(KEY))["cell"]
    np.testing.assert_allclose(gru.weight_hh.T @ gru.weight_hh, np.eye(5), rtol=0, atol=1e-12)
    assert not gru.bias.any()
    assert not gru.bias_n.any()
    read, keep = in_numpy(baselines.Network("rnn", 3, 5, 2).init(KEY))["cell"]
    np.testing.assert_allclose(keep.weight.T @ keep.weight, np.eye(5), rtol=0, atol=1e-12)
    assert not read.bias.any()


def starts(network, seeds):
    """The initial parameters that `train_baseline` draws from `KEY`."""
    return [network.init(key) for key in jax.random.split(jax.random.split(KEY)[0], seeds)]


def plain_loop(network, params, batches, loss, *, rate, clip=None):
    """Adam step by step, one list of arrays per batch: losses, and the final parameters."""
    adam = optax.adam(rate, eps=1e-7)
    optimizer = adam if clip is None else optax.chain(optax.clip_by_global_norm(clip), adam)
    state, losses = optimizer.init(params), []

    @jax.jit
    def step(params, state, *batch):
        value, gradient = jax.value_and_grad(loss)(params, *batch)
        change, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, change), state, value

    for batch in batches:
        params, state, value = step(params, state, *batch)
        losses.append(float(value))
    return params, losses


def test_fixed_batches_are_taken_in_their_order_in_every_epoch():
    task = tasks.cv_series("triangle")
    network = baselines.Network("linear", 1, 2, 1)
    batches = tasks.fixed_batches(98, seed=1)[:3]
    result = baselines.train_baseline(
        network, baselines.examples(task.train), baselines.examples(task.test),
        epochs=2, key=KEY, seeds=2, batches=batches, learning_rate=0.03, clip=0.2,
    )  # fmt: skip

    @jax.jit
    def loss(params, xs, ys):
        return jnp.mean((jax.vmap(lambda x: network(params, x)[-1])(xs) - ys[:, -1]) ** 2)

    rows = [(task.train.inputs[row], task.train.targets[row]) for row in [*batches, *batches]]
    for seed, start in enumerate(starts(network, 2)):
        params, losses = plain_loop(network, start, rows, loss, rate=0.03, clip=0.2)
        np.testing.assert_allclose(result.losses[seed], losses, rtol=1e-12)
        last = loss(params, task.test.inputs, task.test.targets)
        assert result.held_out[seed, -1] == pytest.approx(float(last), rel=1e-12)
        for found, leaf in zip(jax.tree.leaves(result.params), jax.tree.leaves(params)):
            np.testing.assert_allclose(found[seed], leaf, rtol=1e-11)
    assert result.losses.shape == (2, 6)
    np.testing.assert_allclose(result.epoch_losses, result.losses.reshape(2, 2, 3).mean(axis=2))


def test_each_epoch_takes_every_sequence_once_and_the_small_last_batch_is_not_filled_up():
    """At a learning rate of 0 the losses of an epoch, weighted by size, are the loss of all."""
    data = baselines.examples(tasks.elman_words(13, seed=0, length=9))
    network = baselines.Network("rnn", 8, 3, 8)
    result = baselines.train_baseline(
        network, data, data, epochs=2, key=KEY, seeds=2, batch=5, learning_rate=0.0
    )
    assert result.losses.shape == (2, 6)
    weighted = result.losses.reshape(2, 2, 3) @ np.array([5, 5, 3]) / 13
    np.testing.assert_allclose(weighted, result.held_out, rtol=1e-12)
    assert len(np.unique(result.losses.round(9))) == 12  # new orders in every epoch and seed


@pytest.mark.parametrize("scored_only", [True, False])
def test_the_loss_of_words_is_the_cross_entropy_of_the_scored_or_of_all_steps(scored_only):
    symbols = tasks.marked_base(6, seed=2, length=5)
    data = baselines.examples(symbols, scored_only=scored_only)
    network = baselines.Network("rnn", 8, 3, 8)
    result = baselines.train_baseline(
        network, data, data, epochs=1, key=KEY, seeds=1, batch=6, learning_rate=0.0
    )
    (params,) = starts(network, 1)
    costs = []
    for read, asked in zip(symbols.input_words, symbols.words, strict=True):
        logits = by_hand(network, params, np.eye(8)[read])
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        costs.append(-np.log(chances[np.arange(4), asked]))
    expected = np.mean(costs) if not scored_only else np.mean([row[-1] for row in costs])
    assert result.losses[0, 0] == pytest.approx(expected, rel=1e-12)


def test_the_logistic_loss_takes_logits():
    """The published comparison fed raw outputs to a loss of probabilities; this one must not."""
    windows = tasks.Windows(
        np.random.default_rng(0).random((5, 3, 1)), np.ones((5, 3, 1)), np.ones((5, 3), bool)
    )
    data = baselines.examples(windows)
    network = baselines.Network("linear", 1, 2, 1)
    result = baselines.train_baseline(
        network, data, data, epochs=1, key=KEY, seeds=1, batch=5, learning_rate=0.0,
        loss="logistic",
    )  # fmt: skip
    (params,) = starts(network, 1)
    logits = np.array([by_hand(network, params, xs) for xs in windows.inputs])
    assert result.losses[0, 0] == pytest.approx(np.mean(-np.log(sigmoid(logits))), rel=1e-12)


@pytest.mark.slow
def test_an_lstm_learns_the_sine_about_as_fast_as_the_notes_say():
    """Half of check 9: the mean training loss falls below 1e-3 after 30 to 80 epochs (seen 49)."""
    task = tasks.cv_series("sine")
    result = baselines.train_baseline(
        baselines.Network("lstm", 1, 4, 1), baselines.examples(task.train),
        baselines.examples(task.test), epochs=80, key=KEY,
    )  # fmt: skip
    below = result.epoch_losses.mean(axis=0) < 1e-3
    assert below.any()
    assert 30 <= int(below.argmax()) + 1 <= 80


def test_tuning_keeps_the_best_trial_and_says_what_it_cost(monkeypatch):
    """With a stand-in for training: its last losses per seed, by size and learning rate."""
    last = {
        (1, 0.1): (4.0, 5.0, 0.1), (1, 0.2): (3.0, np.nan, np.nan),
        (2, 0.1): (2.0, 9.0, 1.0), (2, 0.2): (2.5, 2.5, 2.5),
    }  # fmt: skip
    data = baselines.examples(tasks.cosine(steps=5).train)

    def train(network, train, held_out, *, learning_rate, **settings):
        assert train is held_out is data
        assert settings["clip"] == 0.5
        final = np.array(last[network.hidden, learning_rate])
        curve = np.stack([np.zeros(3), final], axis=1)  # the first epoch must not decide
        return baselines.Trained(network, np.zeros((3, 6)), curve, curve)

    monkeypatch.setattr(sys.modules["qrnn_jax.baselines.tune"], "train_baseline", train)
    networks = [baselines.Network("linear", 1, size, 1) for size in (1, 2)]
    settings = {"epochs": 2, "key": KEY, "seeds": 3, "clip": 0.5}
    tuned = baselines.tune(networks, data, data, learning_rates=(0.1, 0.2), **settings)
    found = [(t.network.hidden, t.learning_rate, t.held_out) for t in tuned.trials]
    assert found == [(1, 0.1, 4.0), (1, 0.2, np.inf), (2, 0.1, 2.0), (2, 0.2, 2.5)]
    assert tuned.best == tuned.trials[2]
    assert tuned.result.params == networks[1]
    expected = "2 networks x 2 learning rates x 3 seeds x 2 epochs = 12 runs, 72 updates"
    assert tuned.budget == expected
    with pytest.raises(ValueError, match=r"`networks` and `learning_rates` must hold at least one"):
        baselines.tune(networks, data, data, learning_rates=(), **settings)


def test_word_scores_are_means_over_scored_steps():
    symbols = tasks.xor(5, seed=1, length=9)
    data = baselines.examples(symbols)
    network = baselines.Network("rnn", 4, 3, 4)
    params = network.init(KEY)
    chances, hits = [], []
    for read, asked, mask in zip(symbols.input_words, symbols.words, symbols.mask, strict=True):
        logits = by_hand(network, params, np.eye(4)[read])[mask]
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        chances += softmax[np.arange(len(logits)), asked[mask]].tolist()
        hits += (logits.argmax(axis=1) == asked[mask]).tolist()
    scores = baselines.word_scores(network, params, data)
    assert scores.probability == pytest.approx(np.mean(chances), rel=1e-12)
    assert scores.accuracy == pytest.approx(np.mean(hits), rel=1e-12)
    with pytest.raises(ValueError, match=r"`data` must hold words"):
        baselines.word_scores(network, params, baselines.examples(tasks.cosine(steps=5).train))


def test_arguments_are_checked():
    task = tasks.cv_series("sine")
    data, words = baselines.examples(task.train), baselines.examples(tasks.xor(3, seed=0))
    network = baselines.Network("lstm", 1, 2, 1)

    def train(network=network, train=data, held_out=data, **changes):
        settings = {"epochs": 1, "key": KEY, **changes}
        return baselines.train_baseline(network, train, held_out, **settings)

    with pytest.raises(ValueError, match=r"`kind` must be one of lstm, gru, rnn, linear"):
        baselines.Network("LSTM", 1, 2, 1)
    with pytest.raises(ValueError, match=r"`hidden` must be a whole number of at least 1"):
        baselines.Network("lstm", 1, 0, 1)
    with pytest.raises(ValueError, match=r"features and outputs of `held_out`, \(4, 4\)"):
        train(held_out=words)
    with pytest.raises(ValueError, match=r"`loss` must be 'words' for words"):
        train(loss="words")
    with pytest.raises(ValueError, match=r"`batch` must be at most the 98 training sequences"):
        train(batch=99)
    with pytest.raises(ValueError, match=r"`batches` must hold rows of indices from 0 to 97"):
        train(batches=[[98]])
    with pytest.raises(ValueError, match=r"`epochs` must be a whole number of at least 1"):
        train(epochs=0)
    with pytest.raises(ValueError, match=r"`data` must be `tasks.Windows` or `tasks.Symbols`"):
        baselines.examples(task)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "equinox", None)
    with pytest.raises(ImportError, match=r'pip install "qrnn_jax\[baselines\]"'):
        baselines.Network("gru", 2, 6, 1).init(KEY)
