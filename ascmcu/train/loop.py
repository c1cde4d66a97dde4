# SPDX-License-Identifier: Apache-2.0
"""The training loop: examples and a recipe in, fitted weights and a history out."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ascmcu.data import tagging
from ascmcu.train import checkpoint, optimizers
from ascmcu.train.augment import Levels, augmented
from ascmcu.train.checkpoint import Best, Weights
from ascmcu.train.examples import Array, Examples, Labels, Rows
from ascmcu.train.losses import Objective
from ascmcu.train.recipe import Augment, Heads, Teacher, Training
from ascmcu.train.step import Hint, Step

__all__ = ["Epoch", "Examples", "Labels", "fit", "probabilities"]

# The state is written at the end of every epoch, or, where that would take more than this share of the time, so
# often that it does not, but every STATE_SECONDS: what a kill can cost beside the epoch that it falls into.
STATE_SHARE = 0.05
STATE_SECONDS = 20.0
# Enough batches for a normalisation's statistics.
STATISTICS_CLIPS = 2000


@dataclass(frozen=True)
class Epoch:
    """One line of the history; without validation its two values are NaN.

    Args:
        validation_loss: log loss; of several labels the binary cross-entropy, of a reconstruction the squared error.
        validation_score: what chooses the epoch, the larger the better: the accuracy; of several labels the mean
            average precision; of a reconstruction the negative loss.
        seconds: wall clock, with the validation; a training that went on after a break adds up its parts.
    """

    epoch: int
    learning_rate: float
    loss: float
    validation_loss: float
    validation_score: float
    examples_per_second: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What a training does, beside its examples.

    Args:
        objective: None for the labels' cross-entropy alone.
        trained: the network on cropped inputs whose weights ``model`` shares; None where inputs are whole.
        hint: imitates a teacher's map in place of the objective.
        state_file: where the training's state is kept between epochs; a state that lies there from a run of
            the same name is gone on with, and the result is the same as without the break.
        run: the name, of recipe and data, that the state belongs to.
    """

    augment: Augment
    training: Training
    objective: Objective | None = None
    trained: keras.Model | None = None
    hint: Hint | None = None
    state_file: Path | None = None
    run: str = ""


def fit(
    model: keras.Model,
    train: Examples,
    validate: Examples | None,
    plan: Plan,
    progress: Callable[[Epoch], None] = lambda epoch: None,
    watch: Callable[[Sequence[Epoch]], None] = lambda history: None,
) -> list[Epoch]:
    """Train ``model`` in place.

    With ``validate`` the weights of the best validation score are kept (a tie goes to the lower loss),
    else the last; averaged ones in either case where the recipe asks for it. Every epoch draws from its own
    generator, seeded by the recipe and the epoch's number. After each epoch ``progress`` is called with it, and
    ``watch`` with all epochs so far, those before a break included.
    """
    training = plan.training
    plan = dataclasses.replace(plan, objective=plan.objective or labels_alone(model, training))
    assert plan.objective is not None
    trained = plan.trained or model
    trained.set_weights(model.get_weights())
    trained.compile(optimizer=optimizers.build(training))
    step = Step(trained, plan.objective, plan.hint)
    beside = plan.hint.adapter.variables if plan.hint else []
    state = checkpoint.State()
    if plan.state_file:
        state = checkpoint.load(plan.state_file, plan.run, trained, beside)
    saved, wait_seconds = time.monotonic(), 0.0
    for number in range(len(state.history), training.epochs):
        if _stopped(state, training, number):
            break
        epoch = _epoch(step, model, train, validate, plan, number)
        progress(epoch)
        state = _after(state, epoch, trained, training, bool(validate))
        watch([Epoch(**row) for row in state.history])
        if plan.state_file and time.monotonic() - saved > min(STATE_SECONDS, wait_seconds):
            began = time.monotonic()
            checkpoint.save(plan.state_file, plan.run, trained, state, beside)
            saved = time.monotonic()
            wait_seconds = (saved - began) / STATE_SHARE
    if plan.state_file:
        checkpoint.save(plan.state_file, plan.run, trained, state, beside)
    trained.set_weights(_kept(state, trained, training))
    if training.renew_statistics:
        renew_statistics(trained, train, plan)
    model.set_weights(trained.get_weights())
    return [Epoch(**row) for row in state.history]


