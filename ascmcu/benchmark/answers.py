# SPDX-License-Identifier: Apache-2.0
"""Compare the outputs of a run's first clips with the integer interpreter.

An accuracy stands for the network only if what ran is the network. A compiler that gets it wrong (one did, see
``ascmcu/toolchain/flags.py``), a damaged image or a failing flash must not end in one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu.benchmark.clips import Clip, outputs
from ascmcu.benchmark.pushes import taken
from ascmcu.benchmark.windows import Windows
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import GeneratedCodeError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.spec import Spec
from ascmcu.ir import interp, text
from ascmcu.ir.graph import Graph
from ascmcu.ir.types import Array
from ascmcu.runners.base import Target
from ascmcu.toolchain.manifest import IMPORTED, Manifest

CLIPS_MAX = 8
SECONDS = 2.0


class FirstAnswers:
    """Holds the outputs of a run's first clips against the integer interpreter's, bit for bit.

    At least one clip is compared, at most ``CLIPS_MAX``, no further one after ``SECONDS`` of comparing. None is where
    the network computes in float, which is not equal bit for bit, or the folder does not hold its graph.

    Args:
        target: the export that runs.
        kind: what the clips hold.
        runner: where it runs, for the message.

    Attributes:
        compared: clips, or full windows, that were found equal.
    """

    def __init__(self, target: Target, kind: Kind, runner: str) -> None:
        self._manifest = target.manifest
        self._runner = runner
        self._graph = _integer_graph(target.folder / IMPORTED)
        self._read = None if self._graph is None else reader(target.manifest, kind)
        self._steps = None if self._graph is None else _reference(self._graph, target.manifest)
        self._spent_s = 0.0
        self.compared = 0

    def __call__(self, clip: Clip, data: bytes, answer: bytes) -> None:
        """Compare a clip's outputs, if it is one of the first.

        Args:
            clip: what ran; a step that follows another one finds its states.
            data: what was sent.
            answer: all outputs, as the device sent them.

        Raises:
            GeneratedCodeError: they differ.
        """
        enough = self.compared >= CLIPS_MAX or (self.compared > 0 and self._spent_s > SECONDS)
        if self._steps is None or self._read is None or enough:
            return
        began = time.monotonic()
        if not clip.follows:
            self._steps.reset()
        inputs = self._read(data, clip.follows)
        expected = self._steps([np.ascontiguousarray(x) for x in inputs])
        if expected is None:
            return
        for index, (right, found) in enumerate(zip(expected, outputs(self._manifest, answer), strict=True)):
            _compare(
                right.reshape(-1), found.reshape(-1), f"{self._runner}, clip {clip.name}, output {index}"
            )
        self.compared += 1
        self._spent_s += time.monotonic() - began

    def told(self, clips: Sequence[Clip]) -> str:
        """How many of a run's clips were found equal, in words; of a network of windows, how many full windows.

        Empty where clips cannot be compared.
        """
        if self._steps is None:
            return ""
        listening = self._manifest.listening
        if listening is None or listening.steps:
            what, there = "clips", len(clips)
        else:
            what, there = "windows", full_windows(clips, listening.warmup_hops)
        if not there:
            return "no window was full: none is held against the integer interpreter"
        equal = "equal bit for bit" if self.compared else "none was compared"
        return f"{self.compared} of {there} {what} held against the integer interpreter: {equal}"


def full_windows(clips: Sequence[Clip], warmup_hops: int) -> int:
    """How many of the hops end a full window."""
    count = hop = 0
    for clip in clips:
        hop = hop + 1 if clip.follows else 0
        count += hop >= warmup_hops
    return count


def _reference(graph: Graph, manifest: Manifest) -> interp.Steps | Windows:
    """What says which outputs are right."""
    listening = manifest.listening
    return interp.Steps(graph) if listening is None or listening.steps else Windows(graph, listening)


def _integer_graph(imported: Path) -> Graph | None:
    """The network as it was imported, where all of it is integer."""
    graph = text.load(imported) if imported.is_file() else None
    if graph is None or any(node.op.kind().startswith("float_") for node in graph.nodes):
        return None
    return graph


def _compare(right: Array, answer: Array, where: str) -> None:
    wrong = np.flatnonzero(right != answer)
    if len(wrong):
        first = wrong[0]
        raise GeneratedCodeError(
            "the firmware's outputs differ from the network's: the firmware is damaged, or ascmcu or the compiler has "
            "a defect; nothing was scored",
            where=f"{where}: {len(wrong)} of {right.size} values",
            expected=f"{right[first]} at {first}",
            found=answer[first],
            hint="export (and flash) anew; if it stays, report it, with the model, the clip, the command and the "
            "export's folder",
        )


def reader(manifest: Manifest, kind: Kind) -> Callable[[bytes, bool], list[Array]]:
    """What makes the network's inputs of the bytes of a clip, and of whether it is a step that follows another one."""
    if kind is Kind.TENSOR:
        return lambda data, follows: taken(data, manifest.inputs)
    assert manifest.features is not None
    x = manifest.inputs[0]  # of a hop, where the network listens
    heard = listener(specs.from_dict(manifest.features), x.shape, x.dtype, x.scale, x.zero_point)
    return lambda data, follows: [heard(np.frombuffer(data, "<i2"), follows)]


def listener(
    spec: Spec, shape: tuple[int, ...], dtype: str, scale: float, zero_point: int
) -> Callable[[npt.NDArray[np.int16], bool], Array]:
    """The firmware's front end, compiled for this machine: it makes the network's input of a clip's samples.

    They may follow those of the last call. ``shape`` to ``zero_point`` are the input's; a float one has 1 and 0.
    """
    from ascmcu.toolchain.native import NativeFrontend

    frontend = NativeFrontend(spec, scale=scale, zero_point=zero_point, dtype=dtype)

    def heard(samples: npt.NDArray[np.int16], follows: bool = False) -> Array:
        pcm = samples.reshape(-1, spec.audio_channels)
        rows = frontend.further_rows(pcm) if follows and spec.continues else frontend.rows(pcm)
        return np.asarray(extract.to_input(rows, spec)).reshape(shape).astype(dtype)

    return heard
