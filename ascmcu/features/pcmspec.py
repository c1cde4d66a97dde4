# SPDX-License-Identifier: Apache-2.0
"""``PcmSpec``: the samples themselves are the network's input, as raw-waveform networks (ACDNet, M5) take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ascmcu import tables
from ascmcu.errors import FeatureError
from ascmcu.features.base import ClipSpec, clip_length
from ascmcu.tables import Range


@dataclass(frozen=True)
class PcmSpec(ClipSpec):
    """How samples become the network's input. Immutable.

    Fields:
        frontend: always ``pcm``; it tells this specification from others.
        sample_rate_hz, clip_samples, resampler: as in ``FeatureSpec``.
        channels: ``mono``, ``stereo`` (left, right), or ``3`` to ``8`` microphones.
        amplitude: full scale is 1 (``full_scale``), or the samples count as they are, ±32768 (``int16``).
        rows: the clip is cut into so many rows; a network along time takes a sample (or a few) per row. ``export``
            sets it to the rows that the network takes.
        continues: as in ``ClipSpec``. An export sets it for a network that listens.
    """

    frontend: Literal["pcm"] = "pcm"
    sample_rate_hz: Annotated[int, Range(4000, 96000)] = 16000
    clip_samples: Annotated[int, Range(1, 2**31 - 1)] = 16000
    resampler: Literal["soxr_qq", "soxr_lq", "soxr_mq", "soxr_hq", "soxr_vhq", "torchaudio"] = "soxr_hq"
    channels: Literal["mono", "stereo", "3", "4", "5", "6", "7", "8"] = "mono"
    amplitude: Literal["full_scale", "int16"] = "full_scale"
    rows: Annotated[int, Range(1, 2**31 - 1)] = 1
    continues: bool = False

    layout = "time_mel"
    # What a FeatureSpec may choose: samples are taken as they are.
    normalization = "none"
    normalization_stage = "after_deltas"
    deltas = 0
    n_mfcc = None

    def __post_init__(self) -> None:
        if self.clip_samples % self.rows:
            raise FeatureError(
                "the feature specification is not valid",
                where="rows",
                expected=f"a divisor of clip_samples = {self.clip_samples}",
                found=self.rows,
            )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> PcmSpec:
        """A spec from plain fields; absent ones take their defaults. ``duration_s`` may stand for ``clip_samples``.

        Raises:
            FeatureError: an unknown field, a value of the wrong type or out of range.
        """
        return tables.build(cls, clip_length(fields, cls.sample_rate_hz), "", FeatureError)

    @property
    def hop_length(self) -> int:
        """Samples of a row."""
        return self.clip_samples // self.rows

    def unnormalized(self) -> PcmSpec:
        """Itself: there is nothing to fit."""
        return self

    @property
    def bands(self) -> int:
        """Values of a row."""
        return self.hop_length

    @property
    def output_channels(self) -> int:
        """Those of the recording."""
        return self.audio_channels

    @property
    def can_continue(self) -> bool:
        """See ``ClipSpec``."""
        return True

    @property
    def frame_samples(self) -> int:
        """See ``ClipSpec``: a row depends on its own samples alone."""
        return self.hop_length

    def in_steps(self, rows: int) -> PcmSpec:
        """See ``ClipSpec``."""
        return self.replace(clip_samples=rows * self.hop_length, rows=rows, continues=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        """See ``ClipSpec``: (rows, samples of a row, channels)."""
        return (self.rows, self.hop_length, self.audio_channels)

    @property
    def full_scale(self) -> float:
        """What a sample of 1 stands for: samples are divided by it."""
        return 32768.0 if self.amplitude == "full_scale" else 1.0

    @property
    def input_scale(self) -> float:
        """The scale of an int8 input that holds every sample."""
        return 256 / self.full_scale