def kept_epochs(history: Sequence[Epoch], training: Training) -> tuple[int, ...]:
    """The numbers of the epochs whose weights, or whose weights' mean, a training ends with."""
    snapshots = tuple(epoch.epoch for epoch in history if training.is_snapshot(epoch.epoch))
    if snapshots or not history:
        return snapshots
    judged = [epoch for epoch in history if not math.isnan(epoch.validation_score)]
    if training.averages_snapshots or not judged:
        return (history[-1].epoch,)
    return (max(judged, key=_score).epoch,)  # of equal ones the first, as in the training itself


def _score(epoch: Epoch) -> tuple[float, float]:
    """The larger, the better: the score, then the loss."""
    return (epoch.validation_score, -epoch.validation_loss)


def labels_alone(model: keras.Model, training: Training) -> Objective:
    """The loss without groups and without teachers."""
    classes = outputs(model)[0].shape[-1]
    return Objective(classes, None, Heads(), Teacher(), training.label_smoothing, task=training.task)


def probabilities(model: keras.Model, x: Any, output: int = 0) -> Array:
    """The model's answers, float32 (clips, classes); of several classifiers those of the first."""
    answers = []
    for start in range(0, len(x), 64):
        answer = model.predict_on_batch(x[start : start + 64])
        answers.append(np.asarray(answer[output] if isinstance(answer, list | tuple) else answer))
    return np.concatenate(answers)


