"""Elman's words: consonants come at random, the vowels after them do not."""

import numpy as np

from ._checks import whole
from .symbols import Symbols, next_token

# the word that each of b, d, g stands for: ba, dii, guuu
WORDS = ((4, 0), (5, 1, 1), (6, 2, 2, 2))
CONSONANT = 4  # and above
MARKER = 7  # the word 111: some consonant


def elman_words(count: int, *, seed: int, length: int = 36) -> Symbols:
    """Answer the next letter of a stream of the words ba, dii, guuu in random order.

    b, d, g are the words 100, 101, 110 and a, i, u the words 000, 001, 010. The target of a vowel
    is itself, that of any consonant 111: a network that counts vowels can know both. Every step
    counts.

    Arguments:
        count: N, sequences.
        seed: of the random consonants, a whole number of at least 0.
        length: L, letters of a sequence, at least 2; the last word is cut there.

    Returns:
        `Symbols` of N sequences, L - 1 steps and words of 3 bits.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from qrnn_jax import tasks
        >>> symbols = tasks.elman_words(1, seed=0, length=10)
        >>> "".join("aiu_bdg"[word] for word in symbols.input_words[0])
        'guuudiidi'
        >>> symbols.words[0].tolist()
        [2, 2, 2, 7, 1, 1, 7, 1, 1]

    Source: Elman, Cognitive Science 14, 179 (1990); as in Bausch, arXiv:2006.14619, section 4.2.
    """
    count = whole("count", count, least=1)
    length = whole("length", length, least=2)
    generator = np.random.default_rng(whole("seed", seed, least=0))
    consonants = generator.integers(0, len(WORDS), size=(count, length))  # more than enough words
    letters = np.array([np.concatenate([WORDS[c] for c in row])[:length] for row in consonants])
    answers = np.where(letters >= CONSONANT, MARKER, letters)
    return next_token(letters, answers, np.ones(letters.shape, dtype=bool), width=3)
