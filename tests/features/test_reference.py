# SPDX-License-Identifier: Apache-2.0
"""``features check --reference``: features made by librosa itself, with one option or several that the spec lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from click.testing import CliRunner, Result

from ascmcu.benchmark import parity
from ascmcu.cli import cli
from ascmcu.errors import AscmcuError, DataError
from ascmcu.features import extract, neighbours
from ascmcu.features.reference import check_order
from ascmcu.features.spec import FeatureSpec
from ascmcu.frontends import tflite
from ascmcu.ir import interp
from ascmcu.quantize import metadata
from tests.support import recipes_flat
from tests.support.recipes import Recipe, Step

RATE, CLIPS, SAMPLES = 16000, 4, 8000
SPEC = FeatureSpec(
    sample_rate_hz=RATE, clip_samples=SAMPLES, n_fft=512, win_length=512, hop_length=256, n_mels=24
)
LABELS = ("rain", "sea", "wind")
Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of noise with a moving tone, no two alike, and the spec as a file."""
    folder = tmp_path_factory.mktemp("reference")
    rng = np.random.default_rng(5)
    (folder / "data").mkdir()
    for n in range(CLIPS):
        t = np.arange(SAMPLES) / RATE
        tone = 0.3 * np.sin(2 * np.pi * (300 + 700 * n) * t * (1 + t)) * np.exp(-6 * (t - 0.1 * n) ** 2)
        noise = 0.02 * np.cumsum(rng.standard_normal(SAMPLES)) / np.sqrt(1 + np.arange(SAMPLES))
        part = folder / "data" / ("rain", "sea")[n % 2]
        part.mkdir(exist_ok=True)
        loud = np.repeat([1.0, 1e-2, 1e-4, 1.0], SAMPLES // 4)  # so quiet in places that floors matter
        pcm = np.rint(np.clip((tone + noise + 1e-3 * rng.standard_normal(SAMPLES)) * loud, -0.9, 0.9) * 32767)
        soundfile.write(part / f"{n}.wav", pcm.astype(np.int16), RATE)
    fields = {k: v for k, v in SPEC.to_dict().items() if not isinstance(v, list) and v is not None}
    lines = [f"{k} = {json.dumps(v)}" for k, v in fields.items()]
    (folder / "spec.toml").write_text("\n".join(lines) + "\n")
    return folder


def _mine(place: Path, log: Callable[[Array], Array] = lambda m: np.log(m + 1e-8), **options: Any) -> Array:
    """The features as somebody computes them with librosa, (clips, rows, bins)."""
    found = []
    for path in sorted((place / "data").rglob("*.wav")):
        samples, _ = soundfile.read(path, dtype="float32")
        mel = librosa.feature.melspectrogram(
            y=samples,
            sr=RATE,
            **{"n_fft": 512, "hop_length": 256, "n_mels": 24, "pad_mode": "reflect", **options},
        )
        found.append(log(mel).T)
    return np.stack(found).astype(np.float32)


def _check(place: Path, features: Array, *more: str) -> Result:
    np.save(place / "feats.npy", features)
    spec = [] if "--model" in more else [str(place / "spec.toml")]
    arguments = ["features", "check", *spec, "--reference", str(place / "feats.npy")]
    return CliRunner().invoke(cli, [*arguments, "--data", str(place / "data"), *more])


def _report(place: Path, features: Array, *more: str) -> dict[str, Any]:
    done = _check(place, features, "--json", *more)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (0 if report["holds"] and not report["differing"] else 1)
    return report


def test_the_same_features_are_equal(place: Path) -> None:
    report = _report(place, _mine(place))
    assert report["holds"] and report["worst"] < 0.01 and report["unit"] == "dB"
    assert (report["equal_percent"], report["order"], report["nearer"]) == (100.0, "", [])
    assert report["clips"] == ["0.wav", "2.wav", "1.wav", "3.wav"]


def _decibels(mel: Array) -> Array:
    return np.asarray(librosa.power_to_db(mel, ref=np.max))


# What somebody's features have that the spec does not, and what the search must say of it first.
ONE = {
    "padding": ({"pad_mode": "constant"}, 'pad_mode = "constant"'),
    "magnitude": ({"power": 1.0}, "power = 1"),
    "mel scale": ({"htk": True}, 'mel_scale = "htk"'),
    "mel norm": ({"norm": None}, 'mel_norm = "none"'),
    "window": ({"window": "hamming"}, 'window = "hamming"'),
    "short window": ({"win_length": 400}, "win_length = 400"),
    "highest band": ({"fmax": 7600.0}, "fmax_hz = 7600"),
    "floor": ({"log": lambda m: np.log(np.maximum(m, 1e-6))}, "log_offset = 0, log_floor = 1e-06"),
    "log10": ({"log": lambda m: np.log10(m + 1e-8)}, 'log = "log10"'),
    "decibels below the peak": (
        {"log": _decibels},
        'log = "db", log_offset = 0, log_floor = 1e-10, db_reference = "clip_max", top_db = 80',
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_the_option_that_differs_is_named(name: str, place: Path) -> None:
    options, change = ONE[name]
    report = _report(place, _mine(place, **options))
    assert not report["holds"]
    first = report["nearer"][0]
    assert first["change"] == change
    assert first["worst"] < 0.01 < report["worst"] and first["equal_percent"] >= 99.9
    assert report["nearest"] is None, "one option is enough"
    assert extract.from_mel(np.ones((32, 24, 1)), FeatureSpec.from_dict(first["spec"])).shape == (32, 24, 1)


def test_samples_of_16_bits_are_named(place: Path) -> None:
    """32768² in the power: the offset is that of the logarithm's argument."""
    mine = _mine(place, log=lambda m: np.log(m * 2.0**30 + 1e-8))
    first = _report(place, mine)["nearer"][0]
    assert first["change"] == 'amplitude = "int16"' and first["worst"] < 0.01


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"htk": True, "norm": None}, {"mel_scale": "htk", "mel_norm": "none"}),
        (
            {"htk": True, "log": lambda m: 1 + np.log10(np.maximum(m, 1e-10)) / 8},
            {"mel_scale": "htk", "log_floor": 1e-10, "log_offset": 0.0, "normalization": "range"},
        ),
    ],
    ids=["two options", "an option, a floor and a scale"],
)
def test_several_options_are_found_together(
    options: dict[str, Any], expected: dict[str, Any], place: Path
) -> None:
    nearest = _report(place, _mine(place, **options))["nearest"]
    assert nearest["worst"] < 0.01 and nearest["equal_percent"] >= 99.9
    assert {key: nearest["spec"][key] for key in expected} == expected
    assert nearest["spec"]["window"] == "hann", "nothing that is not needed"


