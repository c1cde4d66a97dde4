# SPDX-License-Identifier: Apache-2.0
"""What the fields of a ``FeatureSpec`` may be, and which exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ascmcu.errors import FeatureError
from ascmcu.features import mel_scale, windows

if TYPE_CHECKING:
    from ascmcu.features.spec import FeatureSpec

CHOICES: dict[str, tuple[Any, ...]] = {
    "channels": ("mono", "stereo", "mid_side", "3", "4", "5", "6", "7", "8"),
    "resampler": ("soxr_qq", "soxr_lq", "soxr_mq", "soxr_hq", "soxr_vhq", "torchaudio"),
    "amplitude": ("full_scale", "int16", "clip_max"),
    "pre_emphasis_scope": ("clip", "frame"),
    "pre_emphasis_before": ("zero", "clip_end"),
    "window_place": ("center", "start"),
    "pad_mode": ("reflect", "constant"),
    "power": (1, 2),
    "power_norm": ("none", "n_fft", "win_length"),
    "filters": ("mel", "none"),
    "mel_corners": ("exact", "bin"),
    "mel_scale": ("htk", "slaney"),
    "mel_norm": ("none", "slaney"),
    "mel_triangles": ("hz", "mel"),
    "log": ("ln", "log10", "db", "none", "pcen"),
    "db_reference": ("unit", "clip_max"),
    "top_db_mode": ("clip", "running", "fixed"),
    "dct_norm": ("ortho", "tensorflow"),
    "mfcc_first": ("dct", "spectrum_energy", "frame_energy"),
    "deltas": (0, 1, 2),
    "delta_edges": ("valid", "nearest", "replicate", "interp"),
    "normalization": ("none", "mean_std", "range", "clip_zscore", "clip_minmax", "window_zscore"),
    "normalization_stage": ("before_deltas", "after_deltas"),
    "normalization_scope": ("channel", "joint"),
    "normalization_ddof": (0, 1),
    "layout": ("time_mel", "mel_time"),
}
_FFT_LEAST, _FFT_MOST = 64, 4096
# Bluestein's algorithm needs a power of two of at least twice the points, and CMSIS-DSP's longest is 4,096.
_ODD_FFT_MOST = 2047


def check(spec: FeatureSpec) -> None:
    """Refuse a specification that cannot be.

    Raises:
        FeatureError: a field has a value that it cannot have, alone or beside the others.
    """
    for each in _CHECKS:
        each(spec)


def _require(condition: bool, where: str, expected: str, found: object, hint: str | None = None) -> None:
    if not condition:
        raise FeatureError(
            "the feature specification is not valid", where=where, expected=expected, found=found, hint=hint
        )


def _check_choices(spec: FeatureSpec) -> None:
    for name, allowed in CHOICES.items():
        value = getattr(spec, name)
        _require(value in allowed, name, " | ".join(str(a) for a in allowed), repr(value))


def _check_frame(spec: FeatureSpec) -> None:
    rate = spec.sample_rate_hz
    _require(4000 <= rate <= 96000, "sample_rate_hz", "4000 to 96000", rate)
    _require(
        _FFT_LEAST <= spec.n_fft <= _FFT_MOST,
        "n_fft",
        f"{_FFT_LEAST} to {_FFT_MOST}",
        spec.n_fft,
        "a shorter window in a longer FFT is set by win_length",
    )
    short = spec.n_fft % 2 == 0 or spec.n_fft <= _ODD_FFT_MOST
    _require(short, "n_fft", f"an even number, or at most {_ODD_FFT_MOST}", spec.n_fft)
    _require(2 <= spec.win_length <= spec.n_fft, "win_length", f"2 to n_fft = {spec.n_fft}", spec.win_length)
    placed = spec.window_place == "center" or not spec.center
    _require(placed, "window_place", '"center", as the frames are centred', repr(spec.window_place))
    longer = spec.frame_length == 0 or (spec.frame_length >= spec.span and not spec.center)
    _require(longer, "frame_length", f"0, or {spec.span} or more without center", spec.frame_length)
    whole = spec.snip_edges or (
        not spec.center
        and not spec.frame_length
        and spec.hop_length <= spec.span
        and spec.pre_emphasis_before == "zero"
    )
    _require(
        whole,
        "snip_edges",
        f'true with center, frame_length, a hop_length above {spec.span}, or pre_emphasis_before = "clip_end"',
        "false",
    )
    _require(1 <= spec.hop_length <= 65535, "hop_length", "1 to 65535", spec.hop_length)
    _require(0 <= spec.pre_emphasis <= 1, "pre_emphasis", "0 to 1", spec.pre_emphasis)
    alone = not spec.center and not spec.crop_frames and spec.pre_emphasis_scope == "clip"
    _require(
        not spec.wraps or (alone and spec.top_db_mode != "running"),
        "pre_emphasis_before",
        '"zero" with center, crop_frames, a running top_db, or pre-emphasis within frames',
        spec.pre_emphasis_before,
    )
    windows.values(spec.window, spec.win_length, spec.window_symmetric)  # or it refuses


def _check_mel(spec: FeatureSpec) -> None:
    if spec.filters == "none":
        _require(1 <= spec.n_mels <= spec.bins, "n_mels", f"1 to n_fft // 2 + 1 = {spec.bins}", spec.n_mels)
    else:
        _check_filters(spec)
    if spec.n_mfcc is not None:
        _require(1 <= spec.n_mfcc <= spec.n_mels, "n_mfcc", f"1 to n_mels = {spec.n_mels}", spec.n_mfcc)
    of_energy = spec.n_mfcc is not None and spec.power == 2
    _require(
        spec.mfcc_first == "dct" or of_energy,
        "mfcc_first",
        '"dct" without n_mfcc and power = 2',
        spec.mfcc_first,
    )
    _require(spec.lifter >= 0, "lifter", "0 or more", spec.lifter)


def _check_filters(spec: FeatureSpec) -> None:
    nyquist = spec.sample_rate_hz / 2
    _require(2 <= spec.n_mels <= 512, "n_mels", "2 to 512", spec.n_mels)
    _require(
        0 <= spec.fmin_hz < spec.fmax_hz, "fmin_hz", f"0 to below fmax_hz = {spec.fmax_hz}", spec.fmin_hz
    )
    _require(spec.fmax_hz <= nyquist, "fmax_hz", f"at most half the sample rate, {nyquist:g}", spec.fmax_hz)
    straight = spec.mel_corners == "exact" or (spec.mel_triangles == "hz" and spec.mel_norm == "none")
    _require(straight, "mel_corners", '"exact" with this mel_triangles and mel_norm', repr(spec.mel_corners))
    if spec.mel_corners == "bin":
        _check_bins(spec)


def _check_bins(spec: FeatureSpec) -> None:
    """A filter whose peak and end share a bin has two slopes at one place, which the generated C cannot tell."""
    exact = mel_scale.corners(spec.n_mels + 2, spec.fmin_hz, spec.fmax_hz, htk=spec.mel_scale == "htk")
    bins = mel_scale.at_bins(exact, spec.n_fft, spec.sample_rate_hz)
    shared = [n for n in range(len(bins) - 1) if bins[n] == bins[n + 1] > 0]
    if shared:
        found = f"corners {shared[0]} and {shared[0] + 1} at bin {bins[shared[0]]:.0f}"
        _require(
            False, "mel_corners", "a bin of its own for each corner", found, "fewer n_mels, or a longer n_fft"
        )


def _check_log(spec: FeatureSpec) -> None:
    _require(spec.log_offset >= 0, "log_offset", "0 or more", spec.log_offset)
    _require(spec.log_floor >= 0, "log_floor", "0 or more", spec.log_floor)
    _require(
        not spec.is_logarithm or max(spec.log_offset, spec.log_floor) >= 1e-30,
        "log_offset, log_floor",
        "one of them at least 1e-30, as the logarithm of silence is not finite",
        (spec.log_offset, spec.log_floor),
    )
    if spec.amplitude == "clip_max":
        waits = spec.top_db is None or spec.top_db_mode == "clip"
        _require(
            waits,
            "top_db_mode",
            '"clip", as the logarithms wait for the clip\'s largest sample',
            spec.top_db_mode,
        )
    if spec.log != "db":
        _require(spec.top_db is None, "top_db", 'none, as log is not "db"', spec.top_db)
        _require(spec.db_reference == "unit", "db_reference", '"unit", as log is not "db"', spec.db_reference)
    if spec.top_db is not None:
        _require(spec.top_db > 0, "top_db", "a positive number of dB", spec.top_db)
        absolute = spec.db_reference == "unit" or spec.top_db_mode == "clip"
        _require(absolute, "top_db_mode", '"clip", as the clip\'s peak is the reference', spec.top_db_mode)


def _check_pcen(spec: FeatureSpec) -> None:
    for name, least, most in (
        *(("pcen_scale", 1e-6, 1e12), ("pcen_seconds", 1e-3, 60.0), ("pcen_gain", 0.0, 2.0)),
        *(("pcen_bias", 0.0, 1e6), ("pcen_power", 0.01, 1.0), ("pcen_eps", 1e-12, 1.0)),
    ):
        value = getattr(spec, name)
        _require(least <= value <= most, name, f"{least:g} to {most:g}", value)
    if spec.log == "pcen":
        plain = spec.amplitude != "clip_max" and not spec.crop_frames and not spec.wraps
        _require(
            plain and spec.mfcc_first == "dct",
            "log",
            'no "pcen" with clip_max, crop_frames, pre_emphasis_before = "clip_end", or an energy as mfcc_first',
            spec.log,
        )


def _check_deltas(spec: FeatureSpec) -> None:
    width = spec.delta_width
    _require(width % 2 == 1 and 3 <= width <= 31, "delta_width", "an odd number from 3 to 31", width)
    _require(spec.crop_frames >= 0, "crop_frames", "0 or more", spec.crop_frames)


def _check_normalization(spec: FeatureSpec) -> None:
    ranged = spec.normalization == "range"
    _require(ranged or not spec.range_clip, "range_clip", 'false, as normalization is not "range"', "true")
    _require(not (spec.range_clip and spec.deltas), "range_clip", "false, as there are deltas", "true")
    _require(spec.range_steps >= 0, "range_steps", "0 or more", spec.range_steps)
    clipped = spec.range_clip or not spec.range_steps
    _require(clipped, "range_steps", "0, as the range is not clipped", spec.range_steps)
    if ranged:
        _require(spec.range_low < spec.range_high, "range_high", f"above {spec.range_low}", spec.range_high)
    if spec.normalization == "window_zscore":
        width = spec.normalization_window
        _require(
            width % 2 == 1 and 3 <= width <= 1001, "normalization_window", "an odd number, 3 to 1001", width
        )
        first = not spec.deltas or spec.normalization_stage == "before_deltas"
        _require(first, "normalization_stage", '"before_deltas" with window_zscore', spec.normalization_stage)
    if spec.normalization != "mean_std":
        _require(
            not spec.mean and not spec.std, "mean, std", 'none, as normalization is not "mean_std"', "some"
        )
        return
    _require(bool(spec.mean) == bool(spec.std), "mean, std", "both or neither", "one of them")
    for name in ("mean", "std"):
        rows = getattr(spec, name)
        shape = (spec.normalized_channels, spec.bands)
        found = (len(rows), len(rows[0]) if rows else 0)
        even = all(len(row) == spec.bands for row in rows)
        _require(not rows or (found == shape and even), name, f"{shape} figures", found)
    _require(all(s > 0 for row in spec.std for s in row), "std", "positive figures", "zero or less")


def _check_clip(spec: FeatureSpec) -> None:
    most = 3600 * spec.sample_rate_hz
    _require(spec.clip_samples <= most, "clip_samples", f"at most an hour, {most}", spec.clip_samples)
    least = (
        spec.frame_samples if not spec.center else spec.n_fft // 2 + 1 if spec.pad_mode == "reflect" else 1
    )
    _require(
        spec.clip_samples >= least,
        "clip_samples",
        f"at least {least} for this n_fft and padding",
        spec.clip_samples,
    )
    least = spec.delta_width if spec.deltas and spec.delta_edges != "valid" else 1
    _require(spec.static_frames >= least, "clip_samples", f"at least {least} frames", spec.static_frames)
    _require(spec.rows >= 1, "clip_samples", "long enough for one row after deltas", f"{spec.frames} frames")
    _require(spec.stack_frames >= 1, "stack_frames", "1 or more", spec.stack_frames)
    _require(spec.stack_step >= 0, "stack_step", "0 or more", spec.stack_step)
    plain = spec.stack_frames == 1 or spec.normalization in ("none", "range")
    _require(plain, "stack_frames", f'1 with normalization = "{spec.normalization}"', spec.stack_frames)
    _require(
        spec.stack_frames == 1 or spec.layout == "time_mel",
        "layout",
        '"time_mel", as frames are stacked',
        spec.layout,
    )
    _require(
        spec.can_continue or not spec.continues,
        "continues",
        "false with center, crop_frames, deltas, stacked frames, or figures of the clip",
        "true",
    )
    enough = spec.rows >= spec.stack_frames
    _require(enough, "stack_frames", f"at most {spec.rows} frames", spec.stack_frames)


_CHECKS: tuple[Callable[[FeatureSpec], None], ...] = (
    _check_choices,
    _check_frame,
    _check_mel,
    _check_log,
    _check_pcen,
    _check_deltas,
    _check_normalization,
    _check_clip,
)
