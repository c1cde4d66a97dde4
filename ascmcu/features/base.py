# SPDX-License-Identifier: Apache-2.0
"""The fields that every kind of feature specification has."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from ascmcu import tables
from ascmcu.errors import FeatureError


class ClipSpec:
    """Base of the specifications: frozen dataclasses that describe how the PCM of a clip becomes rows.

    Attributes:
        sample_rate_hz: the rate the front end works at; recordings of another rate are resampled to it.
        clip_samples: sample frames of one clip at ``sample_rate_hz``.
        channels: how the audio's channels are heard; a number is that of microphones, each on its own.
        resampler: how a host brings recordings to ``sample_rate_hz``: soxr with a quality, or as ``torchaudio`` does.
        layout: the network's input is (1, time, mel, channel) or (1, mel, time, channel).
        continues: a clip is a step of a network with states, and the next one goes on where it ended: the front end
            keeps its samples and estimates, and takes ``step_samples`` further ones.
    """

    sample_rate_hz: int
    clip_samples: int
    channels: str
    resampler: str
    layout: str
    continues: bool = False

    @property
    def audio_channels(self) -> int:
        """Interleaved channels of the PCM."""
        return {"mono": 1, "stereo": 2, "mid_side": 2}.get(self.channels) or int(self.channels)

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time rows, bands, channels) of one clip's features."""
        raise NotImplementedError

    @property
    def can_continue(self) -> bool:
        """Whether the front end could run without end, a step of some rows after the other."""
        return False

    @property
    def step_samples(self) -> int:
        """Sample frames of each further step where the clips continue; the first one has ``clip_samples``."""
        return self.shape[0] * self.hop_length

    @property
    def new_samples(self) -> int:
        """Sample frames of a clip that none before it had."""
        return self.step_samples if self.continues else self.clip_samples

    @property
    def frame_samples(self) -> int:
        """Samples that the first row waits for, where clips can continue."""
        raise NotImplementedError

    def in_steps(self, rows: int) -> Self:
        """The spec, if it ``can_continue``, whose clips are steps of so many rows."""
        return self.replace(clip_samples=self.frame_samples + (rows - 1) * self.hop_length, continues=True)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """The network's input, NHWC with a batch of one, as ``layout`` orders it."""
        rows, bands, channels = self.shape
        return (1, rows, bands, channels) if self.layout == "time_mel" else (1, bands, rows, channels)

    @property
    def duration_s(self) -> float:
        """Length of one clip in seconds."""
        return self.clip_samples / self.sample_rate_hz

    @property
    def is_fitted(self) -> bool:
        """Whether all constants are there."""
        return True

    @property
    def needs_whole_clip(self) -> bool:
        """Whether the first row depends on the last sample: the device must then hold every frame."""
        return False

    def replace(self, **changes: Any) -> Self:
        """This spec with some fields changed, validated again."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready fields; ``spec.from_dict`` restores an equal spec."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]

    def hash(self) -> str:
        """SHA-256 (hex) of the fields: equal for equal specs, on any machine."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def clip_length(fields: Mapping[str, Any], rate_hz: int) -> dict[str, Any]:
    """The fields with ``clip_samples`` for ``duration_s``; ``rate_hz`` is the sample rate where they have none.

    Raises:
        FeatureError: both are given, or the duration or the rate is no number.
    """
    given = dict(fields)
    duration = given.pop("duration_s", None)
    if duration is None:
        return given
    if "clip_samples" in given:
        raise FeatureError(
            "clip_samples and duration_s exclude each other", where="duration_s", hint="give one of them"
        )
    seconds = tables.convert(float, duration, "duration_s", FeatureError)
    rate = tables.convert(int, given.get("sample_rate_hz", rate_hz), "sample_rate_hz", FeatureError)
    return {**given, "clip_samples": round(seconds * rate)}
