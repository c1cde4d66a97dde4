"""From a float model to the ``model.tflite`` that an export takes: converted, labelled, measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ascmcu import zoo
from ascmcu.data.scores import Scores, score
from ascmcu.features import extract
from ascmcu.quantize import metadata, ptq
from ascmcu.train.run import Run, write_json


def finish(run: Run) -> tuple[Path, Scores | None]:
    """Quantize a training run: ``model.tflite`` and its scores on the test part join the run's folder.

    The training part calibrates.
    """
    model = ptq.int8(run.model, run.train.examples.x)
    model = metadata.embedded(model, run.features, run.train.dataset.labels)
    path = run.folder / "model.tflite"
    path.write_bytes(model)
    scores = None
    if run.test:
        scores = score(run.test.dataset, probabilities(model, run.test.examples.x))
        metrics = json.loads((run.folder / "metrics.json").read_text())
        write_json(run.folder / "metrics.json", metrics | {"int8": dataclasses.asdict(scores)})
    return path, scores


def probabilities(model: bytes, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An int8 model's answers, dequantized, by TensorFlow Lite's reference kernels.

    Args:
        model: an int8 ``.tflite`` of one input and one output.
        x: features, float32 (clips, *network input).

    Returns:
        float32 (clips, classes).
    """
    with zoo.quiet():  # the class is announced to move to another package; the kernels are the same
        interpreter = tf.lite.Interpreter(
            model_content=model,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
        )
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    answers = []
    input_scale, input_zero_point = source["quantization"]
    for clip in extract.quantize(x, input_scale, input_zero_point, "int8"):
        interpreter.set_tensor(source["index"], clip[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(result["index"])[0])
    scale, zero_point = result["quantization"]
    return np.float32(scale) * (np.array(answers, np.float32) - np.float32(zero_point))
