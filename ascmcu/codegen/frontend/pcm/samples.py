# SPDX-License-Identifier: Apache-2.0
"""Samples: one row of the network's input, collected as the samples come."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.codegen.frontend.output import ITEM_BYTES
from ascmcu.codegen.frontend.parts import Constant, Stage, Variable, field
from ascmcu.features.pcmspec import PcmSpec


@dataclass(frozen=True)
class PcmSamples(Stage):
    """``rows`` of ``row_samples`` sample frames.

    Attributes:
        step_samples: as in the samples of a spectrum: where clips continue there is no end, and counts may wrap.
    """

    TEMPLATE = "pcm/samples"

    rate_hz: int
    kind: str
    channels: int
    clip_samples: int
    rows: int
    row_samples: int
    dtype: str
    step_samples: int

    @staticmethod
    def of(spec: PcmSpec, dtype: str) -> PcmSamples:
        """The stage as ``spec`` wants it."""
        return PcmSamples(
            spec.sample_rate_hz,
            spec.channels,
            spec.audio_channels,
            spec.clip_samples,
            spec.rows,
            spec.hop_length,
            dtype,
            spec.step_samples if spec.continues else 0,
        )

    @property
    def summary(self) -> str:
        """See ``Stage``."""
        length = f"steps of {self.step_samples}" if self.step_samples else f"{self.clip_samples}"
        return f"{self.rate_hz} Hz {self.kind}, {length} samples: {self.rows} rows of {self.row_samples}"

    @property
    def constants(self) -> tuple[Constant, ...]:
        """See ``Stage``."""
        return (
            Constant("CHANNELS", "FRONTEND_CHANNELS"),
            Constant("CLIP", "FRONTEND_CLIP_SAMPLES"),
            Constant("ROWS", self.rows),
            Constant("ROW", self.row_samples, "sample frames of a row"),
        )

    @property
    def state(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        return (
            field("uint32_t", "received", "sample frames of this clip"),
            field("uint32_t", "row", "the next row"),
            *(() if self.step_samples else (field("uint32_t", "finished"),)),
        )

    @property
    def buffers(self) -> tuple[Variable, ...]:
        """See ``Stage``."""
        kind = "float32_t" if self.dtype == "float32" else f"{self.dtype}_t"
        size = self.row_samples * self.channels * ITEM_BYTES[self.dtype]
        return (Variable("row", kind, "values", "[ROW * CHANNELS]", size, "the row as it comes in"),)
