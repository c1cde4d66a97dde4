# SPDX-License-Identifier: Apache-2.0
"""Specifications of any rate, window and FFT hold: a slice of what tools/fuzz_specs does."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from ascmcu.errors import FeatureError
from ascmcu.features import spec as specs
from ascmcu.features import windows
from tests.features import any_specs
from tests.features.signals import noise


@pytest.mark.parametrize("seed", range(6))
def test_generated_c_is_the_definition(seed: int) -> None:
    spec = any_specs.draw(random.Random(seed))
    found = any_specs.compared(spec)
    assert any_specs.holds(found), f"{spec.to_toml()}\n{found}"


def test_a_wrong_window_does_not_hold() -> None:
    # Where top_db makes a band constant, a z-score over frames is one of rounding: no test of windows.
    spec = any_specs.draw(random.Random(1)).replace(window="hann", normalization="none")
    found = any_specs.compared(spec)
    assert any_specs.holds(found)
    wrong = any_specs.against(spec.replace(window="boxcar"), spec)
    assert not any_specs.holds(wrong)


@pytest.mark.parametrize("name", ["mlperf_kws", "mlperf_kws_logmel"])
def test_the_largest_sample_may_come_behind_the_last_frame(name: str) -> None:
    """Of 16,000 samples the frames hear 15,840; the clip's peak is that of all."""
    spec = specs.load_log_mel(name)
    pcm = noise(spec)
    pcm[-1] = 32767
    assert spec.frame_samples + (spec.frames - 1) * spec.hop_length < len(pcm)
    found = any_specs.against(spec, spec, pcm)
    assert any_specs.holds(found), found


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize("window", ["hann", "blackman"])  # of librosa, of NumPy
@pytest.mark.parametrize(
    ("n_fft", "samples", "frames"),
    [(441, 4800, 30), (441, 4801, 31), (440, 4800, 31), (440, 4799, 30), (1103, 4800, 30), (1103, 4640, 29)],
)
def test_frames_of_an_odd_length(n_fft: int, samples: int, frames: int, window: str, pad_mode: str) -> None:
    """A centred odd frame reaches no further beyond the end than before the beginning, as in librosa and torch."""
    spec = specs.load_log_mel("default").replace(
        n_fft=n_fft, win_length=n_fft, hop_length=160, clip_samples=samples, center=True, pad_mode=pad_mode,
        window=window, normalization="none", mean=(), std=(),
    )  # fmt: skip
    assert spec.frames == frames
    found = any_specs.compared(spec)
    assert any_specs.holds(found), found


@pytest.mark.parametrize("where", ["start", "end"])
@pytest.mark.parametrize("n_mfcc", [None, 12])
@pytest.mark.parametrize(
    "change",
    [
        {"db_reference": "clip_max"}, {"top_db": 40.0}, {"top_db": 40.0, "top_db_mode": "running"},
        {"db_reference": "clip_max", "top_db": 40.0, "amplitude": "clip_max"},
        {"top_db": 40.0, "normalization": "clip_minmax"},
    ],
    ids=str,
)  # fmt: skip
def test_the_loudest_frame_may_be_dropped(change: dict[str, Any], n_mfcc: int | None, where: str) -> None:
    """``crop_frames`` drops rows; the peak is still that of all frames, as librosa.power_to_db has it."""
    spec = specs.load_log_mel("default").replace(
        log="db", log_offset=0.0, log_floor=1e-10, normalization="none", mean=(), std=(), crop_frames=2,
        n_mfcc=n_mfcc, center=True,
    )  # fmt: skip
    spec = spec.replace(**change)
    pcm = noise(spec)
    burst = slice(0, spec.hop_length) if where == "start" else slice(len(pcm) - spec.hop_length, len(pcm))
    pcm[burst] = 20000 * np.sign(pcm[burst])
    found = any_specs.against(spec, spec, pcm)
    assert any_specs.holds(found), found


@pytest.mark.parametrize(
    ("name", "told"),
    [("gaussian:0", "no numbers"), ("kaiser:nan", "no such window"), ("gaussian:1e400", "no such window")],
)
def test_windows_without_numbers(name: str, told: str) -> None:
    with pytest.raises(FeatureError, match=told):
        windows.values(name, 64, False)


def test_every_window_of_scipy_is_there_or_refused() -> None:
    """The names are those of SciPy's module; what is left out has no mirror image or needs several parameters."""
    import scipy.signal.windows as module

    left_out = {"dpss", "general_cosine", "general_gaussian", "kaiser_bessel_derived"}
    named = {name.partition(":")[0] for name in any_specs.WINDOWS}
    assert {name for name in module.__all__ if name not in ("get_window",)} - left_out <= named
    for name in any_specs.WINDOWS:
        assert len(windows.values(name, 64, False)) == 64
