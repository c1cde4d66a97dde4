"""The training loop: arrays and a recipe in, fitted weights and a history out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ascmcu.train import checkpoint
from ascmcu.train.augment import Levels, augmented
from ascmcu.train.checkpoint import Best
from ascmcu.train.recipe import Augment, Training

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

# The state is written this often, at the end of an epoch: what a kill can cost.
STATE_SECONDS = 20.0


@dataclass(frozen=True)
class Examples:
    """Normalised features, float32 (clips, *network input), and their class indices (clips,).

    ``time_axis`` of ``x`` is 1 or 2, as the network has it. ``versions`` are further ones of ``x``, each of its
    shape; ``levels`` lead back to log energies.
    """

    x: Array
    y: Labels
    time_axis: int = 1
    versions: tuple[Array, ...] = ()
    levels: Levels | None = None

    def take(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
        """A batch, each clip in any of its versions."""
        if not self.versions:
            return self.x[rows]
        choice = rng.integers(1 + len(self.versions), size=len(rows))
        ways = (self.x, *self.versions)
        return np.stack([ways[way][row] for way, row in zip(choice, rows, strict=True)])


@dataclass(frozen=True)
class Epoch:
    """One line of the history; without validation its two values are NaN."""

    epoch: int
    learning_rate: float
    loss: float
    validation_loss: float
    validation_accuracy: float
    examples_per_second: float


def fit(
    model: keras.Model,
    train: Examples,
    validate: Examples | None,
    augment: Augment,
    training: Training,
    progress: Callable[[Epoch], None] = lambda epoch: None,
    *,
    state_file: Path | None = None,
    run: str = "",
) -> list[Epoch]:
    """Train ``model`` in place.

    With ``validate`` the weights of the best validation accuracy are kept (a tie goes to the lower loss),
    else the last. Every epoch draws from its own generator, seeded by the recipe and the epoch's number.

    Args:
        state_file: where the training's state is kept between epochs; a state that lies there from a run of
            the same name is gone on with, and the result is the same as without the break.
        run: the name, of recipe and data, that the state belongs to.
    """
    model.compile(
        optimizer=_optimizer(training),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=training.label_smoothing),
        # XLA compiles for seconds and trains no faster on a processor; networks of this size are short runs.
        jit_compile=False,
    )
    state = checkpoint.load(state_file, run, model) if state_file else checkpoint.State()
    history = [Epoch(**row) for row in state.history]
    best = state.best
    saved = time.monotonic()
    for number in range(len(history), training.epochs):
        if best and training.early_stop_epochs and number - 1 - best.epoch >= training.early_stop_epochs:
            break
        history.append(_epoch(model, train, validate, augment, training, number))
        progress(history[-1])
        best = _better(model, training, history[-1], best) if validate else None
        if state_file and (time.monotonic() - saved > STATE_SECONDS or number + 1 == training.epochs):
            rows = checkpoint.history_of(history)
            checkpoint.save(state_file, run, model, checkpoint.State(rows, best))
            saved = time.monotonic()
    model.set_weights(best.weights if best else _final_weights(model, training))
    return history


def _epoch(
    model: keras.Model,
    train: Examples,
    validate: Examples | None,
    augment: Augment,
    training: Training,
    number: int,
) -> Epoch:
    """One pass over the examples; ``number`` counts from 0."""
    started = time.perf_counter()
    steps = math.ceil(len(train.x) / training.batch)
    loss = 0.0
    for step, (x, y) in enumerate(_batches(model, train, augment, training, number)):
        model.optimizer.learning_rate = _rate(training, number * steps + step, steps)
        model.reset_metrics()  # Keras would answer with the mean over all batches since the compilation
        loss += float(model.train_on_batch(x, y)) * len(x) / len(train.x)
    speed = len(train.x) / (time.perf_counter() - started)
    validation_loss, accuracy = _validate(model, validate) if validate else (math.nan, math.nan)
    return Epoch(number + 1, float(model.optimizer.learning_rate), loss, validation_loss, accuracy, speed)


def _better(model: keras.Model, training: Training, epoch: Epoch, best: Best | None) -> Best:
    score = (epoch.validation_accuracy, -epoch.validation_loss)
    if best and score <= best.score:
        return best
    return Best(epoch.epoch - 1, score, _final_weights(model, training))


def probabilities(model: keras.Model, x: Array) -> Array:
    """The model's answers, float32 (clips, classes)."""
    return np.concatenate([np.asarray(model.predict_on_batch(part)) for part in _chunks(x, 64)])


def _optimizer(training: Training) -> keras.optimizers.Optimizer:
    average = {"use_ema": True, "ema_momentum": training.average} if training.average else {}
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(
            training.learning_rate, momentum=0.9, weight_decay=training.weight_decay or None, **average
        )
    return keras.optimizers.AdamW(training.learning_rate, weight_decay=training.weight_decay, **average)


def _rate(training: Training, step: int, steps_per_epoch: int) -> float:
    """Linear warm-up, then half a cosine to zero, or one to each restart."""
    warmup = training.warmup_epochs * steps_per_epoch
    if step < warmup:
        return training.learning_rate * (step + 1) / warmup
    turns = [warmup, *(epoch * steps_per_epoch for epoch in training.restart_epochs)]
    start = max(turn for turn in turns if turn <= step)
    end = min((turn for turn in turns if turn > step), default=training.epochs * steps_per_epoch)
    return training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (step - start) / (end - start)))


def _batches(
    model: keras.Model, train: Examples, augment: Augment, training: Training, epoch: int
) -> Iterator[tuple[Array, Array]]:
    rng = np.random.default_rng([training.seed, epoch])
    one_hot = np.eye(model.output_shape[-1], dtype=np.float32)
    for chosen in _chunks(rng.permutation(len(train.x)), training.batch):
        x, y = train.take(chosen, rng), one_hot[train.y[chosen]]
        yield augmented(x, y, augment, rng, train.time_axis, train.levels)


def _validate(model: keras.Model, examples: Examples) -> tuple[float, float]:
    """Mean log loss and accuracy."""
    answers = probabilities(model, examples.x)
    chosen = answers[np.arange(len(answers)), examples.y]
    return float(-np.log(np.maximum(chosen, 1e-7)).mean()), float((answers.argmax(1) == examples.y).mean())


def _final_weights(model: keras.Model, training: Training) -> list[Array]:
    """The weights to keep: the moving average where the recipe asks for it; the model is left as it was."""
    if not training.average:
        weights: list[Array] = model.get_weights()
        return weights
    current = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    averaged: list[Array] = model.get_weights()
    model.set_weights(current)
    return averaged


def _chunks(x: npt.NDArray[np.generic], size: int) -> Iterator[npt.NDArray[np.generic]]:
    for start in range(0, len(x), size):
        yield x[start : start + size]
