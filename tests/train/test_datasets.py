# SPDX-License-Identifier: Apache-2.0
"""Data sets by table and by folder; their parts; what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ascmcu.data import datasets
from ascmcu.errors import DataError


def _sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(80), 8000)
    return path


def _table(root: Path, text: str) -> Path:
    for name in ("a.wav", "b.wav", "c.wav"):
        _sound(root / "audio" / name)
    (root / "meta.csv").write_bytes(text.encode())
    return root


@pytest.mark.parametrize(
    ("text", "label", "part", "device", "place"),
    [
        ("filename,fold,target,category\na.wav,5,0,dog\nb.wav,1,1,rain\n", "dog", "5", "", ""),
        (
            "filename\tscene_label\tidentifier\tsource_label\r\naudio/a.wav\ttram\tlyon-1\ts1\r\n"
            "audio/b.wav\tbus\tlyon-2\ta\r\n",
            "tram",
            "",
            "s1",
            "lyon-1",
        ),
        ("\ufefffile,label,split\nb.wav,x,test\na.wav,y,train\n", "x", "test", "", ""),
    ],
    ids=["esc", "tau", "byte order mark"],
)
def test_tables(tmp_path: Path, text: str, label: str, part: str, device: str, place: str) -> None:
    dataset = datasets.load(_table(tmp_path, text))
    first = dataset.recordings[0]
    assert (first.label, first.part, first.device, first.place) == (label, part, device, place)
    assert len(dataset.recordings) == 2
    assert dataset.labels == tuple(sorted(dataset.labels))


def test_columns_by_name(tmp_path: Path) -> None:
    root = _table(tmp_path, "clip,kind\na.wav,x\nb.wav,y\n")
    columns = datasets.Columns(file=("clip",), label=("kind",))
    assert datasets.load(root / "meta.csv", columns).targets().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("filename,fold\na.wav,1\n", "no column for the label"),
        ("filename,category\nnot-there.wav,x\n", "recording is missing"),
        ("filename,category\na.wav,\n", "has no file or no label"),
        ("filename,category\na.wav,x\na.wav,y\n", "listed more than once"),
        ("filename,category\n", "no recordings found"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        datasets.load(_table(tmp_path, text))


def test_official_split(tmp_path: Path) -> None:
    rows = "".join(
        f"audio/{name}.wav\t{scene}\tlyon-1\ta\r\n" for name, scene in zip("abc", "xyx", strict=True)
    )
    _table(tmp_path, "filename\tscene_label\tidentifier\tsource_label\r\n" + rows)
    setup = tmp_path / "evaluation_setup"
    setup.mkdir()
    (setup / "fold1_train.csv").write_bytes(b"filename\tscene_label\r\naudio/c.wav\tx\r\n")
    with pytest.raises(DataError, match="cannot read the official split"):
        datasets.load(tmp_path)
    (setup / "fold1_evaluate.csv").write_bytes(b"filename\tscene_label\naudio/b.wav\ty\n")
    dataset = datasets.load(tmp_path)
    assert [(r.path.name, r.part) for r in dataset.recordings] == [("c.wav", "train"), ("b.wav", "test")]
    (setup / "fold1_evaluate.csv").write_bytes(b"filename\tscene_label\naudio/d.wav\ty\n")
    with pytest.raises(DataError, match=r"meta\.csv lacks"):
        datasets.load(tmp_path)


def test_class_folders(tmp_path: Path) -> None:
    for name in ("dog/1.wav", "dog/2.flac", "cat/3.wav"):
        _sound(tmp_path / "flat" / name)
        _sound(tmp_path / "split" / "train" / name)
    _sound(tmp_path / "split" / "test" / "cat" / "4.ogg")
    (tmp_path / "flat" / "dog" / "notes.txt").write_text("no audio")
    flat = datasets.load(tmp_path / "flat")
    assert flat.labels == ("cat", "dog")
    assert flat.targets().tolist() == [0, 1, 1]
    split = datasets.load(tmp_path / "split")
    assert split.parts == ("test", "train")
    assert [r.path.name for r in split.only(["test"]).recordings] == ["4.ogg"]
    with pytest.raises(DataError, match="no part 'fold7'"):
        split.only(["fold7"])


def test_split_keeps_places_together() -> None:
    recordings = tuple(
        datasets.Recording(Path(f"{label}-{place}-{take}.wav"), label, place=f"{label}-{place}")
        for label in ("bus", "tram")
        for place in range(10)
        for take in range(3)
    )
    dataset = datasets.Dataset(Path(), ("bus", "tram"), recordings)
    dealt = datasets.split(dataset, {"train": 0.7, "test": 0.3}, seed=3)
    parts_of_place: dict[str, set[str]] = {}
    for recording in dealt.recordings:
        parts_of_place.setdefault(recording.place, set()).add(recording.part)
    assert all(len(parts) == 1 for parts in parts_of_place.values())
    assert len(dealt.only(["train"]).recordings) == 2 * 7 * 3
    assert dealt == datasets.split(dataset, {"train": 0.7, "test": 0.3}, seed=3)
    assert dealt != datasets.split(dataset, {"train": 0.7, "test": 0.3}, seed=4)
    few = datasets.Dataset(Path(), ("bus",), tuple(r for r in recordings if r.place in ("bus-0", "bus-1")))
    assert datasets.split(few, {"train": 0.9, "test": 0.1}).parts == ("test", "train"), "no part goes without"
    with pytest.raises(DataError, match="sum to one"):
        datasets.split(dataset, {"train": 0.7, "test": 0.7})
