# SPDX-License-Identifier: Apache-2.0
"""Samples: the ring that holds the last frame, the padding of the clip's ends, and when a frame is due."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Variable, field
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Samples(Stage):
    """The ring of the last ``n_fft`` samples.

    Attributes:
        span: how many samples a frame that is not centred waits for, as the C names it.
        finds_peak: whether the largest sample of the clip is kept.
        last_frame: the frames of a clip without those that are dropped at its end.
    """

    TEMPLATE = "samples"

    rate_hz: int
    kind: str
    channels: int
    clip_samples: int
    n_fft: int
    span: str
    finds_peak: bool
    hop_length: int
    center: bool
    reflect: bool
    last_frame: int
    crop_frames: int
    static_frames: int

    @staticmethod
    def of(spec: FeatureSpec) -> Samples:
        """The stage as ``spec`` wants it."""
        return Samples(
            rate_hz=spec.sample_rate_hz,
            kind=spec.channels,
            channels=spec.audio_channels,
            clip_samples=spec.clip_samples,
            n_fft=spec.n_fft,
            span="WINDOW" if spec.span < spec.n_fft else "N_FFT",
            finds_peak=spec.amplitude == "clip_max",
            hop_length=spec.hop_length,
            center=spec.center,
            reflect=spec.center and spec.pad_mode == "reflect",
            last_frame=spec.frames - spec.crop_frames,
            crop_frames=spec.crop_frames,
            static_frames=spec.static_frames,
        )

    @staticmethod
    def of_micro(spec: MicroSpec) -> Samples:
        """The stage of the micro front end: frames begin at sample t × hop."""
        return Samples(
            rate_hz=spec.sample_rate_hz,
            kind=spec.channels,
            channels=1,
            clip_samples=spec.clip_samples,
            n_fft=spec.n_fft,
            span="WINDOW",
            finds_peak=False,
            hop_length=spec.hop_length,
            center=False,
            reflect=False,
            last_frame=spec.rows,
            crop_frames=0,
            static_frames=spec.rows,
        )

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        ends = "not centred" if not self.center else f"centred ({'reflect' if self.reflect else 'constant'})"
        crop = f", {self.crop_frames} frames dropped at either end" if self.crop_frames else ""
        return (
            f"{self.rate_hz} Hz {self.kind}, {self.clip_samples} samples; "
            f"a frame every {self.hop_length}, {ends}{crop}"
        )

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        dropped = ", without those dropped at its end" if self.crop_frames else ""
        crop = (
            (Constant("CROP", self.crop_frames, "frames dropped at its start"),) if self.crop_frames else ()
        )
        return (
            Constant("CHANNELS", "FRONTEND_CHANNELS"),
            Constant("N_FFT", self.n_fft),
            Constant("HALF", "N_FFT / 2"),
            Constant("HOP", self.hop_length),
            Constant("FRAMES", self.last_frame, f"of the spectrum in one clip{dropped}"),
            *crop,
            Constant("ROWS", self.static_frames, "before deltas"),
            Constant("CLIP", "FRONTEND_CLIP_SAMPLES"),
        )

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (
            field("uint32_t", "received", "sample frames of this clip, with what pads its end"),
            field("uint32_t", "frame", "the next frame of the spectrum"),
            field("uint32_t", "finished"),
            *((field("int32_t", "largest", "sample of this clip, or 0"),) if self.finds_peak else ()),
        )

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        comment = "the last N_FFT sample frames, each at its index modulo N_FFT"
        size = 2 * self.n_fft * self.channels
        return (Variable("samples", "int16_t", "samples", "[N_FFT * CHANNELS]", size, comment),)
