"""FeatureSpec → frontend.c and frontend.h: every figure is decided here, the template gives them shape."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ascmcu import __version__
from ascmcu.codegen.render import render
from ascmcu.errors import FeatureError
from ascmcu.features import tables
from ascmcu.features.extract import CLIP_SPREAD_MIN
from ascmcu.features.spec import FeatureSpec

_ITEM_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "float32": 4}
# Entries of CMSIS-DSP's bit reversal tables by length of the complex FFT: ARMBITREVINDEXTABLE_*_TABLE_LENGTH.
_BIT_REVERSAL = {128: 208, 256: 440, 512: 448, 1024: 1800, 2048: 3808}
# The clip's own figures need a struct with two doubles per channel.
_FIGURES_BYTES = 32


@dataclass(frozen=True)
class FrontendCost:
    """Memory of a generated front end: ``ram`` and ``tables`` list the parts as (name, bytes)."""

    ram: tuple[tuple[str, int], ...]
    tables: tuple[tuple[str, int], ...]

    @property
    def ram_bytes(self) -> int:
        """All static RAM of the front end; its stack comes on top."""
        return sum(size for _, size in self.ram)

    @property
    def tables_bytes(self) -> int:
        """All constants in flash, with those of CMSIS-DSP's FFT of this length."""
        return sum(size for _, size in self.tables)


@dataclass(frozen=True)
class _Array:
    """A constant array of the generated C."""

    name: str
    type: str
    comment: str
    values: tuple[str, ...]
    item_bytes: int

    @property
    def size(self) -> int:
        return len(self.values)

    @property
    def lines(self) -> list[str]:
        return textwrap.wrap(", ".join(self.values), 104)

    @property
    def bytes(self) -> int:
        return self.size * self.item_bytes


