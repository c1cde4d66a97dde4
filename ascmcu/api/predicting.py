# SPDX-License-Identifier: Apache-2.0
"""A network's outputs for arrays of inputs or of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import boards
from ascmcu.api.benching import runner_of
from ascmcu.api.compiling import Compiled, compile_model
from ascmcu.api.exporting import Export
from ascmcu.benchmark import answers, clips
from ascmcu.benchmark import run as bench_run
from ascmcu.errors import DataError, InputError
from ascmcu.features import extract
from ascmcu.ir import interp
from ascmcu.ir.types import Tensor
from ascmcu.paths import PathLike
from ascmcu.runners.base import Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.manifest import Manifest

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]


def predict(
    model: PathLike | Compiled | Export,
    inputs: npt.ArrayLike | tuple[npt.ArrayLike, ...] | None = None,
    *,
    audio: npt.ArrayLike | None = None,
    on: str = "host",
    serial: str | None = None,
    real: bool = False,
) -> Array | tuple[Array, ...]:
    """Run a network on arrays. A model runs on the integer interpreter, an export on a runner: the outputs are equal.

    Args:
        model: a ``.tflite``, the folder of a training run, what ``compile`` returned; or an export, or its folder.
        inputs: (N, *input shape) in the input's dtype; a tuple of them for a network with several inputs. For a network
            with states they are the N steps of one clip.
        audio: int16 (N, samples) or (N, samples, channels) in place of ``inputs``, for a network with a front end:
            clips of the network's length at its sample rate; for a network with states recordings of any length.
        on: a runner, for an export: host, sim, qemu, …
        serial: a board's port instead of a runner, for an export.
        real: ``inputs`` are real numbers, which are quantized as TensorFlow Lite does, and so are the outputs, which
            are dequantized to float32. Without it both are the network's own integers.

    Returns:
        (N, *output shape) in the output's dtype; a tuple of them for a network with several outputs. Of recordings for
        a network with states all steps of the first, then all of the next.

    Raises:
        DataError: the array does not fit the network.
        InputError: not one of inputs and audio; no such model, export or runner; the network takes no audio.
        ToolError: a program that the runner or the front end needs is not installed.
    """
    if (inputs is None) == (audio is None):
        raise InputError("predict takes either inputs or audio", expected="one of them")
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    given = tuple(np.asarray(part) for part in (parts if audio is None else (audio,)))
    if isinstance(model, Export):
        return _ran(model.folder, given, audio is not None, on, serial, real)
    if not isinstance(model, Compiled):
        if (Path(model) / "manifest.json").is_file():
            return _ran(Path(model), given, audio is not None, on, serial, real)
        model = compile_model(model, features=False if audio is None else None)
    return _interpreted(model, given, audio is not None, real)


def _interpreted(model: Compiled, given: Arrays, audio: bool, real: bool) -> Array | tuple[Array, ...]:
    """The integer interpreter's outputs on the graph as it was imported."""
    graph = model.source
    inputs = tuple(graph.tensors[name] for name in graph.data_inputs)
    steps = interp.Steps(graph)
    found = []
    for values, follows in _heard(model, inputs[0], given[0]) if audio else _fed(model, inputs, given, real):
        if not follows:
            steps.reset()
        found.append(steps(values))
    outputs = [graph.tensors[name] for name in graph.data_outputs]
    scales = [(1.0, 0) if y.quant is None else (y.scale, y.zero_point) for y in outputs]
    return _together(found, scales, real)


def _heard(model: Compiled, x: Tensor, samples: Array) -> Iterator[tuple[list[Array], bool]]:
    """The network's input for each clip or step of recordings, and whether it is a further step."""
    if model.features is None:
        raise InputError("the network takes tensors, not audio", where=model.name, hint="give them as inputs")
    scale, zero_point = (1.0, 0) if x.quant is None else (x.scale, x.zero_point)
    heard = answers.listener(model.features, x.shape, str(x.dtype.numpy), scale, zero_point)
    for clip in clips.of_samples(samples, model.features):
        yield [heard(np.frombuffer(clip.load(), "<i2"), clip.follows)], clip.follows


def _fed(
    model: Compiled, inputs: Sequence[Tensor], given: Arrays, real: bool
) -> Iterator[tuple[list[Array], bool]]:
    """The network's inputs for each clip or step, and whether it is a further step."""
    if len(given) != len(inputs) or len({len(part) for part in given if part.ndim}) > 1:
        raise DataError(
            "the arrays are not as many as the network's inputs, or not of one length",
            where=model.name,
            expected=f"{len(inputs)}: {', '.join(x.name for x in inputs)}",
            found=", ".join(str(part.shape) for part in given),
        )
    fitted = [_fitted(model, x, part, real) for x, part in zip(inputs, given, strict=True)]
    for number, values in enumerate(zip(*fitted, strict=True)):
        yield list(values), number > 0


def _fitted(model: Compiled, x: Tensor, given: Array, real: bool) -> Array:
    """(N, *input shape) of one input."""
    dtype = np.dtype(x.dtype.numpy)
    if real:
        scale, zero_point = (1.0, 0) if x.quant is None else (x.scale, x.zero_point)
        given = _quantized(given, scale, zero_point, dtype)
    if given.shape[1:] == x.shape[1:] and x.shape[0] == 1:
        given = given[:, np.newaxis]
    if not given.ndim or not len(given) or given.shape[1:] != x.shape or given.dtype != dtype:
        raise DataError(
            "the array does not hold inputs of this network",
            where=model.name,
            expected=f"{dtype} (N, {', '.join(map(str, x.shape))})",
            found=f"{given.dtype} {given.shape}",
            hint="real=True quantizes real numbers" if given.dtype.kind == "f" else None,
        )
    return given


def _ran(
    folder: Path, given: Arrays, audio: bool, on: str, serial: str | None, real: bool
) -> Array | tuple[Array, ...]:
    """The outputs of an export on a runner."""
    manifest = Manifest.load(folder)
    target = Target(folder, boards.of_export(folder, manifest.board), manifest, manifest.features is not None)
    if audio:
        chosen = clips.from_samples(manifest, given[0])
    else:
        if real and len(given) == len(manifest.inputs):
            pairs = zip(given, manifest.inputs, strict=True)
            given = tuple(_quantized(part, x.scale, x.zero_point, np.dtype(x.dtype)) for part, x in pairs)
        chosen = clips.from_tensors(manifest, given[0] if len(given) == 1 else given, None)
    runner = SerialRunner(target, serial) if serial is not None else runner_of(on, target)
    check = answers.FirstAnswers(target, chosen.kind, runner.name)
    result = bench_run.run(target, runner, chosen, check=check)
    found = [clips.outputs(manifest, clip.outputs) for clip in result.clips]
    return _together(found, [(y.scale, y.zero_point) for y in manifest.outputs], real)


def _quantized(values: Array, scale: float, zero_point: int, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "f":
        return values.astype(dtype)
    return np.asarray(extract.quantize(values.astype(np.float32), scale, zero_point, str(dtype)))


def _together(
    found: list[list[Array]], scales: list[tuple[float, int]], real: bool
) -> Array | tuple[Array, ...]:
    """One array for each output: (N, *output shape)."""
    arrays = []
    for number, (scale, zero_point) in enumerate(scales):
        array = np.stack([outputs[number] for outputs in found])
        if real and array.dtype.kind != "f":
            array = np.float32(scale) * (array.astype(np.float32) - np.float32(zero_point))
        arrays.append(array)
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
