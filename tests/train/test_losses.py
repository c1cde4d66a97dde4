# SPDX-License-Identifier: Apache-2.0
"""The losses, the optimiser and the surgery, against formulas written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu import zoo
from ascmcu.train.recipe import Heads, Teacher, Training

zoo.load_tensorflow()

import keras  # noqa: E402  (after TensorFlow was told to be quiet)
import tensorflow as tf  # noqa: E402

from ascmcu.train import fusion, losses, optimizers  # noqa: E402
from ascmcu.train.losses import Objective, Stage  # noqa: E402

RNG = np.random.default_rng(5)
GROUPS = np.array([[1, 0], [1, 0], [0, 1]], np.float32)


def _probabilities(clips: int, classes: int = 3) -> np.ndarray:
    logits = RNG.standard_normal((clips, classes))
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def test_cross_entropy_with_smoothed_labels() -> None:
    p, y = _probabilities(5), np.eye(3, dtype=np.float32)[[0, 1, 2, 1, 0]]
    soft = y * 0.9 + 0.1 / 3
    assert np.isclose(losses.cross_entropy(losses.smoothed(y, 0.1), p), -(soft * np.log(p)).sum(1).mean())


def test_the_groups_labels_are_sums_of_the_classes() -> None:
    p, q = _probabilities(4), _probabilities(4, 2)
    y = _probabilities(4)
    objective = Objective(3, GROUPS, Heads({"x": ("a",)}, (0.9, 0.1)), Teacher())
    both = objective.losses([tf.constant(p), tf.constant(q)], tf.constant(y))
    assert np.isclose(both[0], -(y * np.log(p)).sum(1).mean(), atol=1e-6)
    assert np.isclose(both[1], -((y @ GROUPS) * np.log(q)).sum(1).mean(), atol=1e-6)


def test_response_is_the_divergence_of_softened_answers() -> None:
    p, t = _probabilities(6), _probabilities(6)

    def soft(x: np.ndarray, temperature: float) -> np.ndarray:
        powered = x ** (1 / temperature)
        return powered / powered.sum(1, keepdims=True)

    wanted = (soft(t, 3) * np.log(soft(t, 3) / soft(p, 3))).sum(1).mean()
    told = losses.response(tf.constant(p), tf.constant(t), Teacher(temperature=3.0))
    assert np.isclose(told, wanted, atol=1e-6)
    squared = losses.response(
        tf.constant(p), tf.constant(t), Teacher(temperature=3.0, square_temperature=True)
    )
    assert np.isclose(squared, 9 * wanted, atol=1e-5)
    plain = losses.response(tf.constant(p), tf.constant(t), Teacher(kind="ce"))
    assert np.isclose(plain, -(t * np.log(p)).sum(1).mean(), atol=1e-6)


def test_distances_and_angles() -> None:
    points = np.array([[0, 0], [3, 0], [3, 4]], np.float32)
    told = losses.distances(tf.constant(points)).numpy()
    assert np.allclose(told, np.array([[0, 3, 5], [3, 0, 4], [5, 4, 0]]) / 4)
    corner = losses.angles(tf.constant(points)).numpy()
    assert np.isclose(corner[1, 0, 2], 0), "a right angle at the second point"
    assert np.isclose(corner[0, 1, 2], 3 / 5)
    assert np.isclose(corner[2, 0, 1], 4 / 5)


def test_relations_are_blind_to_a_turn_and_have_gradients_everywhere() -> None:
    t = _probabilities(5)
    assert np.isclose(losses.relation(tf.constant(t[:, [2, 0, 1]]), tf.constant(t)), 0, atol=1e-6)
    p = tf.Variable(np.repeat(_probabilities(1), 5, axis=0))
    with tf.GradientTape() as tape:
        loss = losses.relation(p, tf.constant(t))
    assert np.isfinite(tape.gradient(loss, p).numpy()).all(), "equal answers have no distance"


def test_a_stage_mixes_labels_and_teacher() -> None:
    p, t, y = _probabilities(4), _probabilities(4), _probabilities(4)
    teacher = Teacher(runs=("x",), response_scale=2.0)
    objective = Objective(3, None, Heads(), teacher, stage=Stage("response", 0.7))
    told = objective.losses([tf.constant(p)], tf.constant(np.concatenate([y, t], axis=1)))[0]
    hard = -(y * np.log(p)).sum(1).mean()
    soft = (t * np.log(t / p)).sum(1).mean()
    assert np.isclose(told, 0.3 * hard + 0.7 * 2.0 * soft, atol=1e-6)


def test_surgery_removes_what_conflicts() -> None:
    first = [tf.constant([1.0, 0.0]), tf.constant([2.0]), None]
    second = [tf.constant([-1.0, 1.0]), None, tf.constant([3.0])]
    shared, own, other = losses.untangled([first, second])
    # (1, 0) loses its part along (-1, 1), becoming (½, ½); (-1, 1) loses that along (1, 0), becoming (0, 1).
    assert np.allclose(shared, np.array([0.5, 1.5]) / 2)
    assert (float(own[0]), float(other[0])) == (2.0, 3.0)
    agreeing = losses.untangled([[tf.constant([1.0, 0.0])], [tf.constant([1.0, 2.0])]])
    assert np.allclose(agreeing[0], [1.0, 1.0])


def test_rectified_adam_follows_its_paper() -> None:
    optimizer = optimizers.RectifiedAdam(0.1)
    variable = keras.Variable([1.0, -2.0])
    optimizer.build([variable])
    value, mean, square = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    longest = 2 / (1 - 0.999) - 1
    rectified_steps = 0
    for step in range(1, 13):
        gradient = np.array([0.3 * step, -1.0])
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        length = longest - 2 * step * 0.999**step / (1 - 0.999**step)
        change = mean / (1 - 0.9**step)
        if length > 5:
            rectified_steps += 1
            factor = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            change = np.sqrt(factor) * change / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        value = value - 0.1 * change
    assert 0 < rectified_steps < 12
    assert np.allclose(variable.numpy(), value, atol=1e-3)


@pytest.mark.parametrize(
    ("training", "rates"),
    [
        (
            Training(epochs=4, learning_rate=1.0, warmup_epochs=2),
            [0.25, 0.5, 0.75, 1.0, 1.0, 0.854, 0.5, 0.146],
        ),
        (
            Training(
                epochs=4,
                learning_rate=1.0,
                warmup_epochs=2,
                warmup_rate=0.2,
                final_rate=0.1,
                rate_per_epoch=True,
            ),
            [0.2, 0.2, 0.6, 0.6, 1.0, 1.0, 0.55, 0.55],
        ),
    ],
)
def test_the_rate_by_step_and_by_epoch(training: Training, rates: list[float]) -> None:
    assert np.allclose([optimizers.rate(training, step, 2) for step in range(8)], rates, atol=1e-3)


def test_the_regression_is_at_its_minimum() -> None:
    x, y = RNG.random((60, 4)), RNG.integers(3, size=60)
    weights, bias = fusion.regression(x, y, 3, 2.0)

    def cost(w: np.ndarray, b: np.ndarray) -> float:
        logits = x @ w + b
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return float(-2.0 * log_p[np.arange(60), y].sum() + 0.5 * (w**2).sum())

    least = cost(weights, bias)
    for _ in range(50):
        moved = cost(weights + 0.05 * RNG.standard_normal((4, 3)), bias + 0.05 * RNG.standard_normal(3))
        assert moved > least