def test_constants_of_a_training_set_are_found(place: Path) -> None:
    mine = _mine(place)
    mean, std = mine.mean(axis=(0, 1)), mine.std(axis=(0, 1))
    first = _report(place, (mine - mean) / std)["nearer"][0]
    assert "mean and std as the reference has them" in first["change"] and first["worst"] < 0.01
    np.testing.assert_allclose(first["spec"]["mean"][0], mean, atol=1e-3)
    np.testing.assert_allclose(first["spec"]["std"][0], std, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "order"),
    [
        (lambda x: x.swapaxes(1, 2), "transposed: clips, bins, rows"),
        (lambda x: x[..., None], ""),
        (lambda x: x[:, None], "transposed: clips, channels, rows, bins"),
        (lambda x: x.swapaxes(1, 2)[:, None], "transposed: clips, channels, bins, rows"),
        (lambda x: x.reshape(len(x), -1), "flat: rows, bins, channels"),
        (lambda x: x.astype(np.float64), ""),
    ],
)
def test_axes_are_recognised(change: Callable[[Array], Array], order: str, place: Path) -> None:
    report = _report(place, change(_mine(place)))
    assert report["holds"] and report["order"] == order


def test_rows_that_are_late_are_noticed(place: Path) -> None:
    mine = _mine(place)
    late = np.concatenate([mine[:, :1], mine[:, :-1]], axis=1)
    assert _report(place, late)["shift_rows"] == 1
    assert _report(place, np.concatenate([mine[:, 1:], mine[:, -1:]], axis=1))["shift_rows"] == -1


def test_people_read_it(place: Path) -> None:
    said = _check(place, _mine(place, pad_mode="constant"))
    assert said.exit_code == 1
    for part in (
        "× 24, float32) against spec",
        "by row  █",
        "most in row 0",
        'pad_mode = "constant"',
        "would bring",
    ):
        assert part in said.stdout, part
    assert _check(place, _mine(place)).stdout.splitlines()[-1] == "equal"


def _nan(x: Array) -> Array:
    x[1, 2, 3] = np.nan
    return x


