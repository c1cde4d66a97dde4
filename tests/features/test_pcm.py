# SPDX-License-Identifier: Apache-2.0
"""Samples as the network's input: the generated C equals the reference in every value, however it is fed."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu.codegen.frontend import frontend_cost
from ascmcu.errors import FeatureError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.toolchain.native import NativeFrontend

SPECS = {
    "one row": PcmSpec(clip_samples=1200),
    "a sample a row": PcmSpec(clip_samples=300, rows=300),
    "stereo, as they are": PcmSpec(clip_samples=1200, rows=8, channels="stereo", amplitude="int16"),
}
INPUTS = {
    "int8": (1 / 128, -3, "int8"),
    "uint8": (1 / 100, 128, "uint8"),
    "int16": (1 / 32768, 0, "int16"),
    "float": (1.0, 0, "float32"),
}


def _pcm(spec: PcmSpec, samples: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    pcm = rng.integers(-32768, 32768, (samples, spec.audio_channels)).astype(np.int16)
    pcm[:6] = np.array([[0], [-1], [1], [-32768], [32767], [255]])
    return pcm


@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("name", SPECS)
def test_the_c_is_the_reference(name: str, given: str) -> None:
    spec, (scale, zero_point, dtype) = SPECS[name], INPUTS[given]
    frontend = NativeFrontend(spec, scale=scale, zero_point=zero_point, dtype=dtype)
    for samples in (spec.clip_samples, spec.clip_samples // 3, 0, spec.clip_samples + 50):
        pcm = _pcm(spec, max(samples, 6))[:samples]
        wanted = extract.inputs(pcm, spec, scale, zero_point, dtype)
        assert wanted.shape == spec.shape
        for chunk in (1, 7, 5000):
            np.testing.assert_array_equal(frontend.rows(pcm, chunk), wanted)


def test_int16_samples_stay_as_they_are() -> None:
    spec = SPECS["one row"]
    pcm = _pcm(spec, spec.clip_samples)
    found = NativeFrontend(spec, scale=1 / 32768, zero_point=0, dtype="int16").rows(pcm)
    np.testing.assert_array_equal(found.ravel(), pcm.ravel())


def test_memory_is_one_row() -> None:
    spec = SPECS["a sample a row"]
    assert frontend_cost(spec).ram_bytes == 1 + 3 * 4
    assert frontend_cost(SPECS["one row"], "int16").ram_bytes == 2 * 1200 + 3 * 4


def test_from_fields() -> None:
    spec = specs.from_dict(
        {"frontend": "pcm", "duration_s": 0.5, "sample_rate_hz": 8000, "channels": "stereo"}
    )
    assert spec == PcmSpec(sample_rate_hz=8000, clip_samples=4000, channels="stereo")
    assert specs.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"rows": 7}, "rows"),
        ({"amplitude": "clip_max"}, "amplitude"),
        ({"clip_samples": 0}, "clip_samples"),
        ({"duration_s": 1, "clip_samples": 5}, "duration_s"),
        ({"n_fft": 512}, "n_fft"),
        ({"frontend": "pcm2"}, "frontend"),
    ],
)
def test_refuses(fields: dict[str, object], where: str) -> None:
    with pytest.raises(FeatureError) as refused:
        specs.from_dict({"frontend": "pcm", **fields})
    assert where in str(refused.value)
