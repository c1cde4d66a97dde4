"""Whether this machine's build of a network answers as the network does: its first clips against the interpreter.

A board's firmware is what it is; a laptop's program stands for it. A compiler that gets it wrong (one did, see
``ascmcu/build/flags.py``) must not end in an accuracy.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ascmcu.bench.clips import Clips, outputs
from ascmcu.bench.run import connect
from ascmcu.bench.wire import Kind
from ascmcu.build.manifest import Manifest
from ascmcu.errors import GeneratedCodeError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.ir import interp, text
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.runners.base import Runner

CLIPS_MAX = 8
SECONDS = 2.0


def check_first(runner: Runner, clips: Clips) -> int:
    """Hold the first clips' outputs against the integer interpreter's, bit for bit.

    Args:
        runner: not yet entered.
        clips: what will be benched.

    Returns:
        How many were compared: at least one, at most ``CLIPS_MAX``, no further one after ``SECONDS``. None where the
        network computes in float, which is not equal bit for bit, or the folder does not hold its graph.

    Raises:
        GeneratedCodeError: they differ.
        LinkError, ToolError, DataError: as for a benchmark.
    """
    target, imported = runner.target, runner.target.folder / "00-import.ir"
    if not imported.is_file():
        return 0
    graph = text.load(imported)
    if any(node.op.kind().startswith("float_") for node in graph.nodes):
        return 0
    read = _reader(graph, target.manifest, clips.kind)
    count = 0
    with connect(runner) as (link, session):
        began = time.monotonic()
        for clip in clips.clips[:CLIPS_MAX]:
            data = clip.load()
            found = outputs(target.manifest, session.run(data, clips.kind).outputs)
            expected = interp.run(graph, [np.ascontiguousarray(read(data))])
            for index, (right, answer) in enumerate(zip(expected, found, strict=True)):
                _compare(right.reshape(-1), answer.reshape(-1), f"clip {clip.name}, output {index}", link)
            count += 1
            if time.monotonic() - began > SECONDS:
                break
    return count


def _compare(right: Array, answer: Array, where: str, link: Runner) -> None:
    wrong = np.flatnonzero(right != answer)
    if len(wrong):
        first = wrong[0]
        raise GeneratedCodeError(
            "this machine's build of the network does not compute what the network does: a defect of ascmcu or of the "
            "compiler; nothing is scored",
            where=f"{where}: {len(wrong)} of {right.size} values, compiled by {link.facts.detail}",
            expected=f"{right[first]} at {first}",
            found=answer[first],
            hint="report it; attach the model, the clip, the command and the export's folder. "
            "--on sim runs the board's own firmware",
        )


def _reader(graph: Graph, manifest: Manifest, kind: Kind) -> Callable[[bytes], Array]:
    """What makes the network's input of the bytes of a clip."""
    x = graph.tensors[graph.inputs[0]]
    dtype = x.dtype.numpy
    if kind is Kind.TENSOR:
        axes = manifest.inputs[0].permutation
        pushed = tuple(x.shape[axis] for axis in axes)
        return lambda data: np.frombuffer(data, dtype).reshape(pushed).transpose(np.argsort(axes))
    from ascmcu.build.native import NativeFrontend

    assert manifest.features is not None
    spec = specs.from_dict(manifest.features)
    scale, zero_point = (1.0, 0) if x.quant is None else (x.scale, x.zero_point)
    frontend = NativeFrontend(spec, scale=scale, zero_point=zero_point, dtype=str(dtype))

    def heard(data: bytes) -> Array:
        rows = frontend.rows(np.frombuffer(data, "<i2").reshape(-1, spec.audio_channels))
        return np.asarray(extract.to_input(rows, spec)).reshape(x.shape).astype(dtype)

    return heard