REFUSED: dict[str, tuple[Callable[[Array], Array], tuple[str, ...]]] = {
    "clips": (lambda x: x[:-1], ("another number of clips", "4 clips", "(3, 32, 24)")),
    "a row too few": (lambda x: x[:, 1:], ("another shape", "31 rows, 1 too few", "center true make 32")),
    "another framing": (lambda x: x[:, :30], ("another shape", "center = false")),
    "another number of bands": (
        lambda x: np.repeat(x, 2, axis=2)[:, :, :40], ("another shape", "n_mels = 40"),
    ),
    "with deltas": (lambda x: np.stack([x, x], axis=3)[:, 2:-2], ("another shape", "deltas = 1")),
    "not finite": (_nan, ("not finite", "1 of 3072, the first at [1, 2, 3]")),
    "integers": (lambda x: x.astype(np.int32), ("wrong element type", "int32")),
    "quantized, no model": (lambda x: x.astype(np.int8), ("needs the scale", "--model")),
    "order": (lambda x: x[::-1], ("another order", "clip 0 is that of 3.wav, not of 0.wav", "4 of 4")),
    "two exchanged": (lambda x: x[[0, 2, 1, 3]], ("another order", "clip 1 is that of 1.wav, not of 2.wav")),
    "a scalar": (lambda x: np.float32(1.0), ("another number of clips",)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_refused(name: str, place: Path) -> None:
    change, parts = REFUSED[name]
    done = _check(place, change(_mine(place)))
    assert isinstance(done.exception, AscmcuError) and done.exception.exit_status == 2, done.output
    for part in parts:
        assert part in str(done.exception), str(done.exception)


def test_files_that_are_no_arrays_are_refused(place: Path) -> None:
    np.save(place / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(place / "several.npz", a=np.zeros(3))
    (place / "text.npy").write_text("notes")
    (place / "empty.npy").touch()
    for name in ("object.npy", "several.npz", "text.npy", "empty.npy", "missing.npy"):
        arguments = [
            str(place / "spec.toml"),
            "--reference",
            str(place / name),
            "--data",
            str(place / "data"),
        ]
        done = CliRunner().invoke(cli, ["features", "check", *arguments])
        assert isinstance(done.exception, AscmcuError) and done.exception.exit_status == 2, (
            name,
            done.output,
        )


def _network(spec: FeatureSpec) -> bytes:
    """Random weights, with a dense layer over time and bands, so that their order matters."""
    dense = {"units": len(LABELS), "flatten": True, "act": "none", "bias": True, "dead": 0}
    recipe = Recipe(spec.input_shape, "int8", 7, (Step("dense", (0,), dense),))
    return metadata.embedded(recipes_flat.make(recipe), spec, LABELS)


def test_a_model_says_the_same_of_equal_features(place: Path) -> None:
    """Also of features that are already its integers; of other features it does not, and says of which clips."""
    (place / "model.tflite").write_bytes(_network(SPEC))
    model = ("--model", str(place / "model.tflite"))
    report = _report(place, _mine(place), *model)
    assert report["holds"] and (report["alike"], report["differing"]) == (CLIPS, [])
    graph = tflite.parse(_network(SPEC), "model")
    x = graph.tensors[graph.inputs[0]]
    integers = extract.quantize(_mine(place), x.scale, x.zero_point, "int8")
    report = _report(place, integers, *model)
    assert report["holds"] and report["alike"] == CLIPS
    report = _report(place, -_mine(place), *model)
    assert not report["holds"] and report["alike"] + len(report["differing"]) == CLIPS
    assert report["differing"] and set(report["differing"][0]) == {
        "clip",
        "reference",
        "device",
        "margin_percent",
    }


def test_a_network_hears_its_own_layout() -> None:
    """(mel, time) is not (time, mel) written in another shape."""
    spec = SPEC.replace(layout="mel_time")
    graph = tflite.parse(_network(spec), "model")
    features = np.random.default_rng(3).integers(-128, 128, spec.shape, dtype=np.int8)
    y = graph.tensors[graph.outputs[0]]
    raw = interp.run(graph, [features.transpose(1, 0, 2)[None]])[0].reshape(-1)
    np.testing.assert_array_equal(
        parity.scores(graph, spec, features), (raw.astype(float) - y.zero_point) * y.scale
    )


def test_every_neighbour_is_one_option_away() -> None:
    found = list(neighbours.options(SPEC))
    assert len(found) == len(set(found)) > 60 and SPEC not in found
    told = [neighbours.difference(SPEC, other) for other in found]
    assert len(set(told)) == len(told) and all(told)
    for name in ("pad_mode", "power", "mel_scale", "log", "normalization", "deltas", "n_mfcc", "center"):
        assert any(line.startswith(name) or f", {name}" in line for line in told), name


@pytest.mark.parametrize(("alike", "refused"), [(0.9, True), (0.6, True), (0.4, False), (0.1, False)])
def test_clips_are_recognised_where_half_is_alike(alike: float, refused: bool) -> None:
    """Exchanged clips whose features resemble those of the others by that much; the rest is noise."""
    rng = np.random.default_rng(6)
    features, other = rng.normal(size=(2, 6, 100, 40))
    reference = alike * features[[1, 0, 2, 4, 5, 3]] + (1 - alike**2) ** 0.5 * other
    arguments = features.astype(np.float32), reference.astype(np.float32), list("abcdef"), "feats.npy"
    if not refused:
        check_order(*arguments)
        return
    with pytest.raises(DataError, match="another order") as error:
        check_order(*arguments)
    assert "clip 0 is that of b, not of a; clip 1 is that of a, not of b; clip 3" in str(error.value)
    assert "5 of 6 in all" in str(error.value)
