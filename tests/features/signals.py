# SPDX-License-Identifier: Apache-2.0
"""Specs and signals of the front end's tests."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ascmcu.errors import FeatureError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.base import ClipSpec
from ascmcu.features.checks import CHOICES
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcm import Pcm, to_pcm
from ascmcu.features.spec import FeatureSpec
from tests.support import outside

ESC10 = outside.dataset("esc10") / "audio"
needs_esc10 = outside.needs(outside.dataset("esc10"))

# The shipped specifications of log-mel features.
LOG_MEL = tuple(name for name in specs.names() if isinstance(specs.load(name), FeatureSpec))

# What the published systems leave out: every other choice of a field at least once.
_DB = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10}
VARIANTS: dict[str, dict[str, object]] = {
    "short window, odd length": {"win_length": 401, "window": "hamming"},
    "not centred": {"center": False, "hop_length": 160},
    "window at the start": {"center": False, "window_place": "start", "win_length": 601, "hop_length": 200},
    "triangles straight over mel": {"mel_triangles": "mel", "mel_scale": "slaney", "mel_norm": "slaney"},
    "the largest sample is 1": {"amplitude": "clip_max", "channels": "mid_side", "deltas": 1, "crop_frames": 2},
    "the largest sample is 1, MFCC": {"amplitude": "clip_max", "n_mfcc": 13, "dct_norm": "tensorflow", "power": 1},
    "the largest sample is 1, peak at 0 dB": {
        **_DB, "amplitude": "clip_max", "n_mfcc": 8, "top_db": 60.0, "db_reference": "clip_max",
        "normalization": "clip_zscore", "channels": "stereo",
    },
    "FFT by factors": {"n_fft": 400, "hop_length": 160, "n_mels": 24},
    "FFT by factors, odd half, short window": {"n_fft": 630, "win_length": 500, "hop_length": 200},
    "FFT by large factors": {"n_fft": 2 * 11 * 31, "hop_length": 100, "channels": "stereo"},
    "FFT of an odd length": {"n_fft": 441, "hop_length": 147, "n_mels": 30, "power": 1},
    "FFT by chirps": {"n_fft": 482, "win_length": 482, "hop_length": 160, "n_mels": 30},
    "FFT by chirps, odd length": {"n_fft": 1103, "win_length": 1103, "hop_length": 441, "channels": "stereo"},
    "shortest FFT": {"n_fft": 64, "hop_length": 32, "n_mels": 8},
    "pre-emphasis of the clip": {"pre_emphasis": 0.97, "win_length": 800, "center": False, "window_place": "start"},
    "pre-emphasis of the clip, mirrored ends": {"pre_emphasis": 0.95, "channels": "mid_side", "n_fft": 512},
    "pre-emphasis of the clip, zeros at the ends": {"pre_emphasis": 0.9, "pad_mode": "constant", "channels": "stereo"},
    "pre-emphasis of the first sample by the last": {
        **{"pre_emphasis": 0.98, "pre_emphasis_before": "clip_end", "center": False, "channels": "stereo", "deltas": 1},
        **{"n_fft": 256, "hop_length": 300, "window": "boxcar", "n_mfcc": 12},
    },
    "Kaldi's frames": {
        **{"amplitude": "int16", "pre_emphasis": 0.97, "pre_emphasis_scope": "frame", "remove_dc": True},
        **{"n_fft": 512, "win_length": 400, "hop_length": 160, "window": "povey", "window_symmetric": True},
        **{"center": False, "window_place": "start", "mel_triangles": "mel", "mel_scale": "htk", "mel_norm": "none"},
        **{"n_mels": 80, "fmin_hz": 20.0, "log_offset": 0.0, "log_floor": 1.1920928955078125e-07},
    },
    "pre-emphasis in frames, middle and side": {
        "pre_emphasis": 0.97, "pre_emphasis_scope": "frame", "channels": "mid_side", "win_length": 401,
    },
    "no mean, centred": {"remove_dc": True, "win_length": 700, "window": "blackman"},
    "symmetric window": {"window": "hamming", "window_symmetric": True},
    "symmetric window, odd length": {"window": "kaiser:8.6", "window_symmetric": True, "win_length": 601},
    "window of cosines, four terms": {"window": "blackmanharris"},
    "no window": {"window": "boxcar", "n_fft": 256, "win_length": 200, "hop_length": 200, "n_mels": 20},
    "power by window": {"amplitude": "int16", "power_norm": "win_length", "win_length": 400, "mel_norm": "slaney"},
    "magnitude by FFT": {"power_norm": "n_fft", "power": 1},
    "the bins": {"filters": "none", "n_fft": 256, "win_length": 256, "hop_length": 128, "n_mels": 129},
    "the lowest bins": {"filters": "none", "n_fft": 400, "n_mels": 120, "hop_length": 160, "power": 1},
    "the bins of an odd FFT": {"filters": "none", "n_fft": 225, "n_mels": 113, "hop_length": 100},
    "corners at bins": {
        **{"mel_corners": "bin", "mel_scale": "htk", "mel_norm": "none", "window": "boxcar", "center": False},
        **{"window_place": "start", "n_fft": 512, "win_length": 320, "hop_length": 160, "n_mels": 40, "log": "db"},
        **{"log_offset": 0.0, "log_floor": 1e-30, "power_norm": "n_fft"},
        **{"normalization": "range", "range_low": -52.0, "range_high": 12.0},
    },
    "a range and no more": {"normalization": "range", "range_low": -8.0, "range_high": -2.0, "range_clip": True},
    "a range in steps": {
        **{"normalization": "range", "range_low": -15.0, "range_high": 5.0, "range_clip": True, "range_steps": 256},
    },
    "frames beyond the ends": {
        **{"center": False, "snip_edges": False, "window_place": "start", "win_length": 400, "n_fft": 512},
        **{"hop_length": 160, "n_mels": 30, "deltas": 1, "delta_edges": "interp"},
    },
    "frames beyond the ends, as long as the FFT": {
        **{"center": False, "snip_edges": False, "channels": "stereo", "pre_emphasis": 0.97, "hop_length": 300},
        **{"n_fft": 512, "n_mels": 30},
    },
    "frames beyond the ends, no overlap": {
        **{"center": False, "snip_edges": False, "n_fft": 512, "hop_length": 512, "n_mels": 30},
    },
    "PCEN": {"log": "pcen", "power": 1, "mel_norm": "slaney"},
    "PCEN of powers, without bias, stereo": {
        **{"log": "pcen", "pcen_bias": 0.0, "pcen_power": 0.25, "pcen_gain": 0.8, "pcen_scale": 1e4},
        **{"pcen_seconds": 0.1, "channels": "stereo", "deltas": 1, "n_mfcc": 20},
    },
    "PCEN with figures of the clip": {"log": "pcen", "normalization": "clip_zscore", "pcen_power": 1.0},
    "magnitudes without a logarithm": {"log": "none", "power": 1, "log_offset": 0.0},
    "powers of the clip's largest sample": {"log": "none", "amplitude": "clip_max", "log_floor": 1e-3, "n_mfcc": 10},
    "rows of five frames": {"stack_frames": 5, "n_mels": 20},
    "rows of five frames, overlapping": {"stack_frames": 5, "stack_step": 2, "channels": "stereo", "deltas": 1},
    "rows of two frames, with gaps": {"stack_frames": 2, "stack_step": 3, "n_mels": 20},
    "MFCC, energy of the frame first": {
        **{"n_mfcc": 13, "mfcc_first": "frame_energy", "remove_dc": True, "win_length": 600, "mel_norm": "slaney"},
        **{"pre_emphasis": 0.97, "pre_emphasis_scope": "frame", "lifter": 22.0, "channels": "stereo"},
    },
    "MFCC, energy of the spectrum first": {"n_mfcc": 13, "mfcc_first": "spectrum_energy", "window": "boxcar"},
    "MFCC, energy of an odd spectrum, below the clip's peak": {
        **{"n_mfcc": 10, "mfcc_first": "spectrum_energy", "n_fft": 225, "hop_length": 100, "n_mels": 20},
        **{"log": "db", "log_offset": 0.0, "log_floor": 1e-10, "top_db": 50.0},
    },
    "z-score of the rows around": {"normalization": "window_zscore", "normalization_window": 21, "n_mfcc": 13},
    "z-score of more rows than the clip has": {
        **{"normalization": "window_zscore", "n_mfcc": 13, "mfcc_first": "spectrum_energy"},
        **{"deltas": 1, "normalization_stage": "before_deltas", "channels": "stereo"},
    },
    "MFCC behind a lifter": {"n_mfcc": 13, "lifter": 22.0},
    "deltas, fitted edges": {"deltas": 1, "delta_edges": "interp", "delta_width": 9},
    "delta-deltas, fitted edges": {"deltas": 2, "delta_edges": "interp", "delta_width": 5, "channels": "stereo"},
    "delta-deltas, fitted edges, whole clip": {
        "deltas": 2, "delta_edges": "interp", "delta_width": 9, "normalization": "clip_zscore", "n_mfcc": 13,
    },
    "96 kHz": {"sample_rate_hz": 96000, "fmax_hz": 40000.0},
    "zeros at the ends": {"pad_mode": "constant", "mel_scale": "slaney"},
    "smallest FFT": {"n_fft": 256, "win_length": 200, "hop_length": 64, "n_mels": 20},
    "hop as long as the FFT": {"hop_length": 1024},
    "band-limited": {"fmin_hz": 300.0, "fmax_hz": 3400.0, "mel_norm": "slaney"},
    "magnitudes in dB": {**_DB, "power": 1, "log_floor": 1e-5},
    "log10 with offset and floor": {"log": "log10", "log_offset": 1e-7, "log_floor": 1e-5},
    "top_db below the clip's peak": {**_DB, "top_db": 40.0},
    "top_db below the running peak": {**_DB, "top_db": 30.0, "top_db_mode": "running", "channels": "stereo"},
    "top_db below a fixed peak": {**_DB, "top_db": 30.0, "top_db_mode": "fixed", "top_db_peak": 20.0},
    "peak at 0 dB": {**_DB, "db_reference": "clip_max", "top_db": 50.0, "channels": "mid_side"},
    "MFCC": {"n_mfcc": 13},
    "MFCC below the clip's peak": {**_DB, "n_mfcc": 20, "top_db": 60.0, "deltas": 1, "channels": "stereo"},
    "MFCC below the running peak": {**_DB, "n_mfcc": 13, "top_db": 30.0, "top_db_mode": "running"},
    "mid and side, cropped": {"channels": "mid_side", "crop_frames": 3},
    "deltas, repeated edges": {"deltas": 1, "delta_edges": "replicate", "delta_width": 9},
    "delta-deltas, repeated edges": {"deltas": 2, "delta_edges": "replicate", "delta_width": 3},
    "deltas, nearest": {"deltas": 1, "delta_edges": "nearest"},
    "delta-deltas, nearest": {"deltas": 2, "delta_edges": "nearest", "delta_width": 9, "channels": "stereo"},
    "delta-deltas, valid, cropped": {"deltas": 2, "delta_width": 7, "crop_frames": 1},
    "range after deltas": {"normalization": "range", "range_low": -15.0, "range_high": 5.0, "deltas": 1},
    "min-max by channel": {"normalization": "clip_minmax", "deltas": 1, "channels": "stereo"},
    "min-max, joint, before deltas": {
        **{"normalization": "clip_minmax", "normalization_scope": "joint", "channels": "stereo"},
        **{"normalization_stage": "before_deltas", "deltas": 2, "delta_edges": "replicate"},
    },
    "z-score by channel before deltas": {
        **{"normalization": "clip_zscore", "normalization_stage": "before_deltas", "deltas": 2},
        **{"channels": "mid_side", "delta_edges": "nearest", "normalization_ddof": 1},
    },
    "z-score below the clip's peak": {**_DB, "top_db": 60.0, "normalization": "clip_zscore", "n_mfcc": 13},
    "mean and deviation before deltas": {
        **{"normalization": "mean_std", "normalization_stage": "before_deltas", "deltas": 2},
    },
}  # fmt: skip


def overrides(name: str) -> dict[str, object]:
    """The fields of a row of ``VARIANTS``; a window is as long as the FFT where the row does not say."""
    fields = dict(VARIANTS[name])
    if "n_fft" in fields:
        fields.setdefault("win_length", fields["n_fft"])
    return fields


def variant(name: str) -> FeatureSpec:
    """A row of ``VARIANTS`` on top of the default front end, fitted on noise."""
    base = specs.load_log_mel("default").unnormalized().to_dict()
    fields = {"clip_samples": 11111, **overrides(name)}
    return fitted(FeatureSpec.from_dict({**base, **fields}))


def plain(spec: FeatureSpec) -> FeatureSpec:
    """The spec with a mean and a deviation of 1 where it lacks them: figures that need no recording."""
    if spec.is_fitted:
        return spec
    row = (1.0,) * spec.bands
    return spec.replace(mean=(row,) * spec.normalized_channels, std=(row,) * spec.normalized_channels)


# Choices that others exclude too often; ``any_spec`` makes them by itself.
CHOSEN = ("log", "filters", "mel_corners")


def any_spec(rng: random.Random) -> FeatureSpec:
    """A spec of random choices in every field.

    Raises:
        FeatureError: the choices exclude each other.
    """
    n_fft = rng.choice((256, 512, 1024, 2048, 4096, 2 * rng.randint(32, 1000), rng.randint(64, 1500)))
    rate = rng.choice((4000, 8000, 16000, 32000, 44100, 48000, 96000))
    filters = rng.choice(CHOICES["filters"])
    n_mels = rng.randint(8, 128) if filters == "mel" else rng.randint(1, n_fft // 2 + 1)
    log = rng.choice(CHOICES["log"])
    return FeatureSpec(
        **{name: rng.choice(values) for name, values in CHOICES.items() if name not in CHOSEN},
        log=log, filters=filters, mel_corners=rng.choice(("exact", "exact", "bin")), remove_dc=rng.random() < 0.2,
        window=rng.choice(("hann", "hamming", "povey", "boxcar", "blackman", "kaiser:7")),
        window_symmetric=rng.random() < 0.3, pre_emphasis=rng.choice((0.0, 0.0, 0.97)), lifter=rng.choice((0.0, 22.0)),
        sample_rate_hz=rate, n_fft=n_fft, n_mels=n_mels,
        win_length=rng.choice((n_fft, rng.randint(2, n_fft))), hop_length=rng.randint(1, n_fft),
        fmin_hz=rng.choice((0.0, 50.0)), fmax_hz=rate * rng.choice((0.5, 0.35)),
        n_mfcc=rng.choice((None, rng.randint(1, n_mels))), center=rng.random() < 0.6,
        log_offset=rng.choice((0.0, 1e-7)), log_floor=rng.choice((0.0, 1e-10)),
        top_db=rng.choice((None, 40.0)) if log == "db" else None, crop_frames=rng.choice((0, 0, 2)),
        delta_width=rng.choice((3, 5, 9)), clip_samples=rng.randint(5000, 80000),
    )  # fmt: skip


def any_micro_spec(rng: random.Random) -> MicroSpec:
    """A spec of the micro front end, of random choices in every field."""
    while True:
        rate = rng.choice((8000, 16000, 16000, 22050, 32000, 44100, 48000))
        try:
            return MicroSpec(
                sample_rate_hz=rate, clip_samples=rng.randint(rate // 2, rate), window_ms=rng.randint(9, 60),
                step_ms=rng.randint(3, 40), n_mels=rng.randint(2, 80), fmin_hz=rng.choice((0.0, 20.0, 125.0, 300.0)),
                fmax_hz=round(rng.uniform(1000, rate / 2)), smoothing_bits=rng.randint(0, 16),
                even_smoothing=rng.randint(0, 30) / 100, odd_smoothing=rng.randint(0, 30) / 100,
                min_signal_remaining=rng.randint(0, 30) / 100, pcan=rng.random() < 0.7,
                pcan_strength=rng.randint(10, 120) / 100, pcan_offset=rng.choice((1.0, 80.0, 500.0)),
                pcan_gain_bits=rng.randint(16, 26), log=rng.random() < 0.85, log_shift=rng.randint(0, 8),
                mapping=rng.choice(("micro_speech", "scaled")),
            )  # fmt: skip
        except FeatureError:
            continue


def fitted(spec: FeatureSpec, clips: list[Pcm] | None = None) -> FeatureSpec:
    """The spec with the figures it may lack, from ``clips`` or from noise."""
    if spec.is_fitted:
        return spec
    clips = clips or [noise(spec)]
    return extract.fit(spec, (extract.extract(pcm, spec.unnormalized()) for pcm in clips))


def noise(spec: FeatureSpec, samples: int | None = None) -> Pcm:
    """Noise that swells and fades, another one in each channel."""
    count = spec.clip_samples if samples is None else samples
    rng = np.random.default_rng(zlib.crc32(spec.hash().encode()))
    level = 200 + 6000 * np.sin(np.linspace(0, 9, count)) ** 2
    return (
        np.rint(rng.normal(size=(count, spec.audio_channels)) * level[:, None])
        .clip(-32768, 32767)
        .astype(np.int16)
    )


def swell(samples: int, seed: int = 1) -> npt.NDArray[np.int16]:
    """Noise from silence to clipping and back, several times: int16 (samples,)."""
    rng = np.random.default_rng(seed)
    level = 10 ** (4.9 * np.sin(np.linspace(0, 9, samples)) ** 2)
    return (rng.uniform(-1, 1, samples) * level).clip(-32768, 32767).astype(np.int16)


def extremes(spec: ClipSpec) -> Iterator[tuple[str, Pcm]]:
    """Signals that break front ends."""
    n = np.arange(spec.clip_samples)
    rng = np.random.default_rng(1)
    impulses = np.zeros(len(n))
    impulses[[0, len(n) // 2, len(n) - 1]] = (-32768, 32767, 32767)
    rows = {
        "silence": np.zeros(len(n)),
        "full-scale square wave": np.where((n * 997.3 / spec.sample_rate_hz) % 1 < 0.5, 32767, -32768),
        "impulses": impulses,
        "DC": np.full(len(n), 32767),
        "1-LSB noise": rng.integers(-1, 2, len(n)),
        "clipping": np.clip(rng.normal(size=len(n)) * 60000, -32768, 32767),
    }
    for name, row in rows.items():
        yield name, np.repeat(row.astype(np.int16)[:, None], spec.audio_channels, axis=1)


def recordings(spec: ClipSpec, count: int) -> list[Pcm]:
    """ESC-10 clips, spread over the set, as a device with this front end would have recorded them."""
    import soundfile

    files = sorted(ESC10.glob("*.ogg"))
    chosen = [files[i * len(files) // count] for i in range(count)]
    return [to_pcm(*soundfile.read(path, dtype="float64", always_2d=True), spec) for path in chosen]


def short_signals() -> dict[str, npt.NDArray[np.int16]]:
    """Signals of 0.1 s at 16 kHz for goldens: a chirp in faint noise, noise, extremes; int16 (samples,)."""
    count = 1600
    t = np.arange(count) / 16000
    rng = np.random.default_rng(11)
    chirp = 9000 * np.sin(2 * np.pi * (300 + 30000 * t) * t) + 700 + rng.normal(0, 8, count)
    impulse = np.zeros(count)
    impulse[[5, 801]] = 32767
    square = np.where(np.arange(count) // 20 % 2, 32767, -32768)
    made = {
        "chirp": chirp, "noise": rng.normal(0, 2000, count), "silence": np.zeros(count), "impulses": impulse,
        "full scale": square, "DC": np.full(count, 12000), "one LSB": np.arange(count) % 2,
    }  # fmt: skip
    return {name: np.rint(x).astype(np.int16) for name, x in made.items()}
