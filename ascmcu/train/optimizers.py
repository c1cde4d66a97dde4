# SPDX-License-Identifier: Apache-2.0
"""Optimisers by name, and learning rate schedules."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from ascmcu.train.recipe import Training


class RectifiedAdam(keras.optimizers.Optimizer):  # type: ignore[misc]
    """RAdam (Liu et al. 2020, algorithm 2): Adam whose first steps wait until the second moment is known well.

    While the variance of the adaptive rate has no bound (ρ ≤ 5 as in its authors' code), a step is plain momentum.
    """

    def __init__(
        self,
        learning_rate: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **other: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name="rectified_adam", **other)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: list[Any]) -> None:
        """Make the moments."""
        if self.built:
            return
        super().build(variables)
        self.means, self.squares = self.add_optimizer_variables(variables, ["mean", "square"])

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One step of all variables; what depends on the step's number alone is worked out once."""
        step = ops.cast(self.iterations + 1, "float32")
        decayed = ops.power(self.beta_2, step)
        longest = 2 / (1 - self.beta_2) - 1
        length = longest - 2 * step * decayed / (1 - decayed)
        self._mean_scale = 1 / (1 - ops.power(self.beta_1, step))
        self._square_scale = 1 / (1 - decayed)
        rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        self._rectification = ops.sqrt(ops.maximum(rectified, 0.0))
        self._adapts = length > 5.0
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        rate = ops.cast(learning_rate, variable.dtype)
        mean, square = (moments[self._get_variable_index(variable)] for moments in (self.means, self.squares))
        self.assign(mean, self.beta_1 * mean + (1 - self.beta_1) * gradient)
        self.assign(square, self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient))
        unbiased = mean * self._mean_scale
        adaptive = self._rectification * unbiased / (ops.sqrt(square * self._square_scale) + self.epsilon)
        self.assign_sub(variable, rate * ops.where(self._adapts, adaptive, unbiased))

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        moments = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **moments}


def build(training: Training) -> keras.optimizers.Optimizer:
    """The recipe's optimiser."""
    average: dict[str, Any] = {"use_ema": True, "ema_momentum": training.average} if training.average else {}
    decay: dict[str, Any] = {"weight_decay": training.weight_decay or None}
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(training.learning_rate, momentum=0.9, **decay, **average)
    if training.optimizer == "radam":
        return RectifiedAdam(training.learning_rate, **decay, **average)
    return keras.optimizers.AdamW(training.learning_rate, weight_decay=training.weight_decay, **average)


def rate(training: Training, step: int, steps_per_epoch: int) -> float:
    """Linear warm-up, then half a cosine to the final rate, or one to each restart; ``step`` counts from 0."""
    if training.rate_per_epoch:
        step = step // steps_per_epoch * steps_per_epoch
    warmup = training.warmup_epochs * steps_per_epoch
    if step < warmup:
        passed = step / warmup if training.rate_per_epoch else (step + 1) / warmup
        return training.warmup_rate + (training.learning_rate - training.warmup_rate) * passed
    turns = [warmup, *(epoch * steps_per_epoch for epoch in training.restart_epochs)]
    start = max(turn for turn in turns if turn <= step)
    end = min((turn for turn in turns if turn > step), default=training.epochs * steps_per_epoch)
    height = 0.5 * (1.0 + math.cos(math.pi * (step - start) / (end - start)))
    return training.final_rate + (training.learning_rate - training.final_rate) * height
