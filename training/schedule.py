"""When the learning rate falls, and when training ends: after each epoch `train` asks here.

Source: Lee et al., ISMIR 2020: the rate is divided by 5 after 10 epochs without a lower validation loss, up to 5 times.
"""

from pydantic import BaseModel, ConfigDict

from training.recipe import Training


class Plateaus(BaseModel):
    """Where the schedule stands; a value that checkpoints carry.

    Attributes:
        lowest_loss: Of validation, so far; None before the first epoch ends.
        epochs_without_gain: Since that one, or since the rate fell last.
        drops: How often the rate fell.
        is_over: Whether the rate has fallen as often as it may, and that brought no gain either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lowest_loss: float | None = None
    epochs_without_gain: int = 0
    drops: int = 0
    is_over: bool = False

    def after_epoch(self, validation_loss: float, settings: Training) -> "Plateaus":
        """Where it stands when one more epoch has ended.

        Training goes on from the weights it has, not from the best: the paper does not say otherwise.
        """
        if self.lowest_loss is None or validation_loss < self.lowest_loss:
            return self.model_copy(update={"lowest_loss": validation_loss, "epochs_without_gain": 0})
        without_gain = self.epochs_without_gain + 1
        if without_gain < settings.patience_epochs:
            return self.model_copy(update={"epochs_without_gain": without_gain})
        if self.drops == settings.rate_drops:
            return self.model_copy(update={"epochs_without_gain": without_gain, "is_over": True})
        return self.model_copy(update={"epochs_without_gain": 0, "drops": self.drops + 1})

    def learning_rate(self, settings: Training) -> float:
        """Of the next epoch."""
        return settings.learning_rate / settings.rate_divisor**self.drops
