"""Bausch's symbol tasks: what is read, what is asked for, and that nothing gives it away."""

import re

import numpy as np
import pytest

from qrnn_jax import tasks

RANDOM = (
    tasks.xor,
    tasks.elman_words,
    lambda count, *, seed, length=12: tasks.marked_base(count, seed=seed, length=length),
    lambda count, *, seed, length=12: tasks.marked_base(count, seed=seed, length=length, leak=True),
)


def test_words_are_read_with_the_first_bit_as_the_most_significant():
    symbols = tasks.Symbols([[[1, 0, 0], [0, 1, 1]]], [[[1, 1, 0], [0, 0, 1]]], [[True, False]])
    assert symbols.input_words.tolist() == [[4, 3]]
    assert symbols.words.tolist() == [[6, 1]]
    assert symbols.xs.tolist() == [[[1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 1]]]
    assert (symbols.width, symbols.scored, len(symbols)) == (3, 1, 1)


def test_indices_select_inputs_targets_and_mask_together():
    words = tasks.elman_words(5, seed=4)
    mask = np.random.default_rng(0).random(words.mask.shape) < 0.5
    symbols = tasks.Symbols(words.inputs, words.targets, mask)
    chosen = symbols[[3, 1]]
    for name in ("inputs", "targets", "mask"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(symbols, name)[[3, 1]])


def test_memorisation_counts_to_three_and_repeats_four():
    symbols = tasks.memorisation()
    assert symbols.inputs.shape == (2, 19, 3)
    assert symbols.input_words.tolist() == [[t % 4 for t in range(19)], [4] * 19]
    assert symbols.words.tolist() == [[(t + 1) % 4 for t in range(19)], [4] * 19]
    assert symbols.mask.all()


def test_xor_asks_for_every_third_bit_and_no_other():
    symbols = tasks.xor(40, seed=1)
    assert symbols.inputs.shape == (40, 35, 2)
    bits, words = symbols.input_words, symbols.words
    assert set(bits.flat) == {0, 1}
    for step in range(35):
        if step % 3 == 1:  # the third bit of a triple comes next
            np.testing.assert_array_equal(words[:, step], bits[:, step - 1] ^ bits[:, step])
        else:
            assert (words[:, step] == 2).all()
        assert (symbols.mask[:, step] == (step % 3 == 1)).all()
        if step % 3 == 2:
            np.testing.assert_array_equal(bits[:, step], words[:, step - 1])
    assert symbols.scored == 40 * 12


def test_elman_words_are_words_and_their_vowels_are_asked_for():
    symbols = tasks.elman_words(30, seed=2)
    assert symbols.inputs.shape == (30, 35, 3)
    letters = {0: "a", 1: "i", 2: "u", 4: "b", 5: "d", 6: "g"}
    seen = set()
    for read, asked in zip(symbols.input_words, symbols.words, strict=True):
        text = "".join(letters[word] for word in read)
        assert re.fullmatch(r"(ba|dii|guuu)*(b|di?|gu{0,2})?", text)
        assert [7 if word >= 4 else word for word in read[1:]] == asked[:-1].tolist()
        seen |= set(re.findall("[bdg][aiu]", text))
    assert seen == {"ba", "di", "gu"}
    assert symbols.mask.all()


@pytest.mark.parametrize("length", [4, 5, 9, 20])
@pytest.mark.parametrize("leak", [False, True])
def test_marked_base_asks_for_the_marked_base_at_the_end(length, leak):
    symbols = tasks.marked_base(200, seed=3, length=length, leak=leak)
    assert symbols.inputs.shape == (200, length - 1, 3)
    marked = symbols.inputs[:, :, 0] == 1
    assert (marked.sum(axis=1) == 1).all()
    places = marked.argmax(axis=1)
    assert set(places) == set(range(1, length // 2))  # 1 to L/2 - 1
    bases = symbols.input_words[np.arange(200), places] - 4
    np.testing.assert_array_equal(symbols.words[:, -1], bases)
    assert set(bases) == {0, 1, 2, 3}
    assert (symbols.mask == (np.arange(length - 1) == length - 2)).all()


def test_without_a_leak_only_the_last_target_knows_the_answer():
    assert (tasks.marked_base(50, seed=0, length=11).words[:, :-1] == 0).all()


def test_with_the_leak_the_answer_is_a_target_from_its_place_on():
    """The token t + 1 of the answers is the target of step t."""
    leaking = tasks.marked_base(50, seed=0, length=11, leak=True)
    for read, asked in zip(leaking.input_words, leaking.words, strict=True):
        place = int((read >= 4).argmax())
        base = read[place] - 4
        expected = [0] * place + [base + 4] + [base] * (10 - place)  # 11 tokens
        assert asked.tolist() == expected[1:]
    plain = tasks.marked_base(50, seed=0, length=11)
    np.testing.assert_array_equal(leaking.inputs, plain.inputs)


@pytest.mark.parametrize("generate", RANDOM)
def test_the_seed_decides_everything(generate):
    first, again, other = (generate(6, seed=seed, length=12) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.xs, again.xs)
    assert (first.xs != other.xs).any()
    assert len({row.tobytes() for row in first.inputs}) > 3


@pytest.mark.parametrize("generate", RANDOM)
def test_arguments_of_generators_are_checked(generate):
    with pytest.raises(ValueError, match=r"`count` must be a whole number of at least 1, but it"):
        generate(0, seed=0)
    with pytest.raises(ValueError, match=r"`seed` must be a whole number of at least 0, but it"):
        generate(1, seed=-1)
    with pytest.raises(ValueError, match=r"`length` must be a whole number of at least"):
        generate(1, seed=0, length=1)
    with pytest.raises(ValueError, match=r"`length` must be a whole number of at least 2"):
        tasks.memorisation(length=1)


def test_symbols_are_checked():
    bits, mask = np.zeros((2, 3, 2)), np.ones((2, 3), bool)
    with pytest.raises(ValueError, match=r"`inputs` must have the axes .* its shape is \(3, 2\)"):
        tasks.Symbols(bits[0], bits, mask)
    with pytest.raises(ValueError, match=r"`targets` must hold bits, 0 or 1, but it holds .*2"):
        tasks.Symbols(bits, bits + 2, mask)
    with pytest.raises(ValueError, match=r"`targets` must have the shape of `inputs`, \(2, 3, 2\)"):
        tasks.Symbols(bits, bits[:, :2], mask)
    with pytest.raises(ValueError, match=r"`mask` must be bool of shape \(2, 3\), but it is float"):
        tasks.Symbols(bits, bits, mask.astype(float))
    with pytest.raises(ValueError, match=r"`mask` must let at least one step count"):
        tasks.Symbols(bits, bits, ~mask)
