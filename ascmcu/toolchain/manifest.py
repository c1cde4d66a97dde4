# SPDX-License-Identifier: Apache-2.0
"""``manifest.json``: what an export holds, for every later step (build, flash, bench, report)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ascmcu import tables
from ascmcu.errors import InputError
from ascmcu.features.wakeword import Detection
from ascmcu.ir.figures import Figures
from ascmcu.listening.decisions import Decisions
from ascmcu.listening.window import Listening, Pace
from ascmcu.toolchain.identity import UNIDENTIFIED

MANIFEST_VERSION = 4
IMAGES = ("firmware.elf", "firmware.bin", "firmware.hex")
# The graph after the import and after every pass, below the export.
DUMPS = "dumps"
IMPORTED = f"{DUMPS}/00-import.ir"


@dataclass(frozen=True)
class TensorSpec:
    """A network input or output as the user of the firmware sees it.

    ``rows`` × ``row_bytes`` is how an input is pushed (row axis first, C order within a row); an output
    has one row. ``permutation`` gives the axes by which a caller's array of the ``.tflite``'s shape must be
    transposed before it is cut into rows (identity unless the streaming axis was W). An input that is pushed several
    times has ``sweeps``: of the transposed array, the first of ``sweep_columns`` columns that are pushed each time, row
    by row. ``probabilities``: its values are a distribution, as behind a softmax.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int
    rows: int
    row_bytes: int
    permutation: tuple[int, ...]
    probabilities: bool = False
    sweeps: tuple[int, ...] = ()
    sweep_columns: int = 0


@dataclass(frozen=True)
class Layer:
    """One layer in execution order; ``index`` is its place in the firmware's per-layer cycle counters.

    ``buffer_bytes`` are the activations that it brings into being: its output's rows where they do not lie in an
    operand's, its accumulators, its scratch. ``code_index`` is the number in the names of its kernel and constants.
    ``predicted_cycles`` are those of ``kernel`` in an inference, at the board's wait states.
    """

    index: int
    name: str
    op: str
    macs: int
    parameters: int
    weights_bytes: int
    output_shape: tuple[int, ...]
    buffer_bytes: int = 0
    code_index: int = -1
    kernel: str = ""
    predicted_cycles: int = 0


@dataclass(frozen=True)
class Prediction:
    """What is predicted of a plan at the board's wait states: cycles of an inference, those of them behind the last
    row, and the bytes of its activations. ``plan`` tells it in words from others of its schedule."""

    schedule: str
    cycles: int
    latency_cycles: int
    activation_bytes: int
    wait_states: int
    plan: str = ""


