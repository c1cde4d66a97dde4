# SPDX-License-Identifier: Apache-2.0
"""Published data sets in their own layout: what is read, and one wrong twin of each, which is named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.data import datasets, words
from ascmcu.errors import DataError
from tests.data import layouts_made as layouts

# Layout → its name, recordings by part, labels, and (device, place) of one recording.
LAYOUTS: dict[str, tuple[layouts.Make, str, dict[str, int], str, tuple[str, str]]] = {
    "speech_commands": (
        layouts.speech_commands, "Speech Commands", {"train": 20, "validation": 5, "test": 5}, "cat no tree up yes",
        ("", "0a1b"),
    ),
    "urbansound8k": (
        layouts.urbansound8k, "UrbanSound8K", {"1": 4, "2": 4}, "air_conditioner dog_bark", ("", "1000"),
    ),
    "esc50": (layouts.esc50, "a table", {"1": 4, "2": 4}, "dog rain", ("", "100")),
    "audiomnist": (layouts.audiomnist, "AudioMNIST", {"": 16}, "3 8", ("", "01")),
    "tau_subsets": (
        layouts.tau_subsets, "TAU Urban Acoustic Scenes",
        {"split5": 2, "split10": 2, "split25": 2, "split50": 2, "split100": 4, "test": 2}, "airport bus",
        ("a", "vienna-0"),
    ),
    "machines": (
        layouts.machines, "machine sounds (DCASE Task 2)", {"train": 4, "test": 8}, "anomaly normal",
        ("ToyCar section_00_source", ""),
    ),
    "toy_car": (
        layouts.toy_car, "machine sounds (DCASE Task 2)", {"train": 2, "test": 4}, "anomaly normal",
        ("root id_01", ""),
    ),
    "edge_impulse": (layouts.edge_impulse, "Edge Impulse", {"train": 4, "test": 4}, "hello noise", ("", "")),
    "audiofolder": (
        layouts.audiofolder, "audiofolder (Hugging Face)", {"test": 4, "train": 4}, "clap snap", ("", ""),
    ),
    "fsd50k": (
        layouts.fsd50k, "FSD50K", {"train": 6, "val": 6, "test": 6}, "Dog Rain Siren Wind", ("", ""),
    ),
    "audioset": (
        layouts.audioset, "AudioSet", {"train": 6, "test": 6},
        "Dog / of a kind,Rain / of a kind,Siren / of a kind,Wind / of a kind", ("", "-ba_0xyz"),
    ),
    "tagged_table": (layouts.tagged_table, "a table", {"train": 6, "test": 6}, "Dog Rain Siren", ("", "")),
    "biodcase": (
        layouts.biodcase, "class folders", {"train": 4, "validation": 4, "test": 4}, "Background,Great Tit", ("", ""),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(name: str, tmp_path: Path) -> None:
    make, layout, parts, labels, (device, place) = LAYOUTS[name]
    root = make(tmp_path / "root")
    dataset = datasets.load(root)
    assert dataset.layout == layout
    assert Counter(recording.part for recording in dataset.recordings) == parts
    assert dataset.labels == tuple(labels.split("," if "," in labels else " "))
    assert (device, place) in {(recording.device, recording.place) for recording in dataset.recordings}
    assert all(recording.path.is_file() for recording in dataset.recordings)
    found = CliRunner().invoke(cli, ["data", "check", str(root)])
    assert found.exit_code == 0, found.output
    told = json.loads(CliRunner().invoke(cli, ["data", "list", str(root), "--json"]).output)
    assert told["layout"] == layout
    assert told["part"] == {part: count for part, count in sorted(parts.items()) if part}


def _without(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def _written(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return change


def _copied(name: str, to: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (root / to).write_bytes((root / name).read_bytes())

    return change


def _first_clip(root: Path, part: str = "train") -> Path:
    return next(r.path for r in datasets.load(root).recordings if r.part == part)


# What goes wrong in a layout → words of the refusal, or of the fault that ``data check`` names.
TWINS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a word that is listed and absent": (
        "speech_commands", _without("yes/8e9f_nohash_0.wav"), "missing: yes/8e9f_nohash_0.wav",
    ),
    "a list is lost": ("speech_commands", _without("testing_list.txt"), "cannot read a list of Speech Commands"),
    "in both lists": (
        "speech_commands", _written("testing_list.txt", "8e9f", "6c7d"), "yes/6c7d_nohash_0.wav (part validation too)",
    ),
    "a speaker leaks": (
        "speech_commands", _written("testing_list.txt", "yes/8e9f_nohash_0.wav", "yes/2e3f_nohash_0.wav"),
        "2e3f (test, train)",
    ),
    "a slice is absent": (
        "urbansound8k", _without("audio/fold2/2010-1-0-1.wav"), "missing: audio/fold2/2010-1-0-1.wav",
    ),
    "a recording leaks": (
        "urbansound8k", _written("metadata/UrbanSound8K.csv", "1000-0-0-0.wav,1000", "1000-0-0-0.wav,2000"),
        "2000 (1, 2)",
    ),
    "another table": (
        "urbansound8k", _written("metadata/UrbanSound8K.csv", "fsID", "id"), "the table of UrbanSound8K lacks a column",
    ),
    "the same clip in two folds": (
        "esc50", _copied("audio/1-100-A-0.wav", "audio/2-200-A-0.wav"), "of equal samples, in several parts",
    ),
    "a file without a digit": ("audiomnist", _copied("data/01/3_01_0.wav", "data/01/noise.wav"), "data/01/noise.wav"),
    "a subset that is none": (
        "tau_subsets", _written("split_setup/split25.csv", "audio/airport", "audio/bus"),
        "a subset lacks a recording of a smaller one",
    ),
    "an unknown name": (
        "tau_subsets", _written("split_setup/test.csv", "airport-vienna", "airport-paris"),
        "in the official split, not in meta.csv: audio/airport-paris",
    ),
    "a name that tells nothing": (
        "machines", _copied("fan/test/section_00_source_test_normal_0000_m-n_X.wav", "fan/test/clip.wav"),
        "in no folder of a class: fan/test/clip.wav",
    ),
    "a listed sample is absent": ("edge_impulse", _without("training/01.wav"), "missing: training/01.wav"),
    "two labels": (
        "edge_impulse", _written("info.labels", '"type": "label"', '"type": "multi-label"'), "has no single label",
    ),
    "not its JSON": ("edge_impulse", _written("info.labels", '"files"', '"samples"'), "cannot read the list"),
    "a file of the table is absent": ("audiofolder", _without("test/snap-1.wav"), "missing: test/snap-1.wav"),
    "a clip of the ground truth is absent": (
        "fsd50k", _without("FSD50K.eval_audio/1103.wav"), "missing: FSD50K.eval_audio/1103.wav",
    ),
    "a class that the vocabulary lacks": (
        "fsd50k", _written("FSD50K.ground_truth/dev.csv", "Dog,Rain", "Dogs,Rain"),
        "a recording has a class that the vocabulary lacks",
    ),
    "the vocabulary is lost": (
        "fsd50k", _without("FSD50K.ground_truth/vocabulary.csv"), "cannot read the vocabulary of FSD50K",
    ),
    "the same clip in dev and eval": (
        "fsd50k", _copied("FSD50K.dev_audio/1000.wav", "FSD50K.eval_audio/1100.wav"),
        "of equal samples, in several parts",
    ),
    "a video trains and tests": (
        "audioset", _written("eval_segments.csv", "-ev_1xyz", "-ba_1xyz"), "also in balanced_train_segments.csv",
    ),
    "a class without a name": (
        "audioset", _written("eval_segments.csv", "/m/rain", "/m/hail"), "a segment has a class without a name",
    ),
    "the names of the classes are lost": (
        "audioset", _without("class_labels_indices.csv"), "AudioSet's classes have no names",
    ),
    "a row without a class": (
        "tagged_table", _written("meta.csv", "Dog ; Rain", ""), "a row has no file or no label",
    ),
    "broken JSON": (
        "audiofolder", _written("test/metadata.jsonl", '{"file_name"', "{file_name"), "cannot read the table",
    ),
    "no label": (
        "audiofolder", _written("train/metadata.csv", "file_name,label", "file_name,word"), "--column label=NAME",
    ),
    "a listed clip is absent": ("esc50", _without("audio/2-200-A-0.wav"), "missing: audio/2-200-A-0.wav"),
    "a source leaks": ("esc50", _written("meta/esc50.csv", "True,200", "True,100"), "100 (1, 2)"),
    "a scene of the table is absent": (
        "tau_subsets", _without("audio/bus-vienna-100-0-0-b.wav"), "missing: audio/bus-vienna-100-0-0-b.wav",
    ),
    "a place trains and tests": (
        "tau_subsets", _written("meta.csv", "\tvienna-2\t", "\tvienna-0\t"), "vienna-0 (split100, test)",
    ),
    "a normal sound trains and tests": (
        "machines",
        _copied(
            "fan/train/section_00_source_train_normal_0000_m-n_W.wav",
            "fan/test/section_00_source_test_normal_0009_m-n_X.wav",
        ),
        "of equal samples, in several parts",
    ),
    "a car trains and tests": (
        "toy_car", _copied("train/normal_id_01_00000000.wav", "test/normal_id_01_00000009.wav"),
        "of equal samples, in several parts",
    ),
    "a name without its kind": (
        "toy_car", _copied("train/normal_id_01_00000000.wav", "test/id_01_00000009.wav"),
        "in no folder of a class: test/id_01_00000009.wav",
    ),
    "a sample trains and tests": (
        "edge_impulse", _copied("training/01.wav", "testing/01.wav"),
        "of equal samples, in several parts",
    ),
    "a snap trains and tests": (
        "audiofolder", _copied("train/snap-1.wav", "test/snap-1.wav"), "of equal samples, in several parts",
    ),
    "a tagged clip is absent": ("tagged_table", lambda root: _first_clip(root).unlink(), "missing: "),
    "a tagged clip trains and tests": (
        "tagged_table", lambda root: _first_clip(root, "test").write_bytes(_first_clip(root).read_bytes()),
        "of equal samples, in several parts",
    ),
    "the same bird trains and tests": (
        "biodcase", _copied("Train/Great Tit/Train_0000_Great_Tit.wav", "Test/Great Tit/Test_0009_Great_Tit.wav"),
        "of equal samples, in several parts",
    ),
}  # fmt: skip


# Layouts without a list, where nobody can tell that a file is absent, and AudioSet, which nobody has as a whole.
WITHOUT_A_LIST = ("audiomnist", "machines", "toy_car", "biodcase", "audioset")


def test_every_layout_has_its_wrong_twins() -> None:
    """A file that is missing, and a leak between parts, where the layout can have them."""
    words = {name: " ".join(said for layout, _, said in TWINS.values() if layout == name) for name in LAYOUTS}
    assert {name for name, said in words.items() if "missing: " not in said} == set(WITHOUT_A_LIST)
    leaks = ("in several parts", "(test, train)", "(1, 2)", "(split100, test)", "also in")
    leaky = {name for name, said in words.items() if any(leak in said for leak in leaks)}
    assert leaky == {name for name, (_, _, parts, *_) in LAYOUTS.items() if len(parts) > 1}


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_twin(twin: str, tmp_path: Path) -> None:
    name, change, words_of_it = TWINS[twin]
    root = LAYOUTS[name][0](tmp_path / "root")
    change(root)
    found = CliRunner().invoke(cli, ["data", "check", str(root)])
    said = found.output if not isinstance(found.exception, DataError) else str(found.exception)
    assert found.exit_code == 1
    assert words_of_it in " ".join(said.split()), said


def test_subsets_hold_the_smaller_ones(tmp_path: Path) -> None:
    dataset = datasets.load(layouts.tau_subsets(tmp_path))
    sizes = {name: len(dataset.only([name]).recordings) for name in ("split5", "split25", "train", "test")}
    assert sizes == {"split5": 2, "split25": 6, "train": 12, "test": 2}
    with pytest.raises(DataError, match="split100") as caught:
        dataset.only(["split20"])
    assert "train" in str(caught.value), "the names of several parts are listed too"


WORDS = [
    (("yes", "no", "_silence_", "_unknown_"), {"yes": 6, "no": 6, "_silence_": 6, "_unknown_": 18}),
    (("yes", "no", "silence", "unknown"), {"yes": 6, "no": 6, "silence": 6, "unknown": 18}),
    (("up", "cat"), {"up": 6, "cat": 6}),
]


@pytest.mark.parametrize(("classes", "counts"), WORDS, ids=lambda case: " ".join(case))
def test_words(classes: tuple[str, ...], counts: dict[str, int], tmp_path: Path) -> None:
    dataset = words.choose(datasets.load(layouts.speech_commands(tmp_path)), classes)
    assert Counter(recording.label for recording in dataset.recordings) == counts
    assert set(dataset.labels) == set(classes)
    # 2.2 s of noise give pieces that begin at 0, 0.5 and 1 s; the running tap validates, as in TensorFlow Datasets.
    silence = [r for r in dataset.recordings if words.is_silence(r.label)]
    assert Counter(r.part for r in silence) in ({}, {"train": 3, "validation": 3})


@pytest.mark.parametrize(
    ("classes", "what"),
    [
        (("yes", "nope"), "no such class"),
        (("yes", "yes"), "named twice"),
        (("yes", "_unknown_", "unknown"), "named twice"),
        (("silence", "yes", "_silence_"), "named twice"),
        (("yes", "silence"), "no background noise"),
    ],
)
def test_wrong_words(classes: tuple[str, ...], what: str, tmp_path: Path) -> None:
    dataset = datasets.load(layouts.speech_commands(tmp_path)).only(["test"])
    with pytest.raises(DataError, match=what):
        words.choose(dataset, classes)


def test_what_can_be_chosen_is_listed(tmp_path: Path) -> None:
    dataset = datasets.load(layouts.speech_commands(tmp_path))
    for parts, expected in ((["train"], "cat, no, tree, up, yes, _unknown_, _silence_"),
                            (["test"], "cat, no, tree, up, yes, _unknown_")):  # fmt: skip
        with pytest.raises(DataError, match="no such class") as caught:
            words.choose(dataset.only(parts), ("yes", "_silense_"))
        assert caught.value.expected == expected
    with pytest.raises(DataError, match="named twice") as caught:
        words.choose(dataset, ("_silence_", "yes", "silence"))
    assert caught.value.found == "_silence_, silence"


def test_parts_without_silence_are_said(tmp_path: Path) -> None:
    dataset = datasets.load(layouts.speech_commands(tmp_path))
    chosen = words.choose(dataset, ("yes", "_silence_"))
    assert words.without_silence(chosen) == "'_silence_' is in train, validation alone, not in test"
    assert words.without_silence(chosen.only(["train"])) == words.without_silence(dataset) == ""


def test_a_network_of_words_hears_all_of_the_data(tmp_path: Path) -> None:
    dataset = datasets.load(layouts.speech_commands(tmp_path)).only(["test"])
    heard, told = words.of_network(dataset, ("no", "silence", "unknown", "yes"))
    assert Counter(r.label for r in heard.recordings) == {"yes": 1, "no": 1, "unknown": 3}
    assert told == ("3 other words count as 'unknown'",)
    assert words.of_network(dataset, dataset.labels) == (dataset, ())
