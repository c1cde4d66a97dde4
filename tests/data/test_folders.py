# SPDX-License-Identifier: Apache-2.0
"""Which folder names are parts, which are classes, and which trees are refused; links, rights and names of any kind."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.data import check, datasets, folders
from ascmcu.errors import DataError
from tests.data import made

# Files (% is a space) → (label, part) of each, in the order of the paths; a text is the refusal.
TREES: dict[str, tuple[str, list[tuple[str, str]] | str]] = {
    "classes": ("cat/1.wav dog/2.wav", [("cat", ""), ("dog", "")]),
    "deep classes": ("cat/a/b/1.wav dog/2.wav", [("cat", ""), ("dog", "")]),
    "parts above": ("test/dog/1.wav train/dog/2.wav", [("dog", "test"), ("dog", "train")]),
    "train, dev, test": ("dev/a/1.wav test/a/1.wav train/a/1.wav", [("a", "dev"), ("a", "test"), ("a", "train")]),
    "case and -ing": ("TRAINING/a/1.wav Testing/a/1.wav", [("a", "train"), ("a", "test")]),
    "a set of": ("test_set/a/1.wav train-data/a/1.wav", [("a", "test"), ("a", "train")]),
    "validation": ("Eval/a/1.wav val/a/1.wav validation/a/1.wav", [("a", "eval"), ("a", "val"), ("a", "validation")]),
    "folds": ("Fold_2/a/1.wav fold1/a/1.wav split%3/a/1.wav", [("a", "2"), ("a", "1"), ("a", "3")]),
    "parts below": ("dog/test/1.wav dog/train/2.wav", [("dog", "test"), ("dog", "train")]),
    "Edge Impulse": (
        "testing/hello.0.wav testing/noise.1.x.wav training/hello.2.wav",
        [("hello", "test"), ("noise", "test"), ("hello", "train")],
    ),
    "leftovers": (
        "__MACOSX/train/dog/._1.wav .hidden/a/1.wav train/dog/1.wav train/dog/._1.wav train/.cache/2.wav",
        [("dog", "train")],
    ),
    "other files": ("dog/1.wav dog/notes.txt docs/read.me Thumbs.db", [("dog", "")]),
    "all kinds of audio": ("dog/1.mp3 dog/2.m4a dog/3.AIFF", [("dog", "")] * 3),
    "parts beside classes": ("dog/1.wav train/cat/2.wav", "side by side"),
    "a class called train": ("boat/1.wav train/2.wav", "side by side"),
    "a part in a part": ("train/fold1/dog/1.wav", "a part folder is inside a part folder"),
    "a folder around": ("data/test/dog/1.wav data/train/dog/2.wav", "a part folder inside a class folder"),
    "some in parts": ("dog/1.wav dog/train/2.wav", "only some of the classes"),
    "parts without classes": ("test/1.wav train/2.wav", "hold recordings without a class"),
    "some names tell": ("test/a.1.wav train/2.wav", "hold recordings without a class"),
    "no folders": ("1.wav 2.wav", "lie in no folder of a class"),
    "a recording beside": ("1.wav dog/2.wav", "lies where no class can be"),
    "a recording beside, in a part": ("train/1.wav train/dog/2.wav", "lies where no class can be"),
    "case alone": ("test/Dog/1.wav train/dog/2.wav", "two classes differ in nothing but case"),
    "a space behind": ("dog/1.wav dog%/2.wav", 'spaces\n.*\n.*"dog" and "dog "'),
    "nothing": ("docs/read.me", "no recordings found"),
}  # fmt: skip


def _tree(root: Path, files: str) -> None:
    for name in files.split(" "):
        path = root / name.replace("%", " ")
        if path.suffix.lower() in folders.SUFFIXES:
            made.put(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("no audio")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCMCU_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.parametrize(("files", "wanted"), TREES.values(), ids=TREES)
def test_trees(tmp_path: Path, files: str, wanted: list[tuple[str, str]] | str) -> None:
    _tree(tmp_path, files)
    if isinstance(wanted, str):
        with pytest.raises(DataError, match=wanted):
            datasets.load(tmp_path)
        return
    found = datasets.load(tmp_path)
    assert [(r.label, r.part) for r in found.recordings] == wanted
    assert not any(folders.part_of(label) for label in found.labels)


@pytest.mark.parametrize(
    ("asked", "part"),
    [("train", "train"), ("Training", "train"), ("fold2", "2"), ("fold=2", "2"), ("2", "2"), ("FOLD_2", "2")],
)
def test_a_part_by_any_of_its_names(tmp_path: Path, asked: str, part: str) -> None:
    _tree(tmp_path, "TRAINING/a/1.wav fold2/a/1.wav")
    dataset = datasets.load(tmp_path)
    assert dataset.part(asked) == part
    assert [r.part for r in dataset.only([asked]).recordings] == [part]
    with pytest.raises(DataError, match="no part 'dev'"):
        dataset.part("dev")


# What lies in the data set besides good recordings → what is said of it.
def _loop(root: Path) -> None:
    (root / "dog" / "again").symlink_to(root, target_is_directory=True)


def _own_loop(root: Path) -> None:
    (root / "dog" / "self").symlink_to(root / "dog" / "self")


def _mutual(root: Path) -> None:
    (root / "dog" / "x").symlink_to(root / "cat")
    (root / "cat").mkdir()
    (root / "cat" / "y").symlink_to(root / "dog")


def _broken(root: Path) -> None:
    (root / "dog" / "gone.wav").symlink_to(root / "nowhere.wav")


def _pipe(root: Path) -> None:
    os.mkfifo(root / "dog" / "pipe.wav")


def _bytes(root: Path) -> None:
    made.put(Path(os.fsdecode(os.fsencode(root / "dog") + b"/caf\xe9.wav")))


def _class_of_bytes(root: Path) -> None:
    made.put(Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9")) / "1.wav")


def _line_end(root: Path) -> None:
    made.put(root / "do\ng" / "1.wav")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_loop, "dog/again (a link to a folder above it)"),
        (_own_loop, "dog/self (a link to nowhere (Too many levels of symbolic links))"),
        (_mutual, "(a link to a folder above it)"),
        (_broken, "dog/gone.wav (a link to nowhere (No such file or directory))"),
        (_pipe, "dog/pipe.wav (not a file)"),
        (_bytes, "dog/caf\\xe9.wav (a name that is not UTF-8)"),
        (_class_of_bytes, "caf\\xe9 (a name that is not UTF-8)"),
        (_line_end, "do\\x0ag (a name with control characters)"),
    ],
)
def test_links_and_names(tmp_path: Path, make: object, said: str) -> None:
    made.put(tmp_path / "dog" / "1.wav")
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match="a recording or folder cannot be used") as refused:
        datasets.load(tmp_path)
    assert said in str(refused.value)
    str(refused.value).encode()
    done = CliRunner().invoke(cli, ["data", "check", str(tmp_path)])
    assert done.exit_code == 1 and said in done.output


def test_a_linked_class_is_followed(tmp_path: Path) -> None:
    made.put(tmp_path / "elsewhere" / "1.wav")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (recording,) = datasets.load(tmp_path / "data").recordings
    assert recording.label == "dog"


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a scandir that refuses: root may read everything."""
    made.put(tmp_path / "dog" / "1.wav")
    made.put(tmp_path / "cat" / "1.wav")
    scan = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "cat":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(folders.os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cat \(Permission denied\)"):
        datasets.load(tmp_path)
    report = check.check(tmp_path)
    assert (report.unreachable, report.faults) == ({"cat": "Permission denied"}, 1)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made.put(tmp_path / "dog" / "1.wav")
    opened = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert check.check(tmp_path).findings == {"unreadable": {"dog/1.wav": "Permission denied"}}


def test_names_that_only_unicode_tells_apart(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        made.put(tmp_path / unicodedata.normalize(form, "café") / f"{form}.wav")
    with pytest.raises(DataError, match="Unicode form"):
        datasets.load(tmp_path)
    assert len(check.check(tmp_path).twins) == 1


def test_check_names_what_has_no_place(tmp_path: Path) -> None:
    _tree(
        tmp_path,
        "train/Dog/1.wav train/stray.wav test/dog/2.wav test/cat/a.txt test/dog/._2.wav __MACOSX/x.wav",
    )
    report = check.check(tmp_path)
    assert report.unlabelled == ("train/stray.wav",)
    assert report.twins == (("Dog", "dog"),)
    assert report.empty == ("test/cat",)
    assert report.ignored == ("__MACOSX", "test/dog/._2.wav")
    assert report.faults == 2
    listed = CliRunner().invoke(cli, ["data", "check", str(tmp_path)]).output
    for line in (
        "fault: 1 in no folder of a class: train/stray.wav",
        "fault: 1 classes that are nearly the same word: Dog = dog",
        "note: 1 class folders without recordings: test/cat",
        "note: 2 ignored: __MACOSX, test/dog/._2.wav",
    ):
        assert line in listed


def test_equal_recordings_in_two_parts_and_two_classes(tmp_path: Path) -> None:
    for name in ("train/dog/1.wav", "test/dog/2.wav", "test/cat/3.wav"):
        made.put(tmp_path / name, made.sound(made.noise()))
    made.put(tmp_path / "train" / "cat" / "4.wav")
    same = (("test/cat/3.wav", "test/dog/2.wav", "train/dog/1.wav"),)
    report = check.check(tmp_path)
    assert (report.duplicates, report.leaked, report.contradictory, report.faults) == (same, same, same, 1)
    told = CliRunner().invoke(cli, ["data", "check", str(tmp_path)]).output
    assert "fault: 1 of equal samples, in several parts: test/cat/3.wav" in told
    assert "fault: 1 of equal samples, with several classes: test/cat/3.wav" in told
    assert "of equal samples: " not in told and told.endswith("\n1 fault\n")


def test_list_counts_what_is_ignored(tmp_path: Path) -> None:
    _tree(tmp_path, "train/dog/1.wav train/dog/._1.wav")
    assert (
        "ignored, as hidden or left behind by an archiver: 1"
        in CliRunner().invoke(cli, ["data", "list", str(tmp_path)]).output
    )