def render_frontend(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> dict[str, str]:
    """The front end's C, ready for the build.

    Args:
        spec: a fitted spec.
        scale, zero_point, dtype: the network's input; ``float32`` takes scale 1 and zero point 0.

    Returns:
        text by file name: ``frontend.c``, ``frontend.h``.

    Raises:
        FeatureError: the normalization is not fitted, or the input's type is not supported.
    """
    _check_input(scale, zero_point, dtype)
    context = _context(spec, scale, zero_point, dtype)
    return {name: render(f"{name}.j2", **context) for name in ("frontend.c", "frontend.h")}


def frontend_cost(spec: FeatureSpec) -> FrontendCost:
    """What a front end costs, without rendering it; figures of the training set need not be fitted."""
    return _cost(spec, _arrays(_with_figures(spec), 1.0))


def _with_figures(spec: FeatureSpec) -> FeatureSpec:
    if spec.is_fitted:
        return spec
    row = (1.0,) * spec.bands
    return spec.replace(mean=(row,) * spec.normalized_channels, std=(row,) * spec.normalized_channels)


def _check_input(scale: float, zero_point: int, dtype: str) -> None:
    if dtype not in _ITEM_BYTES:
        raise FeatureError(
            "the front end cannot produce the network's input type",
            expected=", ".join(_ITEM_BYTES),
            found=dtype,
        )
    if dtype == "float32":
        if (scale, zero_point) != (1.0, 0):
            raise FeatureError(
                "a float32 input has no quantization", expected=(1.0, 0), found=(scale, zero_point)
            )
        return
    limits = np.iinfo(np.dtype(dtype))
    if not (math.isfinite(scale) and scale > 0 and limits.min <= zero_point <= limits.max):
        raise FeatureError(
            "the quantization of the network's input is not valid",
            expected=f"scale above 0, zero point {limits.min} to {limits.max}",
            found=(scale, zero_point),
        )


# ---- literals


def _literal(value: float) -> str:
    """A C literal that reads back as exactly the float32 nearest to ``value``."""
    text = f"{float(np.float32(value)):.9g}"
    return (text if any(c in text for c in ".en") else text + ".0") + "f"


def _signed(value: float) -> str:
    return f"- {_literal(-value)}" if value < 0 else f"+ {_literal(value)}"


def _floats(name: str, comment: str, values: Iterable[float]) -> _Array:
    return _Array(name, "float32_t", comment, tuple(_literal(v) for v in values), 4)


# ---- decisions


def _power_scale(spec: FeatureSpec) -> float:
    """From |2X| of integer samples (mid and side twice as large) to librosa's magnitude or power."""
    doubled = 2 if spec.channels == "mid_side" else 1
    return float((2 * 32768 * doubled) ** -float(spec.power))


def _has_window_table(spec: FeatureSpec) -> bool:
    """A window as long as the FFT comes out of the FFT's own cosines."""
    return spec.win_length != spec.n_fft


def _delta_ring(spec: FeatureSpec) -> bool:
    return spec.deltas == 2 and spec.delta_edges != "nearest"


def _clip_decibels(spec: FeatureSpec) -> bool:
    return spec.db_reference == "clip_max" or (spec.top_db is not None and spec.top_db_mode == "clip")


def _clip_affine(spec: FeatureSpec) -> bool:
    return spec.normalization in ("clip_zscore", "clip_minmax")


def _arrays(spec: FeatureSpec, scale: float) -> list[_Array]:
    """The front end's own tables, in the order of their use."""
    found = []
    if _has_window_table(spec):
        found.append(
            _floats("half_window", f"{spec.window}, periodic: its first half", tables.half_window(spec))
        )
    mel = tables.mel_segments(spec)
    bins = tuple(str(n) for n in mel.bins)
    small = bool(max(mel.bins) < 256)
    found += [
        _Array(
            "segment_bins",
            "uint8_t" if small else "uint16_t",
            "FFT bins between corners of filters",
            bins,
            2 - small,
        ),
        _floats("segment_last", "weight of the falling filter at the last bin between them", mel.last),
        _floats("segment_slope", "what it loses from bin to bin", mel.slope),
    ]
    if spec.mel_norm == "slaney":
        norm = mel.norm * _power_scale(spec)
        found.append(_floats("band_norm", "2 / width of the filter, over the scale of |2X|", norm))
    if spec.n_mfcc is not None:
        found.append(_floats("cosines", "orthonormal DCT-II", tables.dct(spec).ravel()))
    if spec.deltas:
        found.append(_floats("slope_weights", "of x[t+n] - x[t-n]", tables.slope_weights(spec)))
    if spec.deltas == 2 and not _delta_ring(spec):
        found.append(_floats("curve_weights", "of rows t - REACH … t + REACH", tables.curve_weights(spec)))
    if not _clip_affine(spec):
        affine = tables.affine(spec, scale)
        order = "by channel and band" if affine.gain.shape[1] > 1 else "by channel"
        found.append(_floats("gain", f"from octaves to the network's input, {order}", affine.gain.ravel()))
        found.append(_floats("bias", "added to that", affine.bias.ravel()))
    return found


def _cost(spec: FeatureSpec, arrays: list[_Array]) -> FrontendCost:
    statics = 4 * spec.audio_channels * spec.bands
    mels = 4 * spec.audio_channels * spec.n_mels
    ram = {"samples": 2 * spec.n_fft * spec.audio_channels, "FFT": 4 * spec.n_fft}
    if spec.n_mfcc is not None:
        ram["mel"] = mels
    if spec.deltas:
        ram["rows"] = spec.delta_width * statics
        ram["deltas"] = ((spec.delta_width if _delta_ring(spec) else 1) + (spec.deltas == 2)) * statics
    elif not spec.needs_whole_clip:
        ram["row"] = statics
    if spec.needs_whole_clip:
        ram["whole clip"] = spec.static_frames * (mels if _clip_decibels(spec) else statics)
    if _clip_affine(spec):
        ram["figures"] = _FIGURES_BYTES * spec.output_channels
    words = 3 + (_counts_pushes(spec)) + _is_limited(spec, "running") + 2 * spec.needs_whole_clip
    ram["state"] = 4 * (words + 2 * spec.output_channels * _clip_affine(spec))
    half = spec.n_fft // 2
    flash = {"FFT": 8 * half + 4 * spec.n_fft + 2 * _BIT_REVERSAL[half]}
    flash |= {array.name: array.bytes for array in arrays}
    return FrontendCost(tuple(ram.items()), tuple(flash.items()))


def _counts_pushes(spec: FeatureSpec) -> bool:
    return spec.deltas > 0 or spec.needs_whole_clip


def _is_limited(spec: FeatureSpec, mode: str) -> bool:
    return spec.top_db is not None and spec.top_db_mode == mode


def _context(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> dict[str, Any]:
    arrays = _arrays(spec, scale)
    return (
        {
            "tool_version": __version__,
            "spec_sha256": spec.hash(),
            "summary": _summary(spec, scale, zero_point, dtype),
            "cost": _cost(spec, arrays),
            "arrays": arrays,
            "sample_rate_hz": spec.sample_rate_hz,
            "channels": spec.audio_channels,
            "mid_side": spec.channels == "mid_side",
            "clip_samples": spec.clip_samples,
            "n_fft": spec.n_fft,
            "half": spec.n_fft // 2,
            "hop_length": spec.hop_length,
            "center": spec.center,
            "reflect": spec.pad_mode == "reflect",
            "last_frame": spec.frames - spec.crop_frames,
            "crop_frames": spec.crop_frames,
            "static_frames": spec.static_frames,
            "rows": spec.rows,
            "row_bytes": spec.bands * spec.output_channels * _ITEM_BYTES[dtype],
            "bands": spec.bands,
            "output_channels": spec.output_channels,
        }
        | _window_context(spec)
        | _mel_context(spec)
        | _limit_context(spec)
        | _delta_context(spec)
        | _clip_context(spec, scale)
        | _output_context(spec, scale, zero_point, dtype)
    )


def _window_context(spec: FeatureSpec) -> dict[str, Any]:
    a, b = tables.cosine_window(spec)
    return {
        "window_table": _has_window_table(spec),
        "window_a": _literal(a),
        "window_b": _literal(b),
        "window_first": _literal(a - b),
        # 2 W[1] of the window a - b cos(2πn / n_fft).
        "mean_weight": _literal(-b * spec.n_fft),
        "win_length": spec.win_length,
        "win_offset": (spec.n_fft - spec.win_length) // 2,
        "win_half": spec.win_length // 2,
        "win_pairs": (spec.win_length - 1) // 2,
        "win_even": spec.win_length % 2 == 0,
    }


def _mel_context(spec: FeatureSpec) -> dict[str, Any]:
    first, *others = tables.LOG2_POLYNOMIAL
    return {
        "n_mels": spec.n_mels,
        "n_mfcc": spec.n_mfcc,
        "first_bin": tables.mel_segments(spec).first_bin,
        "magnitude": spec.power == 1,
        "mel_norm": spec.mel_norm == "slaney",
        "power_scale": _literal(_power_scale(spec)),
        "log_offset": _literal(spec.log_offset) if spec.log_offset else None,
        "log_floor": _literal(spec.log_floor) if spec.log_floor else None,
        "polynomial": [_signed(first), *(_signed(c) for c in others[:-1]), _literal(others[-1])],
    }


def _limit_context(spec: FeatureSpec) -> dict[str, Any]:
    octave = tables.units_per_octave(spec)
    top = None if spec.top_db is None else _literal(spec.top_db / octave)
    fixed = _is_limited(spec, "fixed")
    return {
        "limits": spec.top_db is not None,
        "finds_peak": _clip_decibels(spec) or _is_limited(spec, "running"),
        "running_peak": _is_limited(spec, "running"),
        "running_limit": top,
        "fixed_floor": _literal((spec.top_db_peak - (spec.top_db or 0)) / octave) if fixed else None,
        "clip_decibels": _clip_decibels(spec),
        "subtracts_peak": spec.db_reference == "clip_max",
        "clip_limit": top if _is_limited(spec, "clip") else None,
    }


def _delta_context(spec: FeatureSpec) -> dict[str, Any]:
    reach = spec.delta_width // 2
    repeats = spec.delta_edges != "valid"
    ring = _delta_ring(spec)
    delay = reach * (2 if ring else 1)
    return {
        "deltas": spec.deltas,
        "delta_width": spec.delta_width,
        "delta_ring": ring,
        "parabola": spec.deltas == 2 and not ring,
        "repeats_edges": repeats,
        "first_slope": reach if repeats else 2 * reach,
        "first_output": delay if repeats else 2 * delay,
        "pushes": spec.static_frames + (delay if repeats else 0),
        "counts_pushes": _counts_pushes(spec),
    }


def _clip_context(spec: FeatureSpec, scale: float) -> dict[str, Any]:
    octave = tables.units_per_octave(spec)
    figures = ["peak"] * _clip_decibels(spec) + ["figures"] * _clip_affine(spec)
    return {
        "whole_clip": spec.needs_whole_clip,
        "clip_row": "CHANNELS * MELS" if _clip_decibels(spec) else "STATICS",
        "clip_reason": f"the first row needs the clip's {' and '.join(figures)}",
        "clip_affine": _clip_affine(spec),
        "zscore": spec.normalization == "clip_zscore",
        "ddof": f"{spec.normalization_ddof}u",
        "joint": spec.normalization_scope == "joint",
        "before_deltas": spec.normalization_stage == "before_deltas",
        "spread_min": _literal(CLIP_SPREAD_MIN / octave),
        "unit_gain": _literal(1 / float(np.float32(scale))),
    }


def _output_context(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> dict[str, Any]:
    if _clip_affine(spec):
        index, owner = "[channel]", "state."
    else:
        owner = ""
        by_band = tables.affine(spec, scale).gain.shape[1] > 1
        index = "[channel * BANDS + band]" if by_band else "[channel]"
    whole = dtype != "float32"
    return {
        "dtype": dtype,
        "gain": f"{owner}gain{index}",
        "bias": f"{owner}bias{index}",
        "zero_point": zero_point,
        "lowest": _literal(float(np.iinfo(np.dtype(dtype)).min) - zero_point) if whole else None,
        "highest": _literal(float(np.iinfo(np.dtype(dtype)).max) - zero_point) if whole else None,
    }


def _summary(spec: FeatureSpec, scale: float, zero_point: int, dtype: str) -> list[str]:
    """The spec in words, one line per group of stages."""
    placed = f"centred ({spec.pad_mode})" if spec.center else "not centred"
    log = spec.log
    log += f" of mel + {spec.log_offset:g}" if spec.log_offset else ""
    log += f", floor {spec.log_floor:g}" if spec.log_floor else ""
    log += ", clip's peak at 0 dB" if spec.db_reference == "clip_max" else ""
    log += f", {spec.top_db:g} dB below the {spec.top_db_mode} peak" if spec.top_db is not None else ""
    log += f", {spec.n_mfcc} MFCCs" if spec.n_mfcc is not None else ""
    deltas = (
        f"{spec.deltas} × deltas over {spec.delta_width} rows ({spec.delta_edges}), " if spec.deltas else ""
    )
    stage = (
        f" {spec.normalization_stage.replace('_', ' ')}"
        if spec.deltas and spec.normalization != "none"
        else ""
    )
    target = dtype if dtype == "float32" else f"{dtype}, scale {scale:.9g}, zero point {zero_point}"
    return [
        f"{spec.sample_rate_hz} Hz {spec.channels}, {spec.clip_samples} samples; "
        f"{spec.window} {spec.win_length} in {spec.n_fft} every {spec.hop_length}, {placed}",
        f"{'power' if spec.power == 2 else 'magnitude'}, {spec.n_mels} {spec.mel_scale} bands "
        f"{spec.fmin_hz:g}-{spec.fmax_hz:g} Hz, norm {spec.mel_norm}; {log}",
        f"{deltas}normalization {spec.normalization}{stage}; {spec.rows} rows × {spec.bands} × "
        f"{spec.output_channels}, {target}",
    ]
