# SPDX-License-Identifier: Apache-2.0
"""``MicroSpec``: the micro front end of TensorFlow Lite Micro, which micro_speech and microWakeWord are trained with.

It is integer from end to end, so the reference, the generated C and TensorFlow's library give the same numbers::

    PCM → window → scaled to 16 bits → int16 FFT → energies → filter bank → square root
        → noise reduction → gain control (PCAN) → logarithm → features
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from ascmcu import tables
from ascmcu.errors import FeatureError
from ascmcu.features.base import ClipSpec, clip_length
from ascmcu.tables import Range

# Fractional bits of the library: kFilterbankBits, kNoiseReductionBits, kPcanSnrBits, kPcanOutputBits.
FILTER_BITS = 12
NOISE_BITS = 14
SNR_BITS = 12
GAIN_OUTPUT_BITS = 6
# What training divides the logarithms by (microWakeWord's 0.0390625 is 1 / 25.6).
UNIT = 0.0390625


@dataclass(frozen=True)
class MicroSpec(ClipSpec):
    """The parameters of ``FrontendConfig`` in tensorflow/lite/experimental/microfrontend/lib. Immutable.

    Fields, in the order of the stages; the library's names in brackets:
        frontend: always ``micro``; it tells this specification from a ``FeatureSpec``.
        sample_rate_hz, clip_samples, resampler: as in ``FeatureSpec``. The audio is mono.
        library: whose tables. ``microfrontend``: that library, which micro_speech and microWakeWord were trained with.
            ``signal``: those that the Python code of the signal library makes for TensorFlow Lite Micro's audio
            preprocessor: filter weights are cut where the older library rounds them.
        window_ms, step_ms: a frame of the Hann window, and from frame to frame [size_ms, step_size_ms].
        n_mels, fmin_hz, fmax_hz: triangular filters, equidistant in mel
            [num_channels, lower_band_limit, upper_band_limit].
        smoothing_bits, even_smoothing, odd_smoothing, min_signal_remaining: the noise estimate of each band is
            smoothed; it is subtracted, but this fraction of the signal remains [noise_reduction].
        pcan, pcan_strength, pcan_offset, pcan_gain_bits: the gain is 2^gain_bits (estimate + offset)^-strength
            [pcan_gain_control].
        log, log_shift: natural logarithm × 2^shift [enable_log, scale_shift].
        mapping: how the unsigned 16-bit features become the network's input. ``micro_speech``, for int8 inputs:
            (256 x + 333) / 666 - 128, as the example and microWakeWord's firmware compute it. ``scaled``: x / 25.6
            in the unit of training, quantized with scale and zero point of the network's input.
        continues: as in ``ClipSpec``. An export sets it for a network with states.
    """

    frontend: Literal["micro"] = "micro"
    sample_rate_hz: Annotated[int, Range(4000, 48000)] = 16000
    clip_samples: Annotated[int, Range(1, 2**31 - 1)] = 16000
    resampler: Literal["soxr_qq", "soxr_lq", "soxr_mq", "soxr_hq", "soxr_vhq", "torchaudio"] = "soxr_hq"
    library: Literal["microfrontend", "signal"] = "microfrontend"
    window_ms: Annotated[int, Range(1, 500)] = 30
    step_ms: Annotated[int, Range(1, 500)] = 20
    n_mels: Annotated[int, Range(2, 128)] = 40
    fmin_hz: Annotated[float, Range(0)] = 125.0
    fmax_hz: Annotated[float, Range(1)] = 7500.0
    smoothing_bits: Annotated[int, Range(0, 16)] = 10
    even_smoothing: Annotated[float, Range(0, 1)] = 0.025
    odd_smoothing: Annotated[float, Range(0, 1)] = 0.06
    min_signal_remaining: Annotated[float, Range(0, 1)] = 0.05
    pcan: bool = True
    pcan_strength: Annotated[float, Range(0, 2)] = 0.95
    pcan_offset: Annotated[float, Range(0.001, 1e6)] = 80.0
    pcan_gain_bits: Annotated[int, Range(1, 31)] = 21
    log: bool = True
    log_shift: Annotated[int, Range(0, 10)] = 6
    mapping: Literal["micro_speech", "scaled"] = "micro_speech"
    continues: bool = False

    channels = "mono"
    layout = "time_mel"
    # What a FeatureSpec may choose: its noise reduction and gain control stand in the place of a normalization.
    normalization = "none"
    normalization_stage = "after_deltas"
    deltas = 0
    n_mfcc = None
    output_channels = 1

    def __post_init__(self) -> None:
        nyquist = self.sample_rate_hz / 2
        least, most = 64, 2048
        _require(
            self.fmin_hz < self.fmax_hz < nyquist - self.sample_rate_hz / self.n_fft,
            "fmin_hz, fmax_hz",
            f"fmin_hz below fmax_hz, and that below half the sample rate, {nyquist:g}",
            (self.fmin_hz, self.fmax_hz),
        )
        _require(
            least < self.window_samples <= most,
            "window_ms",
            f"{least + 1} to {most} samples",
            self.window_samples,
        )
        _require(
            1 <= self.hop_length <= self.window_samples,
            "step_ms",
            "a sample or more, and no more than window_ms",
            self.step_ms,
        )
        _require(
            self.clip_samples >= self.window_samples,
            "clip_samples",
            f"at least a window of {self.window_samples}",
            self.clip_samples,
        )
        _require(
            not self.pcan or 0 <= self.snr_shift < 32,
            "pcan_gain_bits",
            f"{self.correction_bits + SNR_BITS} or more for an FFT of {self.n_fft} points",
            self.pcan_gain_bits,
        )
        _require(
            not self.pcan or self.smoothing_bits >= self.correction_bits,
            "smoothing_bits",
            f"{self.correction_bits} or more for an FFT of {self.n_fft} points, with pcan",
            self.smoothing_bits,
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> MicroSpec:
        """A spec from plain fields; absent ones take their defaults. ``duration_s`` may stand for ``clip_samples``.

        Raises:
            FeatureError: an unknown field, a value of the wrong type or out of range.
        """
        return tables.build(cls, clip_length(fields, cls.sample_rate_hz), "", FeatureError)

    def unnormalized(self) -> MicroSpec:
        """Itself: there is nothing to fit."""
        return self

    @property
    def bands(self) -> int:
        """Values per frame."""
        return self.n_mels

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return self.window_ms * self.sample_rate_hz // 1000

    @property
    def can_continue(self) -> bool:
        """See ``ClipSpec``: frames begin at sample t × hop, and what is kept of earlier ones is the noise estimate."""
        return True

    @property
    def frame_samples(self) -> int:
        """See ``ClipSpec``."""
        return self.window_samples

    @property
    def hop_length(self) -> int:
        """Samples from one frame to the next."""
        return self.step_ms * self.sample_rate_hz // 1000

    @property
    def n_fft(self) -> int:
        """Points of the FFT: the power of two that holds the window."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def correction_bits(self) -> int:
        """By how many bits the logarithm's argument is scaled up, to undo what the FFT and the filters divided."""
        return self.n_fft.bit_length() - 1 - FILTER_BITS // 2

    @property
    def snr_shift(self) -> int:
        """Bits that signal × gain loses before the gain control's last step."""
        return self.pcan_gain_bits - self.correction_bits - SNR_BITS

    @property
    def rows(self) -> int:
        """Frames of one clip."""
        return 1 + (self.clip_samples - self.window_samples) // self.hop_length

    @property
    def shape(self) -> tuple[int, int, int]:
        """See ``ClipSpec``."""
        return (self.rows, self.n_mels, 1)


def _require(condition: bool, where: str, expected: str, found: object) -> None:
    if not condition:
        raise FeatureError(
            "the feature specification is not valid", where=where, expected=expected, found=found
        )
