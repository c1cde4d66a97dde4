# SPDX-License-Identifier: Apache-2.0
"""One float model through one route: ``int8``, ``dynamic``, ``fp16`` or ``qat``; converted, labelled, measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from ascmcu.errors import InputError
from ascmcu.quantize import calibrate, formats, metadata, qat, run, static
from ascmcu.quantize.material import Material
from ascmcu.quantize.source import Source
from ascmcu.train.loop import Epoch
from ascmcu.train.recipe import Recipe

ROUTES = ("int8", "dynamic", "fp16", "qat")


@dataclass(frozen=True)
class Options:
    """How: the calibrator of ``int8``, and the fine-tuning of ``qat`` (None keeps what the recipe implies)."""

    calibrator: str = "minmax"
    percentile: float = calibrate.DEFAULT_PERCENTILE
    epochs: int | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class Outcome:
    """A converted model and what the conversion cost, on ``clips`` clips.

    Attributes:
        agreement: share of clips whose label is the float network's.
        accuracy, float_accuracy: None where the clips' classes are not the network's.
        held_out: whether the clips had no part in training or calibration.
    """

    format: str
    model: bytes
    clips: int
    agreement: float
    accuracy: float | None
    float_accuracy: float | None
    held_out: bool


def convert(
    source: Source,
    format: str,
    material: Material | None,
    options: Options | None = None,
    recipe: Recipe | None = None,
    progress: Callable[[Epoch], None] = lambda epoch: None,
    state: Path | None = None,
) -> bytes:
    """The model in another format, with its features and labels in it where they are known.

    Args:
        source: the float model.
        format: one of ``ROUTES``.
        material: what ``int8`` calibrates and ``qat`` learns on.
        options: how.
        recipe: of a trained run, for ``qat``.
        progress: called after every epoch of ``qat``.
        state: a file that keeps the state of ``qat``'s training; one that was cut off goes on from it.

    Raises:
        InputError: no such format, or the route lacks what it works on.
        DataError: the calibration data does not fit the model.
        ModelError: an operator cannot be converted.
    """
    options = options or Options()
    if format == "int8":
        x = _needed(material, format).train
        model = static.int8(
            source.tflite, x, options.calibrator, options.percentile, per_channel=not source.per_layer
        )
    elif format == "dynamic":
        model = formats.dynamic(source.tflite)
    elif format == "fp16":
        model = formats.fp16(source.tflite)
    elif format == "qat":
        model = _fine_tuned(source, _needed(material, format), options, recipe, progress, state)
    else:
        raise InputError("no such format", expected=", ".join(ROUTES), found=format)
    return labelled(model, source, material)


def labelled(model: bytes, source: Source, material: Material | None) -> bytes:
    """The model with features and labels in it, where they are known."""
    features = material.features if material and material.features else source.features
    labels = material.labels if material and material.labels else source.labels
    if not (features or labels or source.task):
        return model
    return metadata.embedded(model, features, labels, source.task)


def measure(source: Source, format: str, model: bytes, material: Material) -> Outcome:
    """Agreement with the float network, and the accuracy of both where the classes are known."""
    real = run.probabilities(source.tflite, material.test).argmax(axis=1)
    heard = run.probabilities(model, material.test).argmax(axis=1)
    known = material.labelled
    return Outcome(
        format,
        model,
        len(material.test),
        float((real == heard).mean()),
        float((heard == material.targets).mean()) if known else None,
        float((real == material.targets).mean()) if known else None,
        material.held_out,
    )


def _needed(material: Material | None, format: str) -> Material:
    if material is None:
        raise InputError(
            "no calibration data" if format == "int8" else "nothing to fine-tune on",
            hint="give --data, with --features or --recipe; or --calibration",
        )
    return material


def _fine_tuned(
    source: Source,
    material: Material,
    options: Options,
    recipe: Recipe | None,
    progress: Callable[[Epoch], None],
    state: Path | None,
) -> bytes:
    if source.keras is None or recipe is None or material.examples is None:
        raise InputError(
            "fine-tuning needs a trained Keras model, its recipe and labelled recordings",
            hint="give a run's folder (runs/NAME) and --data",
        )
    if recipe.training.task != "single_label":
        raise InputError(
            "fine-tuning imitates one class a clip",
            where="[training] task",
            expected="single_label",
            found=recipe.training.task,
            hint="int8 needs no fine-tuning",
        )
    calibrate.check(material.train, source.input_shape)
    augment, training = qat.schedule(recipe, options.epochs, options.learning_rate)
    keras.utils.set_random_seed(training.seed)
    prepared = qat.fine_tune(source.keras, material.examples, augment, training, progress, state)
    return qat.to_int8(prepared)