@dataclass(frozen=True)
class Manifest:
    """The facts of one export. ``ram_bytes`` and ``flash_bytes`` always hold the key ``total``.

    ``build_sha256`` and ``features_sha256`` are what the firmware says of itself (``toolchain.identity``); 64 zeros
    where there is no firmware, and no front end. ``labels_source`` is what in the model names the classes.
    ``figures`` are of the file as it was given; ``macs`` and ``parameters`` of what was compiled.
    ``state_bytes`` live on from one inference to the next: a network that has any is a step model, and one inference
    is a step.
    ``images_sha256``: the SHA-256 of every firmware file (``IMAGES``) as the build wrote it. ``predicted`` is of
    the plan, ``runner_up`` of the best one that was not taken, if there was one. ``detection``: when a wake word counts
    as heard, for a network of one. ``files`` are all that the export made, by their paths in its folder: what else lies
    there is the user's. ``prefix`` is that of a library's names and files; with ``instances`` it keeps nothing in
    static RAM. ``code`` is the folder of a package's C files. ``listening``: how the network hears audio without end;
    None where it takes clips. ``pace``: what a hop of such a firmware costs. ``decisions``: what it decides from its
    scores, if anything. ``microphone``: what ``listen.elf`` hears through, where there is one.
    ``task``: what the network was trained for (``single_label``, ``multi_label``, ``reconstruction``), as the model's
    metadata says; empty where it does not.
    """

    version: int
    tool_version: str
    model: str
    model_sha256: str
    board: str
    schedule: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[Layer, ...]
    labels: tuple[str, ...] = ()
    features: dict[str, Any] | None = None
    macs: int = 0
    parameters: int = 0
    ram_bytes: dict[str, int] = field(default_factory=dict)
    flash_bytes: dict[str, int] = field(default_factory=dict)
    compiler: str = ""
    flags: str = ""
    build_sha256: str = UNIDENTIFIED
    features_sha256: str = UNIDENTIFIED
    fits: bool = True
    labels_source: str = ""
    images_sha256: dict[str, str] = field(default_factory=dict)
    figures: Figures | None = None
    state_bytes: int = 0
    predicted: Prediction | None = None
    runner_up: Prediction | None = None
    detection: Detection | None = None
    files: tuple[str, ...] = ()
    prefix: str = ""
    instances: bool = False
    code: str = ""
    listening: Listening | None = None
    pace: Pace | None = None
    decisions: Decisions | None = None
    microphone: str = ""
    task: str = ""

    def __repr__(self) -> str:
        return (
            f"Manifest({self.model!r} for {self.board}, schedule {self.schedule}: {len(self.layers)} layers)"
        )

    @property
    def reconstructs(self) -> bool:
        """Whether the network was trained to reconstruct its input."""
        return self.task == "reconstruction"

    @property
    def may_reconstruct(self) -> bool:
        """Whether it could be such a network, where its file does not say: several values, as many as the input has,
        no classes, no states. Only data of normal and anomalous sounds make that a fact."""
        if self.task:
            return self.reconstructs
        alone = len(self.inputs) == 1 and len(self.outputs) == 1 and not self.state_bytes
        if not alone or self.labels or self.outputs[0].probabilities:
            return False
        return math.prod(self.inputs[0].shape) == math.prod(self.outputs[0].shape) > 1

    @property
    def needed_ram_bytes(self) -> int:
        """The total without what start-up copies out of the flash, which gives way where RAM is short."""
        return self.ram_bytes["total"] - self.ram_bytes.get("weights", 0) - self.ram_bytes.get("code", 0)

    def to_json(self) -> str:
        """The text of ``manifest.json``."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @staticmethod
    def load(folder: Path) -> Manifest:
        """Read ``folder/manifest.json``.

        Raises:
            InputError: there is none, or it was written by another version.
        """
        path = folder / "manifest.json"
        try:
            raw = tables.load_json(path)
        except InputError as error:
            model = shlex.quote(str(folder)) if folder.suffix == ".tflite" else "MODEL.tflite"
            raise InputError(
                "the export's manifest is not readable" if path.is_file() else "no export found",
                where=str(path),
                found=error.found,
                hint=f"`ascmcu export {model} --board BOARD` writes it",
            ) from error
        version = raw.get("version") if isinstance(raw, dict) else None
        if version != MANIFEST_VERSION:
            raise InputError(
                "the export was written by another version of ascmcu",
                where=str(path),
                expected=f"manifest version {MANIFEST_VERSION}",
                found=version,
                hint="export the model again",
            )
        try:
            return tables.build(Manifest, raw, str(path))
        except InputError as error:
            error.what, error.hint = (
                f"the export's manifest is damaged: {error.what}",
                "export the model again",
            )
            raise


def image_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every firmware file in a folder, by its name."""
    return {name: _sha256(folder / name) for name in IMAGES if (folder / name).is_file()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_image(image: Path, manifest: Manifest) -> None:
    """Refuse a firmware file that is no longer what the build wrote.

    Raises:
        InputError: it has changed since.
    """
    built = manifest.images_sha256.get(image.name)
    if built is not None and image.is_file() and _sha256(image) != built:
        raise InputError(
            "the firmware file has changed since the export",
            where=str(image),
            hint="export the model again",
        )
