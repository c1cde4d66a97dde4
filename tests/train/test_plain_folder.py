# SPDX-License-Identifier: Apache-2.0
"""A plain folder of classes: parts, groups, clip and recipe chosen from the recordings."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ascmcu.data import datasets
from ascmcu.data.datasets import Dataset
from ascmcu.errors import DataError
from ascmcu.train import plain


def _recordings(
    root: Path, names: dict[str, list[str]], seconds: float = 1.0, rate_hz: int = 16000
) -> Dataset:
    rng = np.random.default_rng(1)
    for label, stems in names.items():
        (root / label).mkdir(parents=True)
        for stem in stems:
            noise = rng.normal(0, 0.1, int(seconds * rate_hz))
            soundfile.write(root / label / f"{stem}.wav", noise, rate_hz)
    return datasets.load(root)


# Names of one class, and how many groups they are: takes and chunks of one recording stay together.
NAMED = {
    "one number each": ([f"dog{n}" for n in range(12)], 12),
    "a common name": ([f"dog_{n}" for n in range(12)], 12),
    "chunks of recordings": ([f"street_{r:02}_{c:03}" for r in range(6) for c in range(4)], 6),
    "takes of speakers": ([f"{s:04x}_nohash_{t}" for s in range(10) for t in range(3)], 10),
    "fold, source, take, class": ([f"1-{1000 + s}-{t}-0" for s in range(12) for t in "AB"], 12),
    "four long recordings": ([f"rec{r}-{c}" for r in range(4) for c in range(5)], 20),
}


@pytest.mark.parametrize("case", NAMED)
def test_what_comes_from_one_recording_stays_in_one_part(case: str, tmp_path: Path) -> None:
    stems, groups = NAMED[case]
    dataset = _recordings(tmp_path / "set", {"a": stems, "b": stems}, seconds=0.1)
    planned = plain.plan(dataset, tmp_path / "run")
    parts = defaultdict(set)
    for r in planned.dataset.recordings:
        parts[r.label, r.place].add(r.part)
    assert len(parts) == 2 * groups
    assert all(len(of) == 1 for of in parts.values())
    assert {part for of in parts.values() for part in of} == {"train", "validate", "test"}
    assert {r.label for r in planned.dataset.only(["test"]).recordings} == {"a", "b"}


def test_copies_of_one_recording_stay_together(tmp_path: Path) -> None:
    dataset = _recordings(
        tmp_path / "set", {"a": [f"x{n}" for n in range(9)], "b": [f"y{n}" for n in range(9)]}
    )
    original = tmp_path / "set" / "a" / "x3.wav"
    for n in range(4):
        (tmp_path / "set" / "a" / f"copy{n}.wav").write_bytes(original.read_bytes())
    planned = plain.plan(datasets.load(dataset.root), tmp_path / "run")
    same = [r for r in planned.dataset.recordings if r.path.read_bytes() == original.read_bytes()]
    assert len(same) == 5 and len({r.part for r in same}) == 1


def test_the_split_is_kept_as_a_table_and_taken_again(tmp_path: Path) -> None:
    names = {"with, comma": [f"x{n}" for n in range(9)], 'and "quotes"': [f"y{n}" for n in range(9)]}
    dataset = _recordings(tmp_path / "set", names)
    first = plain.plan(dataset, tmp_path / "runs" / "set")
    table = plain.write_split(first.dataset, tmp_path / "runs" / "set")
    read = datasets.load(table)
    assert [(r.path.resolve(), r.label, r.part) for r in read.recordings] == [
        (r.path.resolve(), r.label, r.part) for r in first.dataset.recordings
    ]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    moved = [{**row, "split": "test" if row is rows[0] else row["split"]} for row in rows]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(moved)
    again = plain.plan(dataset, tmp_path / "runs" / "set")
    assert [r.part for r in again.dataset.recordings] == [row["split"] for row in moved]
    assert any("split of" in note for note in again.notes)
    _recordings(tmp_path / "more", {"with, comma": ["new"]})
    (tmp_path / "more" / "with, comma" / "new.wav").rename(tmp_path / "set" / "with, comma" / "new.wav")
    more = plain.plan(datasets.load(dataset.root), tmp_path / "runs" / "set")
    parts = {r.path.name: r.part for r in more.dataset.recordings}
    assert parts.pop("new.wav") == "train"
    assert parts == {Path(row["filename"]).name: row["split"] for row in moved}
    assert any("1 new recordings train" in note for note in more.notes)


@pytest.mark.parametrize(
    ("seconds", "rate_hz", "clip_s", "heard_hz", "hop"),
    [
        (1.0, 16000, 1.0, 16000, 320),
        (5.0, 44100, 5.0, 16000, 512),
        (0.2, 8000, 0.5, 8000, 320),
        (30.0, 22050, 10.0, 16000, 512),
    ],
)
def test_clip_and_rate_come_from_the_recordings(
    seconds: float, rate_hz: int, clip_s: float, heard_hz: int, hop: int, tmp_path: Path
) -> None:
    dataset = _recordings(
        tmp_path / "set", {c: [f"{c}{n}" for n in range(4)] for c in "ab"}, seconds, rate_hz
    )
    spec = plain.plan(dataset, tmp_path / "run").recipe.features
    assert (spec.sample_rate_hz, spec.hop_length) == (heard_hz, hop)
    assert spec.clip_samples == round(clip_s * heard_hz)


def test_the_data_sets_own_parts_are_taken(tmp_path: Path) -> None:
    for part, count in (("train", 8), ("val", 3), ("testing", 3)):
        _recordings(tmp_path / "set" / part, {c: [f"{c}{n}" for n in range(count)] for c in "ab"}, 0.2)
    planned = plain.plan(datasets.load(tmp_path / "set"), tmp_path / "run")
    data = planned.recipe.data
    assert (data.train, data.validate, data.test) == (("train",), ("val",), ("test",))


def test_folds_test_on_the_last(tmp_path: Path) -> None:
    for fold in (1, 2, 3):
        _recordings(tmp_path / "set" / f"fold{fold}", {c: [f"{c}{n}" for n in range(4)] for c in "ab"}, 0.2)
    data = plain.plan(datasets.load(tmp_path / "set"), tmp_path / "run").recipe.data
    assert (data.train, data.test, data.validate_share) == (("1", "2"), ("3",), 0.15)


def test_what_the_user_sets_wins(tmp_path: Path) -> None:
    dataset = _recordings(tmp_path / "set", {c: [f"{c}{n}" for n in range(6)] for c in "ab"}, 0.5)
    planned = plain.plan(dataset, tmp_path / "run", ("training.epochs=3", "features.duration_s=0.75"))
    assert planned.recipe.training.epochs == 3
    assert planned.recipe.features.clip_samples == 12000
    assert any("3 epochs are too few" in note for note in planned.notes)
    assert any("fewer than 20 recordings" in note for note in planned.notes)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"a": ["x1", "x2", "x3"]}, "one class"),
        ({"a": ["x1", "x2", "x3"], "b": ["y1", "y2"]}, "too few recordings"),
    ],
)
def test_what_cannot_be_split_is_refused(names: dict[str, list[str]], message: str, tmp_path: Path) -> None:
    dataset = _recordings(tmp_path / "set", names, 0.2)
    with pytest.raises(DataError, match=message):
        plain.plan(dataset, tmp_path / "run")


def test_a_folder_becomes_a_deployed_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands that the run prints, in their order."""
    pytest.importorskip("tensorflow")
    from click.testing import CliRunner

    from ascmcu.cli import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path / "cache"))
    _recordings(tmp_path / "pets", {c: [f"{c}{n}" for n in range(6)] for c in "ab"}, 0.5)
    words = ["--set", "network.filters=[8]", "--set", "network.strides=[2]", "--epochs", "1"]
    trained = CliRunner().invoke(cli, ["train", "pets", *words])
    assert trained.exit_code == 0, trained.output
    assert "next: ascmcu export runs/pets/model.tflite" in trained.stderr
    assert "ascmcu bench --data runs/pets/split.csv --split test" in trained.stderr
    assert "accuracy" in trained.stderr
    from ascmcu.api import compile_model

    assert compile_model("runs/pets").name == "pets"
