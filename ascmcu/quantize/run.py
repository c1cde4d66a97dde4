# SPDX-License-Identifier: Apache-2.0
"""From a float model to the ``model.tflite`` that an export takes: converted, labelled, measured."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ascmcu import zoo
from ascmcu.data.scores import Scores
from ascmcu.features import extract
from ascmcu.paths import write_whole
from ascmcu.quantize import metadata, ptq
from ascmcu.train import judging, plots
from ascmcu.train.judging import Judged
from ascmcu.train.run import Run, write_json


def finish(run: Run) -> tuple[Path, Judged | None]:
    """Quantize a training run: ``model.tflite`` and its scores on the test part join the run's folder.

    The training part calibrates. ``confusion.png`` shows the float network's answers beside the int8 network's, where
    each clip has one class.
    """
    model = ptq.int8(run.model, run.train.examples.x)
    model = metadata.embedded(model, run.features, run.labels, run.task)
    path = run.folder / "model.tflite"
    write_whole(path, model)
    scores = None
    if run.test:
        scores = judging.judge(run.test, probabilities(model, run.test.examples.x), run.task)
        metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
        told = None if scores is None else dataclasses.asdict(scores)
        write_json(run.folder / "metrics.json", metrics | {"int8": told})
        both = {
            form: each for form, each in (("float", run.scores), ("int8", scores)) if isinstance(each, Scores)
        }
        if both:
            plots.confusions(both, run.labels, run.folder / "confusion.png")
    return path, scores


def probabilities(model: bytes, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A model's answers as real numbers, by TensorFlow Lite: its reference kernels where the model is integer.

    Args:
        model: a ``.tflite`` of one input; int8 or float32 at either end. Of several outputs the first is taken.
        x: features, float32 (clips, *network input).

    Returns:
        float32 (clips, classes).
    """
    interpreter = _interpreter(model)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if source["dtype"] == np.float32:
        clips: Iterable[npt.NDArray[np.generic]] = x
    else:
        clips = (_quantized(clip, source) for clip in x)
    answers = []
    for clip in clips:
        interpreter.set_tensor(source["index"], clip[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(result["index"])[0])
    if result["dtype"] == np.float32:
        return np.array(answers, np.float32)
    scale, zero_point = result["quantization"]
    return np.float32(scale) * (np.array(answers, np.float32) - np.float32(zero_point))


def watch(model: bytes, x: npt.NDArray[np.float32]) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """All int8 activations of an int8 model, as real numbers by tensor name, clip by clip."""
    with zoo.quiet():
        interpreter = _reference(model, preserve=True)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    details = [d for d in interpreter.get_tensor_details() if d["dtype"] == np.int8 and d["quantization"][0]]
    for clip in x:
        interpreter.set_tensor(source["index"], _quantized(clip, source)[None])
        interpreter.invoke()
        seen = {}
        for detail in details:
            scale, zero_point = detail["quantization"]
            values = interpreter.get_tensor(detail["index"]).astype(np.float32)
            seen[detail["name"]] = np.float32(scale) * (values - np.float32(zero_point))
        yield seen


def _quantized(clip: npt.NDArray[np.float32], source: dict[str, Any]) -> npt.NDArray[Any]:
    scale, zero_point = source["quantization"]
    return extract.quantize(clip, scale, zero_point, "int8")


def _interpreter(model: bytes) -> tf.lite.Interpreter:
    """Integers by the reference kernels, which are the definition; floats by the fast ones, within their tolerance."""
    kinds = tf.lite.experimental.OpResolverType
    with zoo.quiet():  # the class is announced to move to another package; the kernels are the same
        interpreter = tf.lite.Interpreter(
            model_content=bytes(model), experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        if interpreter.get_input_details()[0]["dtype"] != np.float32:
            interpreter = _reference(model)
    interpreter.allocate_tensors()
    return interpreter


def _reference(model: bytes, *, preserve: bool = False) -> tf.lite.Interpreter:
    """By the reference kernels, or by the fast ones where there is no reference of an operator (REVERSE_V2)."""
    kinds = tf.lite.experimental.OpResolverType
    options = {"model_content": bytes(model), "experimental_preserve_all_tensors": preserve}
    try:
        return tf.lite.Interpreter(**options, experimental_op_resolver_type=kinds.BUILTIN_REF)
    except ValueError:
        return tf.lite.Interpreter(
            **options, experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
