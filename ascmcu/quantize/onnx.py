# SPDX-License-Identifier: Apache-2.0
"""An ONNX model as a float32 ``.tflite``, by onnx2tf in a process of its own: channels last, batch one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ascmcu import extras, scratch
from ascmcu.errors import ModelError, ToolError

_NEED = "an ONNX model needs onnx2tf"
_TIMEOUT_S = 1800
_RECURRENT = ("GRU", "LSTM", "RNN")


def to_tflite(path: Path) -> bytes:
    """Convert a file.

    Maps (N, C, H, W) become (N, H, W, C), sequences of convolutions (N, C, T) become (N, T, C); sequences that a
    recurrent layer reads stay as they are.

    Raises:
        ToolError: onnx2tf is not installed, or does not end.
        ModelError: the file is no ONNX model, an input has an open extent, or onnx2tf cannot convert an operator.
    """
    onnx = extras.load("onnx", "onnx", _NEED)
    extras.load("onnx2tf", "onnx", _NEED)
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx raise errors of their own
        raise ModelError("not an ONNX model", where=str(path), found=_line(str(error))) from error
    _close_batch(model, path)
    _give_states(model, onnx)
    with scratch.folder() as place:
        onnx.save(model, str(place / "model.onnx"))
        _run(place, path, [*_kept(model)])
        found = sorted(place.glob("out/*_float32.tflite"))
        if not found:
            raise ModelError("onnx2tf made no .tflite", where=str(path))
        return found[0].read_bytes()


def _run(place: Path, path: Path, kept: list[str]) -> None:
    # Turn by turn: loops would be subgraphs of their own, whose values cannot be calibrated.
    command = [sys.executable, "-m", "onnx2tf", "-i", "model.onnx", "-o", "out", "-n", "-eru"]
    command += ["-kat", *kept] if kept else []
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        done = subprocess.run(
            command, cwd=place, env=quiet, capture_output=True, encoding="utf-8", errors="replace",
            timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ToolError("onnx2tf does not end", where=str(path), found=f"{_TIMEOUT_S} s") from error
    if done.returncode:
        raise ModelError(
            "onnx2tf cannot convert the model",
            where=str(path),
            found=_reason(done.stdout + done.stderr),
            hint="`python -m onnx2tf -i MODEL.onnx` says more; or convert the model to .tflite in another way",
        )


def _reason(output: str) -> str:
    """What went wrong, without colours: the last line that names an error."""
    lines = [_line(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"ERROR: (?!http)|\w*(Error|Exception)\b", line)]
    return (named or lines or ["nothing"])[-1]


def _line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]


def _close_batch(model: Any, path: Path) -> None:
    """An open batch is one; other open extents are the user's to say."""
    given = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name in given or not dims:
            continue
        if dims[0].dim_value < 1:
            dims[0].dim_value = 1
        shape = [dim.dim_value or dim.dim_param or "?" for dim in dims]
        if any(dim.dim_value < 1 for dim in dims) or dims[0].dim_value != 1:
            raise ModelError(
                "the model needs inputs of a fixed shape and a batch of one",
                where=f"{path}: {value.name}",
                found=shape,
                hint="export it with a fixed length: torch.onnx.export without dynamic_axes, batch size 1",
            )


def _give_states(model: Any, onnx: Any) -> None:
    """The initial states of an LSTM that has none are zeros; onnx2tf wants them written."""
    extents = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for number, node in enumerate(n for n in model.graph.node if n.op_type == "LSTM"):
        weights = extents.get(node.input[2])
        inputs = [*node.input, *[""] * (7 - len(node.input))]
        if weights is None or (inputs[5] and inputs[6]):
            continue
        for place in (5, 6):
            if not inputs[place]:
                inputs[place] = f"ascmcu_zeros_{number}_{place}"
                zeros = [0.0] * (weights[0] * weights[2])
                model.graph.initializer.append(
                    onnx.helper.make_tensor(
                        inputs[place], onnx.TensorProto.FLOAT, [weights[0], 1, weights[2]], zeros
                    )
                )
        del node.input[:]
        node.input.extend(inputs)


def _kept(model: Any) -> Iterator[str]:
    """Inputs of rank three whose last axis is what a recurrent layer reads at each step."""
    kinds = {node.op_type for node in model.graph.node}
    convolves = any(
        node.op_type == "Conv" and len(tensor.dims) == 3
        for node in model.graph.node
        for tensor in model.graph.initializer
        if len(node.input) > 1 and tensor.name == node.input[1]
    )
    given = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        rank = len(value.type.tensor_type.shape.dim)
        if value.name not in given and rank == 3 and kinds & set(_RECURRENT) and not convolves:
            yield value.name
