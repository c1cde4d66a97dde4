# SPDX-License-Identifier: Apache-2.0
"""Several trained networks as one graph: their probabilities averaged, or weighed by a logistic regression."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from ascmcu.errors import DataError
from ascmcu.train import distill, loop
from ascmcu.train.distill import Trained
from ascmcu.train.part import Part
from ascmcu.train.recipe import Recipe

Table = npt.NDArray[np.float64]


def members(recipe: Recipe) -> list[Trained]:
    """The networks to fuse.

    Raises:
        InputError: a folder holds no finished run.
        DataError: they were not made for the same features and labels.
    """
    runs = [distill.load(Path(run)) for run in recipe.fusion.runs]
    for run in runs[1:]:
        if run.features != runs[0].features or run.labels != runs[0].labels:
            raise DataError(
                "only networks of the same features and labels can be fused",
                where=str(run.folder),
                expected=f"those of {runs[0].folder}",
            )
    return runs


def build(recipe: Recipe, parts: dict[str, Part]) -> keras.Model:
    """One network of all members, their weights as they are.

    A regression is fitted on the validation part: the members know the training part by heart, and the test part
    must not be seen.

    Raises:
        DataError: a regression without a validation part.
    """
    runs = members(recipe)
    inputs = keras.Input(runs[0].model.input_shape[1:], name="features")
    answers = [
        keras.Model(run.model.inputs, run.model.outputs[0], name=f"member{number}")(inputs)
        for number, run in enumerate(runs)
    ]
    if recipe.fusion.rule == "average":
        return keras.Model(inputs, layers.Average(name="probabilities")(answers), name="fusion")
    if "validate" not in parts:
        raise DataError(
            "the regression needs recordings that its members were not trained on",
            where="[data]",
            expected="validate, or validate_share",
        )
    judged = parts["validate"].examples
    told = np.concatenate([loop.probabilities(run.model, judged.x) for run in runs], axis=1)
    weights, bias = regression(told.astype(np.float64), judged.y, len(runs[0].labels), recipe.fusion.penalty)
    joined = layers.Concatenate(name="answers")(answers)
    classifier = layers.Dense(len(runs[0].labels), name="regression")
    x = classifier(joined)
    classifier.set_weights([weights.astype(np.float32), bias.astype(np.float32)])
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="fusion")


def regression(x: Table, y: npt.NDArray[np.int64], classes: int, penalty: float) -> tuple[Table, Table]:
    """Multinomial logistic regression: the minimum of penalty × Σ cross-entropy + ½ ‖weights‖².

    Args:
        x: float64 (clips, features).
        y: class indices (clips,).

    Returns:
        weights (features, classes) and bias (classes,), which is not penalised.
    """
    from scipy.optimize import minimize

    features = x.shape[1]
    one_hot = np.eye(classes)[y]

    def cost(flat: Table) -> tuple[float, Table]:
        weights, bias = flat[: features * classes].reshape(features, classes), flat[features * classes :]
        logits = x @ weights + bias
        logits = logits - logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        wrong = penalty * (np.exp(log_p) - one_hot)
        slope = np.concatenate([(x.T @ wrong + weights).ravel(), wrong.sum(axis=0)])
        return float(-penalty * (one_hot * log_p).sum() + 0.5 * (weights**2).sum()), slope

    start = np.zeros((features + 1) * classes)
    found: Any = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return found.x[: features * classes].reshape(features, classes), found.x[features * classes :]