def reconstruction_errors(x: Any, answers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The mean squared error of every clip's reconstruction, float64 (clips,)."""
    errors = [
        np.mean((np.asarray(x[n]).reshape(-1) - answers[n].reshape(-1)) ** 2) for n in range(len(answers))
    ]
    return np.array(errors, np.float64)


def outputs(model: keras.Model) -> list[Any]:
    """The model's outputs, however many."""
    return list(model.outputs)


def renew_statistics(model: keras.Model, train: Examples, plan: Plan) -> None:
    """Take every normalisation's mean and variance anew, as the plain mean over training batches."""
    layers = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    rng = np.random.default_rng([plan.training.seed, 1_000_003])
    rows = rng.permutation(len(train.y))[:STATISTICS_CLIPS]
    batches = [rows[n : n + plan.training.batch] for n in range(0, len(rows), plan.training.batch)]
    for number, (x, _) in enumerate(_batches(batches, train, plan, rng, plan.training.epochs)):
        for layer in layers:
            layer.momentum = number / (number + 1)
        model(x, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def _epoch(
    step: Step, model: keras.Model, train: Examples, validate: Examples | None, plan: Plan, number: int
) -> Epoch:
    """One pass over the examples; ``number`` counts from 0."""
    started = time.perf_counter()
    rng = np.random.default_rng([plan.training.seed, number])
    rows = _order(train.y, plan.training.balance, rng)
    batches = [rows[n : n + plan.training.batch] for n in range(0, len(rows), plan.training.batch)]
    loss = 0.0
    for index, (x, targets) in enumerate(_ahead(_batches(batches, train, plan, rng, number))):
        rate = optimizers.rate(plan.training, number * len(batches) + index, len(batches))
        step.optimizer.learning_rate = rate
        loss += step(x, targets) * len(x) / len(rows)
    speed = len(rows) / (time.perf_counter() - started)
    judged = (math.nan, math.nan)
    if validate:
        if model is not step.model:
            model.set_weights(step.model.get_weights())
        judged = _validate(model, validate, plan.training.task)
    return Epoch(number + 1, rate, loss, judged[0], judged[1], speed, time.perf_counter() - started)


def _order(y: Labels, balance: bool, rng: np.random.Generator) -> Rows:
    """Every example once; with ``balance`` every class as often as the largest, its surplus drawn by chance."""
    if not balance:
        return rng.permutation(len(y))
    by_class = [np.flatnonzero(y == label) for label in np.unique(y)]
    most = max(len(rows) for rows in by_class)
    repeated = [np.concatenate([rows, rng.choice(rows, most - len(rows))]) for rows in by_class]
    return rng.permutation(np.concatenate(repeated))


def _batches(
    batches: list[Rows], train: Examples, plan: Plan, rng: np.random.Generator, epoch: int
) -> Iterator[tuple[Array, Array]]:
    assert plan.objective is not None
    levels = Levels.of(train.spec) if plan.augment.mixup_energy and train.spec else None
    for rows in batches:
        x = train.take(rows, rng, plan.augment.device_shift)
        y = train.columns(rows, plan.objective.classes)
        if train.answers.size:
            y = np.concatenate([y, train.answers[rows]], axis=1)
        x, y = augmented(x, y, plan.augment, rng, train.time_axis, levels, epoch)
        yield x, (x.reshape(len(x), -1) if plan.training.task == "reconstruction" else y)


def _ahead(batches: Iterator[tuple[Array, Array]]) -> Iterator[tuple[Array, Array]]:
    """The same batches in the same order, each made while the one before it is learned from."""
    with concurrent.futures.ThreadPoolExecutor(1) as other_core:
        coming = other_core.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = other_core.submit(next, batches, None)
            yield batch


def _validate(model: keras.Model, examples: Examples, task: str) -> tuple[float, float]:
    """The loss, and the score that chooses the epoch."""
    answers = probabilities(model, examples.x)
    if task == "reconstruction":
        loss = float(np.mean(reconstruction_errors(examples.x, answers)))
        return loss, -loss
    if task == "multi_label":
        truth, p = examples.y, np.clip(answers.astype(np.float64), 1e-7, 1 - 1e-7)
        loss = float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())
        found = tagging.score([str(n) for n in range(truth.shape[1])], truth, answers)
        return loss, 0.0 if found is None else found.mean_average_precision
    chosen = answers[np.arange(len(answers)), examples.y]
    return float(-np.log(np.maximum(chosen, 1e-7)).mean()), float((answers.argmax(1) == examples.y).mean())


def _stopped(state: checkpoint.State, training: Training, number: int) -> bool:
    patience = training.early_stop_epochs
    return bool(patience and state.best and number - 1 - state.best.epoch >= patience)


def _after(
    state: checkpoint.State, epoch: Epoch, model: keras.Model, training: Training, judged: bool
) -> checkpoint.State:
    """The state with one more epoch."""
    best, sums, snapshots = state.best, state.sums, state.snapshots
    score = _score(epoch)
    if judged and not training.averages_snapshots and (best is None or score > best.score):
        best = Best(epoch.epoch - 1, score, _averaged(model, training))
    if training.is_snapshot(epoch.epoch):
        weights = [weight.astype(np.float64) for weight in model.get_weights()]
        sums = [a + b for a, b in zip(sums, weights, strict=True)] if sums else weights
        snapshots += 1
    return checkpoint.State([*state.history, checkpoint.row_of(epoch)], best, sums, snapshots)


def _kept(state: checkpoint.State, model: keras.Model, training: Training) -> Weights:
    """The weights that the training ends with."""
    if state.snapshots:
        return [(total / state.snapshots).astype(np.float32) for total in state.sums]
    return state.best.weights if state.best else _averaged(model, training)


def _averaged(model: keras.Model, training: Training) -> Weights:
    """The moving average where the recipe asks for it, else the weights; the model is left as it was."""
    if not training.average:
        weights: Weights = model.get_weights()
        return weights
    current = model.get_weights()
    model.optimizer.finalize_variable_values(model.trainable_variables)
    averaged: Weights = model.get_weights()
    model.set_weights(current)
    return averaged
