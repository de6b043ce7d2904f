"""The paper's schedule, against a loop written from its sentence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.recipe import Training
from training.schedule import Plateaus

SETTINGS = Training(learning_rate=0.005, patience_epochs=3, rate_divisor=5.0, rate_drops=2)


def test_without_any_gain_the_rate_falls_twice_and_then_training_ends() -> None:
    plateaus, rates = Plateaus(), []
    for _ in range(100):
        rates.append(plateaus.learning_rate(SETTINGS))
        plateaus = plateaus.after_epoch(1.0, SETTINGS)
        if plateaus.is_over:
            break
    # The first epoch is a gain; three more without, then two rounds of three at lower rates.
    assert np.allclose(rates, [0.005] * 4 + [0.001] * 3 + [0.0002] * 3)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=60))
def test_it_does_what_the_sentence_says(losses: list[float]) -> None:
    plateaus = Plateaus()
    lowest, last_gain, drops = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        plateaus = plateaus.after_epoch(loss, SETTINGS)
        if loss < lowest:
            lowest, last_gain = loss, epoch
        elif epoch - last_gain >= SETTINGS.patience_epochs:
            if drops == SETTINGS.rate_drops:
                assert plateaus.is_over
                return
            drops, last_gain = drops + 1, epoch
        assert (plateaus.lowest_loss, plateaus.drops, plateaus.is_over) == (lowest, drops, False)
