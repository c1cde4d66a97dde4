# SPDX-License-Identifier: Apache-2.0
"""The losses of a batch: cross-entropy of labels and groups, and distillation.

All probabilities are float32 (clips, classes), outputs of a softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ascmcu.train.recipe import Heads, Teacher

# Tensors; TensorFlow's own types say nothing to a checker.
Tensor = Any

TINY = 1e-7


@dataclass(frozen=True)
class Stage:
    """One stage of learning from a teacher: which imitation, and its share of the loss."""

    kind: str
    weight: float


@dataclass(frozen=True)
class Objective:
    """The loss of a training, or of one stage of it.

    Args:
        classes: how many columns of the targets are the labels; the teacher's columns follow.
        groups: which class is in which group, float32 (classes, groups); None with one classifier.
        smoothing: of the labels.
        stage: None without a teacher.
        task: as ``Training`` has it. The targets of a reconstruction are the inputs' values, (clips, values).
    """

    classes: int
    groups: npt.NDArray[np.float32] | None
    heads: Heads
    teacher: Teacher
    smoothing: float = 0.0
    stage: Stage | None = None
    task: str = "single_label"

    def losses(self, outputs: Sequence[Tensor], targets: Tensor) -> list[Tensor]:
        """One scalar for each classifier, unweighted."""
        if self.task == "multi_label":
            return [binary_cross_entropy(targets, outputs[0])]
        if self.task == "reconstruction":
            values = tf.reshape(outputs[0], tf.shape(targets))
            return [tf.reduce_mean((values - targets) ** 2)]
        labels = targets[:, : self.classes]
        taught = targets[:, self.classes :]
        if self.groups is None:
            return [self._loss(outputs[0], labels, taught)]
        of_groups = tf.matmul(labels, tf.constant(self.groups))
        from_teacher = taught[:, self.classes :] if self.teacher.heads == "all" else taught[:, :0]
        return [
            self._loss(outputs[0], labels, taught[:, : self.classes]),
            self._loss(outputs[1], of_groups, from_teacher),
        ]

    def _loss(self, answer: Tensor, labels: Tensor, taught: Tensor) -> Tensor:
        hard = cross_entropy(smoothed(labels, self.smoothing), answer)
        if self.stage is None or self.stage.kind == "hint" or taught.shape[1] == 0:
            return hard
        imitation = self._imitation(answer, taught)
        return (1 - self.stage.weight) * hard + self.stage.weight * imitation

    def _imitation(self, answer: Tensor, taught: Tensor) -> Tensor:
        assert self.stage is not None
        total = tf.constant(0.0)
        if self.stage.kind in ("response", "both"):
            total += self.teacher.response_scale * response(answer, taught, self.teacher)
        if self.stage.kind in ("relation", "both"):
            total += self.teacher.relation_scale * relation(answer, taught)
        return total


def smoothed(labels: Tensor, smoothing: float) -> Tensor:
    """Labels that leave a share for all classes."""
    return labels * (1 - smoothing) + smoothing / labels.shape[1] if smoothing else labels


def cross_entropy(labels: Tensor, answer: Tensor) -> Tensor:
    """Mean of -Σ label × ln p."""
    return -tf.reduce_mean(tf.reduce_sum(labels * tf.math.log(tf.maximum(answer, TINY)), axis=1))


def binary_cross_entropy(labels: Tensor, answer: Tensor) -> Tensor:
    """Mean of -(label × ln p + (1 - label) × ln (1 - p)) over clips and classes."""
    there = labels * tf.math.log(tf.maximum(answer, TINY))
    absent = (1 - labels) * tf.math.log(tf.maximum(1 - answer, TINY))
    return -tf.reduce_mean(there + absent)


def response(answer: Tensor, taught: Tensor, teacher: Teacher) -> Tensor:
    """Mean distance of the softened probabilities from the teacher's (Hinton et al. 2015)."""
    mine, theirs = (softened(p, teacher.temperature, teacher.double_softmax) for p in (answer, taught))
    loss = cross_entropy(theirs, mine)
    if teacher.kind == "kl":
        loss -= cross_entropy(theirs, theirs)
    return loss * teacher.temperature**2 if teacher.square_temperature else loss


def softened(probabilities: Tensor, temperature: float, as_logits: bool) -> Tensor:
    """Softmax of the logits over the temperature; logarithms of probabilities are logits but for a constant."""
    logits = probabilities if as_logits else tf.math.log(tf.maximum(probabilities, TINY))
    return tf.nn.softmax(logits / temperature)


def relation(answer: Tensor, taught: Tensor) -> Tensor:
    """Distances and angles between the answers of a batch, as the teacher's are (Park et al. 2019, eq. 5 to 10).

    Answers are scaled to unit length before, as AI4EDGE's system does.
    """
    mine, theirs = tf.math.l2_normalize(answer, axis=1), tf.math.l2_normalize(taught, axis=1)
    return _huber(distances(mine) - distances(theirs)) + _huber(angles(mine) - angles(theirs))


def distances(points: Tensor) -> Tensor:
    """Euclidean distances (clips, clips) over the mean of those that are not zero."""
    squares = tf.reduce_sum((points[:, None] - points[None]) ** 2, axis=2)
    # The root of zero has no gradient: the diagonal is left out of it.
    apart = squares > 1e-12
    lengths = tf.where(apart, tf.sqrt(tf.where(apart, squares, 1.0)), 0.0)
    mean = tf.reduce_sum(lengths) / tf.maximum(tf.reduce_sum(tf.cast(apart, tf.float32)), 1.0)
    return lengths / tf.maximum(mean, TINY)


def angles(points: Tensor) -> Tensor:
    """Cosines of the angles at every point between the ways to two others, (clips, clips, clips)."""
    ways = points[None] - points[:, None]
    squares = tf.reduce_sum(ways**2, axis=2, keepdims=True)
    apart = squares > 1e-12
    units = tf.where(apart, ways / tf.sqrt(tf.where(apart, squares, 1.0)), 0.0)
    return tf.matmul(units, units, transpose_b=True)


def _huber(difference: Tensor) -> Tensor:
    size = tf.abs(difference)
    return tf.reduce_mean(tf.where(size <= 1.0, 0.5 * difference**2, size - 0.5))


def untangled(gradients: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """PCGrad (Yu et al. 2020, algorithm 1): of every two tasks whose gradients conflict, each loses its part along
    the other's; then the mean, or, where only one task has a gradient, that one.

    Args:
        gradients: of each task, by variable; None where a variable has no part in the task.
    """
    shared = [
        number for number in range(len(gradients[0])) if all(task[number] is not None for task in gradients)
    ]
    projected = [list(task) for task in gradients]
    for mine, task in enumerate(projected):
        for other, against in enumerate(gradients):
            if other == mine:
                continue
            product = sum(tf.reduce_sum(task[n] * against[n]) for n in shared)
            length = sum(tf.reduce_sum(against[n] ** 2) for n in shared)
            share = tf.minimum(product, 0.0) / tf.maximum(length, 1e-20)
            for n in shared:
                task[n] -= share * against[n]
    merged: list[Tensor] = []
    for number, parts in enumerate(zip(*projected, strict=True)):
        there = [part for part in parts if part is not None]
        merged.append(tf.add_n(there) / (len(there) if number in shared else 1) if there else None)
    return merged
