# SPDX-License-Identifier: Apache-2.0
"""Samples: the ring that holds the last frame, the padding of the clip's ends, and when a frame is due."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.parts import Constant, Stage, Variable, field, literal
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Samples(Stage):
    """The ring of the last samples.

    Attributes:
        ring: its length in sample frames, a power of two: indices are taken modulo it, and may wrap modulo 2³².
        type: of a sample in it; ``float32_t`` where the clip's pre-emphasis is applied on the way in.
        pre_emphasis: C literal of its factor, empty without one over the clip.
        wraps: whether the clip's last sample comes before the first one: frame 0 is then kept, to be computed last.
        span: how many samples a frame that is not centred waits for, as the C names it.
        finds_peak: whether the largest sample of the clip is kept.
        frames: those of a clip that are computed, without those that are dropped at its end.
        stores_dropped: the peak of the clip needs the dropped frames as well: all are computed and stored.
        peak_runs: whether the frames dropped at the start raise the peak.
        step_samples: sample frames of each further clip where clips continue, else 0: then there is no end to pad, and
            all counts may wrap modulo 2³².
    """

    TEMPLATE = "samples"

    rate_hz: int
    kind: str
    channels: int
    clip_samples: int
    n_fft: int
    ring: int
    type: str
    pre_emphasis: str
    wraps: bool
    span: str
    finds_peak: bool
    hop_length: int
    center: bool
    lead: int
    reflect: bool
    symmetric: bool
    frames: int
    crop_frames: int
    stores_dropped: bool
    peak_runs: bool
    static_frames: int
    step_samples: int

    @staticmethod
    def of(spec: FeatureSpec) -> Samples:
        """The stage as ``spec`` wants it."""
        emphasises = spec.pre_emphasis > 0 and spec.pre_emphasis_scope == "clip"
        return Samples(
            rate_hz=spec.sample_rate_hz,
            kind=spec.channels,
            channels=spec.audio_channels,
            clip_samples=spec.clip_samples,
            n_fft=spec.n_fft,
            ring=1 << (spec.n_fft - 1).bit_length(),
            type="float32_t" if emphasises else "int16_t",
            pre_emphasis=literal(spec.pre_emphasis) if emphasises else "",
            wraps=spec.wraps,
            span="WINDOW" if spec.span < spec.n_fft else "N_FFT",
            finds_peak=spec.amplitude == "clip_max",
            hop_length=spec.hop_length,
            center=spec.center,
            lead=spec.lead,
            reflect=spec.center and spec.pad_mode == "reflect",
            symmetric=not spec.center and not spec.snip_edges,
            frames=spec.frames - (0 if spec.takes_clip_peak else spec.crop_frames),
            crop_frames=spec.crop_frames,
            stores_dropped=spec.crop_frames > 0 and spec.takes_clip_peak,
            peak_runs=spec.top_db is not None and spec.top_db_mode == "running",
            static_frames=spec.static_frames,
            step_samples=spec.step_samples if spec.continues else 0,
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
            ring=spec.n_fft,
            type="int16_t",
            pre_emphasis="",
            wraps=False,
            span="WINDOW",
            finds_peak=False,
            hop_length=spec.hop_length,
            center=False,
            lead=0,
            reflect=False,
            symmetric=False,
            frames=spec.rows,
            crop_frames=0,
            stores_dropped=False,
            peak_runs=False,
            static_frames=spec.rows,
            step_samples=spec.step_samples if spec.continues else 0,
        )

    @property
    def mirrored(self) -> int:
        """Samples before the clip that ``pad_start`` puts in place. Sample -n_fft / 2 is there in a ring of n_fft."""
        if self.symmetric:
            return self.lead
        return self.n_fft // 2 - (1 if self.ring == self.n_fft else 0)

    @property
    def pads(self) -> bool:
        """Whether frames reach beyond the clip, which is mirrored there."""
        return self.reflect or self.symmetric

    @property
    def origin(self) -> str:
        """C expression of what is taken from a frame's number times the hop to get its first sample; empty for 0."""
        if self.center:
            return "HALF"
        return f"{self.lead}u" if self.lead else ""

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        ends = "centred and mirrored" if self.symmetric else "not centred"
        ends = f"centred ({'reflect' if self.reflect else 'constant'})" if self.center else ends
        crop = f", {self.crop_frames} frames dropped at either end" if self.crop_frames else ""
        emphasis = f", pre-emphasis {self.pre_emphasis.rstrip('f')}" if self.pre_emphasis else ""
        emphasis += ", the first by the last" if self.wraps else ""
        length = f"steps of {self.step_samples}" if self.step_samples else f"{self.clip_samples}"
        return (
            f"{self.rate_hz} Hz {self.kind}, {length} samples{emphasis}; "
            f"a frame every {self.hop_length}, {ends}{crop}"
        )

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        dropped = ", without those dropped at its end" if self.crop_frames and not self.stores_dropped else ""
        crop = (
            (Constant("CROP", self.crop_frames, "frames dropped at its start"),) if self.crop_frames else ()
        )
        return (
            Constant("CHANNELS", "FRONTEND_CHANNELS"),
            Constant("N_FFT", self.n_fft),
            Constant("HALF", "N_FFT / 2"),
            Constant("RING", self.ring, "sample frames at hand, a power of two"),
            Constant("HOP", self.hop_length),
            Constant("FRAMES", self.frames, f"of the spectrum in one clip{dropped}"),
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
            *(() if self.step_samples else (field("uint32_t", "finished"),)),
            *((field("int32_t", "largest", "sample of this clip, or 0"),) if self.finds_peak else ()),
            *((self._before,) if self.pre_emphasis else ()),
        )

    @property
    def _before(self) -> Variable:
        return field(
            "float32_t", "before", "the last sample frame, as it came", "[CHANNELS]", 4 * self.channels
        )

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        emphasised = ", with pre-emphasis" if self.pre_emphasis else ""
        comment = f"the last RING sample frames{emphasised}, each at its index modulo RING"
        size = (4 if self.pre_emphasis else 2) * self.ring * self.channels
        ring = Variable("samples", self.type, "samples", "[RING * CHANNELS]", size, comment)
        kept = "frame 0, which the clip's last sample completes"
        first = Variable("samples", self.type, "first_frame", "[RING * CHANNELS]", size, kept)
        return (ring, first) if self.wraps else (ring,)
