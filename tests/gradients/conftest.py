"""Every replayed tape, recorded while the program runs."""

import jax
import numpy as np
import pytest

from qrnn_jax.expectations import Expectations


@pytest.fixture
def tapes(monkeypatch):
    """The tapes (T, K) of all replays that have been executed.

    Give every rule a `chunk` of its own: a compiled program from another test records nothing.
    """
    executed = []
    replay = Expectations.replay

    def recorded(self, tape, start):
        jax.debug.callback(lambda tape: executed.append(np.asarray(tape)), tape)
        return replay(self, tape, start)

    monkeypatch.setattr(Expectations, "replay", recorded)
    return executed
