# SPDX-License-Identifier: Apache-2.0
"""Window: a frame of samples as single precision, weighed."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.fft import Fft
from ascmcu.codegen.frontend.parts import Constant, Stage, Table, floats, literal
from ascmcu.codegen.frontend.samples import Samples
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec


@dataclass(frozen=True)
class Window(Stage):
    """A window as long as the FFT, a - b cos, comes out of the FFT's own cosines; any other has a table.

    Attributes:
        half: the first half of the window, empty without a table.
        a, b, first: C literals of a, b and a - b.
        mean_weight: C literal of 2 W[1], what a constant 1 adds to 2X[1].
        type: of a sample in the ring.
        emphasis, kept: C literals of the pre-emphasis within a frame and of 1 less that; empty without one.
        removes_mean: whether the frame's mean is subtracted before anything else.
        energy: C literal of what makes the frame's energy one of |2X|²; empty where it does not count.
        clears: whether places of the FFT stay without a sample.
        offset, middle, pairs, last: the first sample of the window in the FFT; its centre; the samples with a mirror,
            up to this one; what a sample and its mirror image add up to.
    """

    TEMPLATE = "window"

    kind: str
    symmetric: bool
    length: int
    n_fft: int
    place: str
    mid_side: bool
    type: str
    half: tuple[float, ...]
    a: str
    b: str
    first: str
    mean_weight: str
    emphasis: str
    kept: str
    removes_mean: bool
    energy: str
    clears: bool
    offset: int
    middle: int
    pairs: int
    last: int

    @staticmethod
    def of(spec: FeatureSpec, fft: Fft, samples: Samples) -> Window:
        """The stage as ``spec`` wants it, for the order in which ``fft`` takes its points."""
        a, b = tables.cosine_window(spec)
        in_frames = spec.pre_emphasis > 0 and spec.pre_emphasis_scope == "frame"
        plain = spec.window in ("hann", "hamming") and not spec.window_symmetric and fft.is_plain
        whole = spec.win_length == spec.n_fft and samples.type == "int16_t"
        every_bin = spec.filters == "none" or spec.mel_corners == "bin" or spec.mfcc_first != "dct"
        by_cosine = plain and whole and not (in_frames or spec.remove_dc or every_bin)
        offset = 0 if spec.window_place == "start" else (spec.n_fft - spec.win_length) // 2
        return Window(
            kind=spec.window,
            symmetric=spec.window_symmetric,
            length=spec.win_length,
            n_fft=spec.n_fft,
            place=spec.window_place,
            mid_side=spec.channels == "mid_side",
            type=samples.type if samples.type == "float32_t" else "int32_t",
            half=() if by_cosine else tuple(tables.half_window(spec)),
            a=literal(a),
            b=literal(b),
            first=literal(a - b),
            mean_weight=literal(-b * spec.n_fft),
            emphasis=literal(spec.pre_emphasis) if in_frames else "",
            kept=literal(1 - spec.pre_emphasis) if in_frames else "",
            removes_mean=spec.remove_dc,
            energy=literal(4 / tables.power_factor(spec)) if spec.mfcc_first == "frame_energy" else "",
            clears=spec.win_length < spec.n_fft or fft.leaves_gaps,
            offset=offset,
            middle=spec.win_length // 2,
            pairs=(spec.win_length - 1) // 2 if not spec.window_symmetric else spec.win_length // 2 - 1,
            last=spec.win_length - 1 if spec.window_symmetric else spec.win_length,
        )

    @property
    def has_table(self) -> bool:
        """Whether the weights are a table."""
        return bool(self.half)

    @property
    def has_middle(self) -> bool:
        """Whether one sample has no mirror image, beside the first of a periodic window."""
        return self.length % 2 == (1 if self.symmetric else 0)

    def value_of(self, n: str) -> str:
        """C expression of sample ``n`` of the frame, before it is weighed."""
        if self.emphasis:
            return f"emphasised(start, {n}, channel{', mean' if self.removes_mean else ''})"
        value = f"(float32_t)sample_at(start + {n}, channel)"
        return f"({value} - mean)" if self.removes_mean else value

    def place_of(self, n: str) -> str:
        """C expression of where sample ``n`` of the frame belongs in the spectrum."""
        return f"*place({self.offset}u + {n})" if self.offset else f"*place({n})"

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        where = "at the start of" if self.place == "start" else "in"
        kind = f"symmetric {self.kind}" if self.symmetric else self.kind
        before = ["frames without their mean"] * self.removes_mean
        before += [f"pre-emphasis {self.emphasis.rstrip('f')} within the frame"] * bool(self.emphasis)
        return "; ".join([*before, f"{kind} window of {self.length} {where} {self.n_fft}"])

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        ends_the_frame = self.place == "start" and self.length < self.n_fft
        return (Constant("WINDOW", self.length, "samples of a frame"),) if ends_the_frame else ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """See ``Stage``."""
        if not self.half:
            return ()
        kind = "symmetric" if self.symmetric else "periodic"
        return (floats("half_window", f"{self.kind}, {kind}: its first half", self.half),)
