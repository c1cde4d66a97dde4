# SPDX-License-Identifier: Apache-2.0
"""``features fit``: features of known making lead to a specification that makes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.features import extract, fitting
from ascmcu.features import spec as specs
from ascmcu.features.pcm import fit_clip
from ascmcu.features.spec import FeatureSpec
from tests.features.signals import LOG_MEL, VARIANTS, swell, variant

RATE_HZ = 8000
SAMPLES = 2000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    for number in range(2):
        soundfile.write(
            tmp_path / "one" / f"{number}.wav",
            swell(SAMPLES, number + 1) // (3 + number),
            RATE_HZ,
            subtype="PCM_16",
        )
    return tmp_path


def _reference(place: Path, spec: FeatureSpec, transposed: bool = False) -> Path:
    clips = [soundfile.read(path, dtype="int16")[0] for path in sorted((place / "one").glob("*.wav"))]
    rows = np.stack([extract.extract(fit_clip(pcm, spec), spec)[:, :, 0] for pcm in clips])
    path = place / "feats.npy"
    np.save(path, rows.transpose(0, 2, 1) if transposed else rows)
    return path


MINE = FeatureSpec(
    sample_rate_hz=RATE_HZ, clip_samples=SAMPLES, n_fft=256, win_length=200, hop_length=80, center=False,
    window="hamming", window_place="start", pre_emphasis=0.97, n_mels=20, fmax_hz=4000.0, mel_scale="htk",
    mel_norm="none", mel_triangles="mel", log="ln", log_offset=1e-6,
)  # fmt: skip


def test_the_options_of_features_are_found(place: Path) -> None:
    reference = _reference(place, MINE, transposed=True)
    command = [
        "features",
        "fit",
        "--reference",
        str(reference),
        "--data",
        str(place),
        "-o",
        str(place / "found.toml"),
    ]
    ran = CliRunner().invoke(cli, [*command, "--json"])
    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    assert report["holds"] and report["distance"]["equal_percent"] >= 99.9
    assert report["order"] == "transposed: clips, bins, rows"
    found = specs.load_log_mel(place / "found.toml")
    assert found == FeatureSpec.from_dict(report["spec"])
    for name in ("n_fft", "win_length", "hop_length", "window", "pre_emphasis", "mel_scale"):
        assert getattr(found, name) == getattr(MINE, name), name


@pytest.mark.parametrize(
    "made",
    {
        "below the clip's peak": {"db_reference": "clip_max", "top_db": 80.0, "pad_mode": "constant", "n_fft": 200},
        "odd frames of magnitudes": {
            "n_fft": 441, "win_length": 441, "hop_length": 110, "window": "blackman", "power": 1, "log": "ln",
            "log_offset": 1e-6, "log_floor": 0.0, "center": False,
        },
        "a power spectrum": {
            "filters": "none", "n_fft": 256, "win_length": 200, "frame_length": 200, "n_mels": 129, "center": False,
            "window_place": "start", "window": "hamming", "log": "log10",
        },
    }.items(),
    ids=lambda pair: pair[0],
)  # fmt: skip
def test_what_people_compute_by_hand_is_found(made: tuple[str, dict], place: Path) -> None:
    """In a folder that names no classes: features have none. One of the clips is silent."""
    plain = {
        "n_fft": 256,
        "win_length": made[1].get("n_fft", 256),
        "hop_length": 80,
        "n_mels": 20,
        "fmax_hz": 4000.0,
    }
    spec = FeatureSpec(
        **{
            "sample_rate_hz": RATE_HZ, "clip_samples": SAMPLES, "log": "db", "log_offset": 0.0, "log_floor": 1e-10,
            **plain, **made[1],
        }
    )  # fmt: skip
    soundfile.write(place / "one" / "2.wav", np.zeros(SAMPLES, np.int16), RATE_HZ, subtype="PCM_16")
    command = [
        "features",
        "fit",
        "--reference",
        str(_reference(place, spec)),
        "--data",
        str(place / "one"),
        "--json",
    ]
    ran = CliRunner().invoke(cli, command)
    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    found = FeatureSpec.from_dict(report["spec"])
    assert report["holds"] and (found.n_fft, found.hop_length) == (spec.n_fft, spec.hop_length)


def test_what_no_option_makes_is_not_called_equal(place: Path) -> None:
    reference = _reference(place, MINE)
    values = np.load(reference)
    np.save(reference, values[:, ::-1] ** 2 + np.sin(np.arange(values.shape[2])))
    ran = CliRunner().invoke(cli, ["features", "fit", "--reference", str(reference), "--data", str(place)])
    assert ran.exit_code == 1, ran.output
    assert "not equal" in ran.output and "n_fft = " in ran.output


@pytest.mark.parametrize(
    ("shape", "dtype", "word"),
    [
        ((2, 997, 1201), "float32", "none of the windows"),
        ((3, 30, 20), "float32", "another number of clips"),
        ((2, 23, 20), "int8", "before"),
    ],
)
def test_refuses(shape: tuple[int, ...], dtype: str, word: str, place: Path) -> None:
    array = np.random.default_rng(1).normal(0, 30, shape).astype(dtype)
    np.save(place / "feats.npy", array)
    ran = CliRunner().invoke(
        cli, ["features", "fit", "--reference", str(place / "feats.npy"), "--data", str(place)]
    )
    assert ran.exit_code != 0 and word in str(ran.exception)


def test_the_reference_is_no_output(place: Path) -> None:
    reference = _reference(place, MINE)
    before = reference.read_bytes()
    ran = CliRunner().invoke(
        cli, ["features", "fit", "--reference", str(reference), "--data", str(place), "-o", str(reference)]
    )
    assert "would replace an input" in str(ran.exception) and reference.read_bytes() == before


@pytest.mark.parametrize("name", [*LOG_MEL[:4], *list(VARIANTS)[:20]])
def test_toml_reads_back(name: str, tmp_path: Path) -> None:
    spec = variant(name) if name in VARIANTS else specs.load_log_mel(name)
    path = tmp_path / "spec.toml"
    path.write_text(spec.to_toml())
    assert specs.load(path) == spec


@pytest.mark.parametrize(
    ("fmin_hz", "fmax_hz", "rate_hz", "expected"),
    [
        (0.0, 8000.0, 22050, (0.0, 11025.0)), (125.0, 7500.0, 16000, (125.0, 7500.0)),
        (125.0, 7500.0, 8000, (125.0, 4000.0)), (2000.0, 8000.0, 8000, (0.0, 4000.0)),
        (1999.0, 8000.0, 8000, (1999.0, 4000.0)),
    ],
)  # fmt: skip
def test_a_range_of_frequencies_at_another_rate(
    fmin_hz: float, fmax_hz: float, rate_hz: int, expected: tuple[float, float]
) -> None:
    """All of it stays all of it; what is beyond half the rate is cut off, and a beginning beyond a quarter is none."""
    idiom = FeatureSpec(fmin_hz=fmin_hz, fmax_hz=fmax_hz)
    (found,) = fitting._varied(idiom, rate_hz, rate_hz, 512, 512, 256, 40)
    assert (found.fmin_hz, found.fmax_hz, found.n_mels, found.sample_rate_hz) == (*expected, 40, rate_hz)
    assert not [*fitting._varied(idiom, rate_hz, 511, 512, 512, 256, 40)], "a clip shorter than a frame"
