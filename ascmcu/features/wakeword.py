# SPDX-License-Identifier: Apache-2.0
"""The JSON file that comes with a microWakeWord model: which ``.tflite`` it is of, its front end, when it has heard.

``{"type": "micro", "wake_word": …, "model": "okay_nabu.tflite", "version": 2, "micro": {"probability_cutoff": 0.85,
"sliding_window_size": 5, "feature_step_size": 10}}``; what else stands there is of no use here. Version 1 has no
``feature_step_size``: its models step by 20 ms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ascmcu import tables
from ascmcu.errors import InputError, ModelError
from ascmcu.features.microspec import MicroSpec
from ascmcu.tables import Range

TYPE = "micro"
_STEP_MS_BEFORE_VERSION_2 = 20
_StepMs = Annotated[int, Range(1, 500)]


@dataclass(frozen=True)
class Detection:
    """When a wake word counts as heard: the mean of the last ``window`` probabilities is above ``cutoff``.

    ``word`` is what people say. Before ``window`` steps nothing is heard.
    """

    word: str
    cutoff: Annotated[float, Range(0, 1)]
    window: Annotated[int, Range(1, 1000)]


@dataclass(frozen=True)
class WakeWord:
    """What the file says: ``model`` is the ``.tflite`` beside it, ``step_ms`` from frame to frame."""

    model: Path
    detection: Detection
    step_ms: int

    @property
    def features(self) -> MicroSpec:
        """The front end, as the package pymicro-wakeword feeds the network: features over 25.6, quantized."""
        return MicroSpec(step_ms=self.step_ms, mapping="scaled")


@dataclass(frozen=True)
class _Micro:
    probability_cutoff: Annotated[float, Range(0, 1)]
    sliding_window_size: Annotated[int, Range(1, 1000)]
    feature_step_size: _StepMs = _STEP_MS_BEFORE_VERSION_2


@dataclass(frozen=True)
class _File:
    wake_word: str
    model: str
    micro: _Micro


def load(path: Path) -> WakeWord:
    """Read such a file.

    Raises:
        ModelError: it is not readable, not of a wake word, lacks something, or holds a value that cannot be; or the
            model is not beside it.
    """
    raw = tables.load_json(path, ModelError)
    kind = raw.get("type") if isinstance(raw, Mapping) else None
    if kind != TYPE:
        raise ModelError(
            "not the description of a wake word by microWakeWord", where=str(path), expected=f'"type": "{TYPE}"',
            found=f'"type": {kind!r}' if kind else "none",
        )  # fmt: skip
    try:
        file = tables.build(_File, _known(raw), "", ModelError)
    except ModelError as error:
        error.where = ", ".join(place for place in (str(path), error.where) if place)
        raise
    micro = file.micro
    found = WakeWord(
        path.parent / Path(file.model).name,
        Detection(file.wake_word, micro.probability_cutoff, micro.sliding_window_size),
        micro.feature_step_size,
    )
    if not found.model.is_file():
        raise ModelError(
            "the model is not beside its description",
            where=str(path),
            expected=str(found.model),
            found="no such file",
        )
    return found


def of(given: Path) -> WakeWord | None:
    """``load`` of a JSON file; None of any other file, and of a folder."""
    return load(given) if given.suffix.lower() == ".json" and given.is_file() else None


def beside(model: Path) -> WakeWord | None:
    """What the JSON file of the same name says of a ``.tflite``; None where there is none, or it is of something else.

    Raises:
        ModelError: it is of this model, but invalid.
    """
    path = model.with_suffix(".json")
    try:
        raw = tables.load_json(path) if path.is_file() else None
    except InputError:
        return None
    fields = raw if isinstance(raw, Mapping) else {}
    return load(path) if fields.get("type") == TYPE and fields.get("model") == model.name else None


def _known(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What of the file has a use here; version 1 calls the window otherwise."""
    kept = {name: raw[name] for name in ("wake_word", "model", "micro") if name in raw}
    micro = kept.get("micro")
    if isinstance(micro, Mapping):
        renamed = {name.replace("_average", ""): value for name, value in micro.items()}
        names = {field.name for field in dataclasses.fields(_Micro)}
        kept["micro"] = {name: value for name, value in renamed.items() if name in names}
    return kept
