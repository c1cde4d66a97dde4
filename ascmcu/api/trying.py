# SPDX-License-Identifier: Apache-2.0
"""A model's numbers in one step: export, inputs, a run, the comparison with LiteRT, the page."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import ascmcu.ops  # noqa: F401  (registers the operators)
from ascmcu import boards, paths
from ascmcu.api.benching import bench, chosen_clips, label_files, outputs_path
from ascmcu.api.compiling import model_file
from ascmcu.api.exporting import Export, check_folder, export, kept_beside, put_in_place, scratch_beside
from ascmcu.api.reporting import report
from ascmcu.benchmark import answers, litert
from ascmcu.benchmark.clips import Clips
from ascmcu.errors import GeneratedCodeError, InputError, ToolError
from ascmcu.paths import PathLike
from ascmcu.results.schema import Benchmark

BOARD = "nucleo-f446"
Progress = Callable[[str, str, int, int], None]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Agreement:
    """Outputs held against LiteRT's reference kernels.

    Attributes:
        inputs: how many were compared; 0 where LiteRT was not at hand.
        integer: whether the outputs are integers, which are equal bit for bit.
        worst: the largest difference; of integers always 0.
        reason: why nothing was compared, else empty.
    """

    inputs: int
    integer: bool
    worst: float
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        if not self.inputs:
            return f"not compared with LiteRT: {self.reason}"
        if self.integer:
            return f"outputs equal LiteRT's reference kernels bit for bit on {self.inputs} inputs"
        if not self.worst:
            return f"float outputs equal LiteRT's reference kernels on {self.inputs} inputs"
        far = f"{self.worst:.2g} at most on {self.inputs} inputs"
        return f"float outputs differ from LiteRT's reference kernels by {far}"


@dataclass(frozen=True)
class Trial:
    """What ``try_model`` found.

    Attributes:
        export: the firmware.
        result: its benchmark on the simulator.
        agreement: its outputs compared with LiteRT's.
        page: the report, an HTML file.
    """

    export: Export
    result: Benchmark
    agreement: Agreement
    page: Path

    def __repr__(self) -> str:
        return f"Trial({self.result!r}; {self.agreement.sentence})"

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


def try_model(
    model: PathLike,
    board: str = BOARD,
    folder: PathLike = "build",
    *,
    features: PathLike | Literal[False] | None = None,
    data: PathLike | None = None,
    split: str | None = None,
    tensors: PathLike | npt.NDArray[Any] | Sequence[npt.NDArray[Any]] | None = None,
    labels: Sequence[PathLike] = (),
    limit: int | None = None,
    on: str = "sim",
    progress: Progress = lambda step, unit, done, total: None,
    tell: Tell = lambda text: None,
) -> Trial:
    """Export a model, run inputs through its firmware, compare with LiteRT, write the report.

    Args:
        model: the ``.tflite``.
        board: a board's name, or the path of a board's TOML.
        folder: of the export; the result and the page lie there.
        features: a feature specification in place of the model's own; ``False`` for the network alone.
        data: recordings; with neither these nor tensors, made inputs are taken.
        split: the part of the data to take.
        tensors: (N, *input shape) in the input's dtype, as an array or its ``.npy``.
        labels: as ``bench`` takes them: a file with the network's classes, right answers of tensors.
        limit: at most so many inputs.
        on: the runner.
        progress: called with the step, what it counts, how many are done and how many there are.
        tell: called with what the user should know at once.

    Raises:
        InputError: model, board, data or folder are unusable.
        GeneratedCodeError: the firmware's integers are not LiteRT's.
        ToolError: a program is missing.
    """
    boards.load(board)  # what is wrong with it is known before anything is made
    folder, place = Path(folder), paths.real(Path(folder))
    check_folder(folder)
    with scratch_beside(place) as scratched:
        part, raw = scratched / "export", scratched / "outputs.npy"
        exported = _export(model, board, part, place, features, progress)
        result = bench(
            part, on=on, data=data, split=split, tensors=tensors, labels=labels, limit=limit, save_outputs=raw,
            progress=lambda done, total: progress(f"running on {on}", "inputs", done, total), tell=tell,
        )  # fmt: skip
        named = label_files(labels, tensors is not None)
        clips = chosen_clips(exported.manifest, data, split, tensors, limit, *named)
        agreement = _agreement(Path(model), exported, clips, raw)
        page = report(part)
        put_in_place(place, part)
    return Trial(dataclasses.replace(exported, folder=folder), result, agreement, folder / page.name)


def _export(
    model: PathLike,
    board: str,
    part: Path,
    place: Path,
    features: PathLike | Literal[False] | None,
    progress: Progress,
) -> Export:
    """The export; what does not compile is kept beside ``place``."""
    try:
        return export(model, board, part, features=features, progress=progress)
    except GeneratedCodeError as error:
        kept = kept_beside(part)
        if kept.is_dir():
            moved = kept_beside(place)
            shutil.rmtree(moved, ignore_errors=True)
            error.hint = (error.hint or "").replace(str(kept), str(kept.rename(moved)))
        raise


def _agreement(model: Path, exported: Export, clips: Clips, raw: Path) -> Agreement:
    manifest = exported.manifest
    integer = all(np.issubdtype(np.dtype(spec.dtype), np.integer) for spec in manifest.outputs)
    if manifest.state_bytes:
        instead = (
            "bench compares it with the interpreter"
            if integer
            else "a float one is compared with nothing here"
        )
        return Agreement(0, True, 0.0, f"a network with state takes sequences; {instead}")
    read = answers.reader(manifest, clips.kind)
    inputs = (read(clip.load(), clip.follows) for clip in clips.clips)
    found = [np.load(outputs_path(raw, number)) for number in range(len(manifest.outputs))]
    worst = 0.0
    try:
        for clip, right in enumerate(litert.answers(model_file(model).read_bytes(), inputs)):
            here = [values[clip] for values in found]
            worst = max(worst, _difference(right, here))
            if integer and worst:
                raise GeneratedCodeError(
                    "the firmware's outputs are not LiteRT's",
                    where=f"input {clips.clips[clip].name!r}",
                    expected=right[0].reshape(-1)[:8],
                    found=here[0].reshape(-1)[:8],
                    hint="report it, with the model and the export's folder",
                )
    except (ToolError, InputError) as error:
        if isinstance(error, GeneratedCodeError):
            raise
        found_by = f" ({error.found})" if error.found else ""
        hint = f"; {error.hint}" if error.hint else ""
        return Agreement(0, integer, 0.0, f"{error.what}{found_by}{hint}")
    return Agreement(len(clips.clips), integer, worst)


def _difference(right: list[npt.NDArray[np.generic]], here: list[npt.NDArray[np.generic]]) -> float:
    pairs = zip(right, here, strict=True)
    return max(
        float(np.max(np.abs(a.reshape(-1).astype(float) - b.reshape(-1).astype(float)), initial=0.0))
        for a, b in pairs
    )
