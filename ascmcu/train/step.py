# SPDX-License-Identifier: Apache-2.0
"""One step of training, compiled once: forward, losses, gradients, update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy.typing as npt
import tensorflow as tf

from ascmcu.errors import InputError
from ascmcu.train.losses import Objective, untangled


@dataclass(frozen=True)
class Hint:
    """A layer's map that should become, through a 1 × 1 convolution, a teacher's (FitNets, Romero et al. 2015)."""

    student: keras.Model
    teacher: keras.Model
    adapter: keras.layers.Layer

    @staticmethod
    def between(student: keras.Model, teacher: keras.Model, layers: Sequence[str]) -> Hint:
        """The hint of a layer of the network and one of the teacher.

        Raises:
            InputError: there is no such layer, the inputs differ, or the maps do.
        """
        ends = []
        for model, name in zip((student, teacher), layers, strict=True):
            try:
                ends.append(keras.Model(model.inputs, model.get_layer(name).output))
            except ValueError as error:
                raise InputError(
                    "no such layer", where=f"[teacher] hint: {name}", found=str(error)
                ) from error
        mine, theirs = ends
        if student.input_shape != teacher.input_shape or mine.output_shape[:-1] != theirs.output_shape[:-1]:
            raise InputError(
                "a hint needs the teacher's input and maps of one size",
                where="[teacher] hint",
                expected=f"input {teacher.input_shape}, map {theirs.output_shape}",
                found=f"input {student.input_shape}, map {mine.output_shape}",
            )
        adapter = keras.layers.Conv2D(theirs.output_shape[-1], 1, name="hint_adapter")
        adapter.build(mine.output_shape)
        return Hint(mine, theirs, adapter)

    def loss(self, x: Any) -> Any:
        """Mean squared distance of the maps."""
        wanted = self.teacher(x, training=False)
        return tf.reduce_mean((self.adapter(self.student(x, training=True)) - wanted) ** 2)


class Step:
    """Calls ``model`` and its optimiser: (inputs, targets) → the mean loss of the batch, a float.

    With a hint, the hint's loss alone counts.
    """

    def __init__(self, model: keras.Model, objective: Objective, hint: Hint | None = None) -> None:
        self.model, self.objective, self.hint = model, objective, hint
        self.variables = list(model.trainable_variables)
        if hint:
            self.variables = [*hint.student.trainable_variables, *hint.adapter.trainable_variables]
        self.optimizer = model.optimizer
        self.optimizer.build(self.variables)
        self._compiled: Any = None

    def __call__(self, x: npt.NDArray[Any], targets: npt.NDArray[Any]) -> float:
        if self._compiled is None:
            # For batches of any size: an epoch's last one would be traced anew, which takes a deep network seconds.
            like = [tf.TensorSpec((None, *array.shape[1:]), tf.float32) for array in (x, targets)]
            self._compiled = tf.function(self._step, input_signature=like, autograph=False)
        return float(self._compiled(tf.constant(x), tf.constant(targets)))

    def _step(self, x: Any, targets: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            losses = self._losses(x, targets)
            weights = self.objective.heads.weights[: len(losses)] if len(losses) > 1 else (1.0,)
            # The networks' own penalties on their weights join the first task.
            total = sum(w * loss for w, loss in zip(weights, losses, strict=True)) + sum(self.model.losses)
        if self.objective.heads.surgery and len(losses) > 1:
            gradients = untangled([tape.gradient(loss, self.variables) for loss in losses])
        else:
            gradients = tape.gradient(total, self.variables)
        del tape
        there = [(g, v) for g, v in zip(gradients, self.variables, strict=True) if g is not None]
        self.optimizer.apply_gradients(there)
        return total

    def _losses(self, x: Any, targets: Any) -> list[Any]:
        if self.hint:
            return [self.hint.loss(x)]
        outputs = self.model(x, training=True)
        return self.objective.losses(outputs if isinstance(outputs, list | tuple) else [outputs], targets)
