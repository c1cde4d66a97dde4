# SPDX-License-Identifier: Apache-2.0
"""FeatureSpec: what it accepts, refuses, stores and restores."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ascmcu.errors import FeatureError
from ascmcu.features import spec as specs
from ascmcu.features.spec import FeatureSpec

# As the published systems' papers and code give them: (time, bands, channels), layout.
PUBLISHED = {
    "hu2020": ((461, 128, 6), "mel_time"),
    "dsmn": ((44, 256, 2), "time_mel"),
    "bupt2020": ((280, 256, 2), "time_mel"),
    "tmsic": ((8, 140, 1), "mel_time"),
    "zhao2021": ((423, 128, 3), "mel_time"),
    "dcase2022_baseline": ((51, 40, 1), "mel_time"),
}

DECIBELS = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10}
RANGE = {"normalization": "range"}
STEPS = {**RANGE, "range_clip": True}
SLIDING = {"normalization": "window_zscore"}
ENERGY = {"n_mfcc": 13, "power": 2}
LINEAR = {"filters": "none", "n_fft": 512}
REFUSED = [
    ({"n_fft": 63}, "n_fft"),
    ({"n_fft": 4097}, "n_fft"),
    ({"n_fft": 4098}, "n_fft"),
    ({"n_fft": 2049}, "n_fft"),
    ({"win_length": 1}, "win_length"),
    ({"n_fft": 512, "win_length": 513}, "win_length"),
    ({"pre_emphasis": -1e-6}, "pre_emphasis"),
    ({"pre_emphasis": 1.000001}, "pre_emphasis"),
    ({"pre_emphasis": 0.9, "pre_emphasis_before": "clip_end"}, "pre_emphasis_before"),
    ({"center": False, "frame_length": 1023}, "frame_length"),
    ({"frame_length": 1024}, "frame_length"),
    ({"frame_length": -1, "center": False}, "frame_length"),
    ({**LINEAR, "n_mels": 0}, "n_mels"),
    ({"mfcc_first": "spectrum_energy", "power": 2}, "mfcc_first"),
    ({**ENERGY, "power": 1, "mfcc_first": "spectrum_energy"}, "mfcc_first"),
    ({"fmin_hz": 4000.0, "fmax_hz": 4000.0}, "fmin_hz"),
    ({"fmax_hz": 8000.1}, "fmax_hz"),
    ({**DECIBELS, "top_db": -1.0}, "top_db"),
    ({"top_db": 80.0, "log": "ln"}, "top_db"),
    ({"db_reference": "clip_max", "log": "ln"}, "db_reference"),
    ({"log_offset": 0.0, "log_floor": 9e-31}, "log_offset, log_floor"),
    ({"delta_width": 2}, "delta_width"),
    ({**STEPS, "range_steps": -1}, "range_steps"),
    ({**RANGE, "range_low": 2.0, "range_high": 1.0}, "range_high"),
    ({**SLIDING, "normalization_window": 1}, "normalization_window"),
    ({**SLIDING, "normalization_window": 4}, "normalization_window"),
    ({**SLIDING, "normalization_window": 1003}, "normalization_window"),
    ({**SLIDING, "deltas": 1, "normalization_stage": "after_deltas"}, "normalization_stage"),
    ({"normalization": "mean_std", "std": [[1.0] * 64]}, "mean, std"),
    ({"std": [[1.0] * 64]}, "mean, std"),
    ({"normalization": "mean_std", "mean": [[0.0] * 64], "std": [[1.0] * 63 + [-1.0]]}, "std"),
    ({"stack_frames": 0}, "stack_frames"),
    ({"stack_step": -1}, "stack_step"),
    ({"stack_frames": 2, "layout": "mel_time"}, "layout"),
    ({"stack_frames": 2, "normalization": "clip_zscore"}, "stack_frames"),
    ({"stack_frames": 10_000}, "stack_frames"),
    ({"continues": True}, "continues"),
    ({"n_fft": 32}, "n_fft"),
    ({"n_fft": 5000}, "n_fft"),
    ({"n_fft": 3001}, "n_fft"),
    ({"sample_rate_hz": 96001}, "sample_rate_hz"),
    ({"window": "hanning_of_my_own"}, "window"),
    ({"window": "kaiser"}, "window"),
    ({"window": "exponential:0"}, "window"),
    ({"pre_emphasis": 1.5}, "pre_emphasis"),
    ({"pre_emphasis_scope": "file"}, "pre_emphasis_scope"),
    ({"range_clip": True}, "range_clip"),
    ({"normalization": "range", "range_steps": 256}, "range_steps"),
    ({"normalization": "range", "range_clip": True, "deltas": 1}, "range_clip"),
    ({"filters": "none", "n_fft": 512, "n_mels": 258}, "n_mels"),
    ({"mel_corners": "bin", "mel_triangles": "mel"}, "mel_corners"),
    ({"mel_corners": "bin", "mel_norm": "none", "n_fft": 256}, "mel_corners"),
    ({"lifter": -1.0}, "lifter"),
    ({"win_length": 2048}, "win_length"),
    ({"hop_length": 0}, "hop_length"),
    ({"window": "kaiser"}, "window"),
    ({"power": 3}, "power"),
    ({"power": True}, "power"),
    ({"fmax_hz": 9000.0}, "fmax_hz"),
    ({"fmin_hz": 8000.0}, "fmin_hz"),
    ({"n_mels": 0}, "n_mels"),
    ({"n_mfcc": 65}, "n_mfcc"),
    ({"log_offset": 0.0}, "log_offset, log_floor"),
    ({"log_offset": float("nan")}, "log_offset"),
    ({"top_db": 80.0}, "top_db"),
    ({"log": "db", "db_reference": "clip_max", "top_db": 80.0, "top_db_mode": "running"}, "top_db_mode"),
    ({"db_reference": "clip_max"}, "db_reference"),
    ({"deltas": 1, "delta_width": 4}, "delta_width"),
    ({"deltas": 3}, "deltas"),
    ({"normalization": "range", "range_low": 1.0, "range_high": 1.0}, "range_high"),
    ({"mean": [[0.0] * 64], "std": [[1.0] * 64]}, "mean, std"),
    ({"normalization": "mean_std", "mean": [[0.0] * 64]}, "mean, std"),
    ({"normalization": "mean_std", "mean": [[0.0] * 63], "std": [[1.0] * 63]}, "mean"),
    ({"normalization": "mean_std", "mean": [[0.0] * 64], "std": [[0.0] * 64]}, "std"),
    ({"clip_samples": 512}, "clip_samples"),
    ({"clip_samples": 2000, "deltas": 2}, "clip_samples"),
    ({"clip_samples": 16000.5}, "clip_samples"),
    ({"n_mels": "64"}, "n_mels"),
    ({"center": 1}, "center"),
    ({"mean": [0.0]}, "mean[0]"),
    ({"n_mels": 10**30}, "n_mels"),
    ({"duration_s": 1.0, "clip_samples": 16000}, "duration_s"),
    ({"duration_s": "1"}, "duration_s"),
    ({"duration_s": True}, "duration_s"),
    ({"duration_s": 1.0, "sample_rate_hz": "16000"}, "duration_s"),
    ({"duration_s": float("inf")}, "duration_s"),
    ({"duration_s": 1e307}, "duration_s"),
    ({"amplitude": "clip_max", **DECIBELS, "top_db": 80.0, "top_db_mode": "running"}, "top_db_mode"),
    ({"amplitude": "clip_max", **DECIBELS, "top_db": 80.0, "top_db_mode": "fixed"}, "top_db_mode"),
    ({**DECIBELS, "top_db": 0.0}, "top_db"),
    ({"delta_width": 33}, "delta_width"),
    ({"delta_width": 1}, "delta_width"),
    ({"crop_frames": -1}, "crop_frames"),
    ({"log_offset": -1e-9}, "log_offset"),
    ({"log_floor": -1e-9}, "log_floor"),
    ({"fmin_hz": -1.0}, "fmin_hz"),
    ({"window_place": "start"}, "window_place"),
    ({"hop_length": 65536}, "hop_length"),
    ({"n_mels": 1}, "n_mels"),
    ({"n_mels": 513}, "n_mels"),
    ({"n_mfcc": 0}, "n_mfcc"),
    ({"sample_rate_hz": 3999}, "sample_rate_hz"),
    ({"clip_samples": 3600 * 16000 + 1}, "clip_samples"),
    ({"clip_samples": 1023, "center": False}, "clip_samples"),
    ({"clip_samples": 2000, "deltas": 1, "delta_edges": "nearest"}, "clip_samples"),
    (
        {"normalization": "mean_std", "mean": [[0.0] * 64, [0.0] * 64], "std": [[1.0] * 64, [1.0] * 64]},
        "mean",
    ),
    (
        {
            "normalization": "mean_std",
            "mean": [[0.0] * 64, [0.0] * 63],
            "std": [[1.0] * 64] * 2,
            "channels": "stereo",
        },
        "mean",
    ),
]
# The last values that are taken, beside the first that are not.
TAKEN: list[dict[str, object]] = [
    {"n_fft": 64, "n_mels": 4},
    {"n_fft": 4096},
    {"n_fft": 2047, "win_length": 2047},
    {"n_fft": 512, "win_length": 512},
    {"sample_rate_hz": 4000},
    {"sample_rate_hz": 96000},
    {"hop_length": 65535},
    {"pre_emphasis": 0.0},
    {"pre_emphasis": 1.0},
    {"center": False, "frame_length": 1024},
    {"center": False, "frame_length": 2000},
    {**LINEAR, "n_mels": 257},
    {**LINEAR, "n_mels": 1},
    {**ENERGY, "mfcc_first": "spectrum_energy"},
    {"lifter": 0.0},
    {"n_mels": 2},
    {"n_mels": 8, "n_mfcc": 1},
    {"fmin_hz": 0.0, "fmax_hz": 8000.0},
    {"fmin_hz": 7000.0, "fmax_hz": 7000.5, "n_mels": 2},
    {"log_offset": 0.0, "log_floor": 1e-30},
    {"crop_frames": 0},
    {**STEPS, "range_steps": 0},
    {**STEPS, "range_steps": 1},
    {**SLIDING, "normalization_window": 3},
    {**SLIDING, "normalization_window": 1001},
    {**SLIDING, "deltas": 1, "normalization_stage": "before_deltas"},
    {"stack_frames": 2, "stack_step": 0},
    {"stack_frames": 2, **RANGE},
    {"continues": True, "center": False},
    {"amplitude": "clip_max", **DECIBELS, "top_db": 80.0},
    {"amplitude": "clip_max", **DECIBELS, "top_db_mode": "running"},
    {**DECIBELS, "top_db": 1e-3, "top_db_mode": "running"},
    {"delta_width": 31},
    {"delta_width": 3},
    {"log_offset": 1e-30},
    {"log_offset": 0.0, "log_floor": 1e-30},
    {"hop_length": 1024},
    {"hop_length": 1},
    {"win_length": 2},
    {"n_mels": 8, "n_mfcc": 8},
    {"n_mels": 512, "n_mfcc": 1},
    {"sample_rate_hz": 8000},
    {"sample_rate_hz": 48000},
    {"clip_samples": 3600 * 16000},
    {"clip_samples": 1024, "center": False},
    {"clip_samples": 513},
    {"clip_samples": 1, "pad_mode": "constant"},
    {"clip_samples": 2048, "deltas": 1, "delta_edges": "nearest"},
    {"clip_samples": 4096, "deltas": 2},
    {"normalization": "range", "range_low": 0.0, "range_high": 1e-9},
    {"center": False, "window_place": "start", "win_length": 400, "clip_samples": 400},
]


def test_another_name_is_the_same_specification() -> None:
    assert specs.ALIASES and not set(specs.ALIASES) & set(specs.names())
    for alias, name in specs.ALIASES.items():
        assert specs.load(alias) == specs.load(name)


@pytest.mark.parametrize("name", specs.names())
def test_stored_specs_come_back(name: str) -> None:
    spec = specs.load(name)
    again = specs.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert again.hash() == spec.hash()
    assert specs.from_dict(tomllib.loads(specs.to_toml(spec))) == spec
    assert len({specs.load(other).hash() for other in specs.names()}) == len(specs.names())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes(name: str) -> None:
    spec = specs.load(name)
    shape, layout = PUBLISHED[name]
    assert (spec.shape, spec.layout) == (shape, layout)
    time, mel, channels = shape
    assert spec.input_shape == (
        (1, time, mel, channels) if layout == "time_mel" else (1, mel, time, channels)
    )


@pytest.mark.parametrize(("changes", "where"), REFUSED, ids=[str(row[0])[:60] for row in REFUSED])
def test_refuses(changes: dict[str, object], where: str) -> None:
    with pytest.raises(FeatureError) as caught:
        FeatureSpec.from_dict(changes)
    assert caught.value.where == where


@pytest.mark.parametrize("changes", TAKEN, ids=[str(row)[:60] for row in TAKEN])
def test_takes(changes: dict[str, object]) -> None:
    spec = FeatureSpec.from_dict(changes)
    assert all(getattr(spec, name) == value for name, value in changes.items())
    assert min(spec.shape) >= 1


def test_json_is_named_as_such(tmp_path: Path) -> None:
    """What ``features show`` prints without ``--toml``."""
    path = tmp_path / "own.toml"
    path.write_text(json.dumps(specs.load("dsmn").to_dict()))
    with pytest.raises(FeatureError, match="--toml"):
        specs.load(path)


def test_names_the_file_and_suggests(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("hop_lenght = 160\n")
    with pytest.raises(FeatureError, match="unknown key") as caught:
        specs.load(path)
    assert caught.value.where == str(path)
    assert caught.value.hint == "did you mean hop_length?"
    path.write_text("hop_length =\n")
    with pytest.raises(FeatureError, match="not a readable TOML file"):
        specs.load(path)
    with pytest.raises(FeatureError) as caught:
        specs.load("hu2021")
    assert "hu2020" in str(caught.value.hint)


def test_derived_defaults() -> None:
    spec = FeatureSpec.from_dict({"sample_rate_hz": 44100, "duration_s": 1.5, "n_fft": 2048})
    assert (spec.clip_samples, spec.fmax_hz, spec.win_length) == (66150, 22050.0, 2048)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("pcen_scale", 1e-6, 1e12), ("pcen_seconds", 1e-3, 60.0), ("pcen_gain", 0.0, 2.0), ("pcen_bias", 0.0, 1e6),
        ("pcen_power", 0.01, 1.0), ("pcen_eps", 1e-12, 1.0), ("pre_emphasis", 0.0, 1.0),
        ("sample_rate_hz", 4000, 96000), ("n_fft", 64, 4096), ("lifter", 0.0, None), ("crop_frames", 0, None),
        ("delta_width", 3, 31), ("log_offset", 0.0, None),
    ],
)  # fmt: skip
def test_a_range_has_its_ends(name: str, least: float, most: float | None) -> None:
    """The least and the most are taken, the next numbers beyond are not."""
    base = (
        {"n_fft": 64, "win_length": 32, "n_mels": 8}
        if name in ("sample_rate_hz", "n_fft")
        else {"log": "pcen"}
    )
    for end, direction in ((least, -1), (most, 1)):
        if end is None:
            continue
        changes: dict[str, object] = {**base, name: end}
        if name == "sample_rate_hz":
            changes["fmax_hz"] = end / 2
        FeatureSpec(**changes)  # type: ignore[arg-type]
        step = 2 if name == "delta_width" else 1
        beyond = (
            end + direction * step if isinstance(end, int) else float(np.nextafter(end, direction * np.inf))
        )
        with pytest.raises(FeatureError) as refused:
            FeatureSpec(**{**changes, name: beyond})  # type: ignore[arg-type]
        assert name in str(refused.value)
