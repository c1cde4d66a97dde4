# SPDX-License-Identifier: Apache-2.0
"""``ascmcu data check``: each fault is found, a data set as it should be has none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from ascmcu.cli import cli
from ascmcu.data import check, datasets
from ascmcu.errors import DataError
from tests.train import tau


def _recording(path: Path, seed: int, samples: int = 400) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(samples), 8000)
    return path


@pytest.fixture
def esc(tmp_path: Path) -> Path:
    """Four clips in two folds of ESC's layout."""
    rows = [
        (f"{fold}-{n}-A.wav", fold, kind)
        for n, (fold, kind) in enumerate([(1, "dog"), (1, "rain"), (2, "dog"), (2, "rain")])
    ]
    for seed, (name, _, _) in enumerate(rows):
        _recording(tmp_path / "audio" / name, seed)
    text = "filename,fold,target,category\n" + "".join(
        f"{name},{fold},0,{kind}\n" for name, fold, kind in rows
    )
    (tmp_path / "meta.csv").write_text(text)
    return tmp_path


def test_a_data_set_without_faults(esc: Path) -> None:
    report = check.check(esc)
    assert not report.faults
    assert report.recordings == 4
    assert report.formats == {"8000 Hz, 1 channel, 0.1 s": 4}


def test_every_fault_is_found(esc: Path) -> None:
    audio = esc / "audio"
    (audio / "1-0-A.wav").unlink()
    (audio / "1-1-A.wav").write_bytes(b"RIFF but no sound")
    (audio / "2-3-A.wav").write_bytes((audio / "2-2-A.wav").read_bytes())
    _recording(audio / "stray.wav", 9)
    report = check.check(esc)
    assert report.faults
    assert [Path(name).name for name in report.missing] == ["1-0-A.wav"]
    assert list(report.findings["unreadable"]) == ["audio/1-1-A.wav"]
    assert report.duplicates == (("audio/2-2-A.wav", "audio/2-3-A.wav"),)
    assert report.unlisted == ("audio/stray.wav",)
    with pytest.raises(DataError, match="recording is missing"):
        datasets.load(esc)


def test_equal_sound_in_another_container_is_a_duplicate(esc: Path) -> None:
    samples, rate_hz = soundfile.read(esc / "audio" / "1-0-A.wav")
    soundfile.write(esc / "audio" / "2-2-A.flac", samples, rate_hz, subtype="PCM_16")
    (esc / "meta.csv").write_text((esc / "meta.csv").read_text().replace("2-2-A.wav", "2-2-A.flac"))
    assert check.check(esc).duplicates == (("audio/1-0-A.wav", "audio/2-2-A.flac"),)


def test_silence_is_told_and_is_no_duplicate(esc: Path) -> None:
    for name in ("1-0-A.wav", "2-2-A.wav"):
        soundfile.write(esc / "audio" / name, np.zeros(400), 8000)
    report = check.check(esc)
    assert list(report.findings["silent"]) == ["audio/1-0-A.wav", "audio/2-2-A.wav"]
    assert not report.faults


def test_places_on_both_sides_of_the_official_split(tmp_path: Path) -> None:
    root = tau.three_class(tmp_path, places=2)
    assert not check.check(root).faults
    meta = root / "meta.csv"
    meta.write_bytes(meta.read_bytes().replace(b"\tlyon-102\t", b"\tlyon-101\t"))
    report = check.check(root)
    assert report.leaks == {"lyon-101": ("test", "train")}
    assert report.faults


def test_the_official_split_and_the_table_disagree(tmp_path: Path) -> None:
    root = tau.mobile(tmp_path, seconds_in_name=True)
    lists = root / "evaluation_setup" / "fold1_evaluate.csv"
    lists.write_bytes(lists.read_bytes() + b"audio/bus-lyon-1-1-0-a.wav\tbus\n")
    assert check.check(root).unlisted_in_meta == ("audio/bus-lyon-1-1-0-a.wav",)
    with pytest.raises(DataError, match=r"meta\.csv lacks"):
        datasets.load(root)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_every_fault_of_an_official_layout_is_found(tmp_path: Path, end: bytes) -> None:
    root = tau.mobile(tmp_path, seconds_in_name=False, places=2)
    setup = root / "evaluation_setup"
    for table in (root / "meta.csv", *setup.glob("*.csv")):
        table.write_bytes(table.read_bytes().replace(b"\n", end))
    assert not check.check(root).faults
    audio = root / "audio"
    (audio / "bus-vienna-100-0-a.wav").unlink()
    (audio / "bus-vienna-100-0-b.wav").write_bytes(b"RIFF but no sound")
    (audio / "park-vienna-400-0-a.wav").write_bytes((audio / "park-vienna-401-7-a.wav").read_bytes())
    _recording(audio / "stray.wav", 9)
    lists = setup / "fold1_train.csv"
    lists.write_bytes(lists.read_bytes() + b"audio/tram-vienna-900-0-b.wav\ttram" + end)
    meta = root / "meta.csv"
    meta.write_bytes(meta.read_bytes().replace(b"vienna-2\t", b"vienna-1\t"))
    report = check.check(root)
    assert report.faults
    assert report.missing == ("audio/bus-vienna-100-0-a.wav",)
    assert list(report.findings["unreadable"]) == ["audio/bus-vienna-100-0-b.wav"]
    assert report.duplicates == (("audio/park-vienna-400-0-a.wav", "audio/park-vienna-401-7-a.wav"),)
    assert report.repeated == ("audio/tram-vienna-900-0-b.wav (2 times)",)
    assert report.leaks == {"vienna-1": ("test", "train")}
    assert report.unlisted == ("audio/stray.wav",)


def test_a_recording_in_both_lists_is_repeated(tmp_path: Path) -> None:
    root = tau.three_class(tmp_path, places=2)
    lists = root / "evaluation_setup" / "fold1_evaluate.csv"
    lists.write_bytes(lists.read_bytes() + b"audio/indoor-lyon-0-0-a.wav\tindoor\r\n")
    assert check.check(root).repeated == ("audio/indoor-lyon-0-0-a.wav (2 times)",)
    with pytest.raises(DataError, match="listed more than once"):
        datasets.load(root)


def test_lists_that_cannot_be_read_are_no_class_folders(tmp_path: Path) -> None:
    root = tau.three_class(tmp_path, places=1)
    evaluate = root / "evaluation_setup" / "fold1_evaluate.csv"
    evaluate.write_text("name\na.wav\n")
    with pytest.raises(DataError, match="names no files"):
        check.check(root)
    (root / "meta.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read the table"):
        check.check(root)
    (root / "meta.csv").unlink()
    with pytest.raises(DataError, match="has no table of its recordings"):
        check.check(root)


def test_class_folders_with_a_fault(tmp_path: Path) -> None:
    for seed, name in enumerate(("train/dog/1.wav", "train/cat/2.wav", "test/dog/3.wav", "test/cat/4.wav")):
        _recording(tmp_path / name, seed)
    assert not check.check(tmp_path).faults
    (tmp_path / "test" / "dog" / "5.wav").write_bytes((tmp_path / "train" / "dog" / "1.wav").read_bytes())
    (tmp_path / "train" / "cat" / "6.wav").write_bytes(b"")
    report = check.check(tmp_path)
    assert report.duplicates == (("test/dog/5.wav", "train/dog/1.wav"),)
    assert list(report.findings["unreadable"]) == ["train/cat/6.wav"]


def test_esc50_has_its_table_in_a_folder_and_names_its_sources(tmp_path: Path) -> None:
    for seed, name in enumerate(("1-100-A-0.wav", "2-200-A-0.wav")):
        _recording(tmp_path / "audio" / name, seed)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100-A-0.wav,1,0,dog,True,100,A\n2-200-A-0.wav,2,0,dog,True,100,A\n"
    )
    dataset = datasets.load(tmp_path)
    assert [(r.label, r.part, r.place) for r in dataset.recordings] == [
        ("dog", "1", "100"),
        ("dog", "2", "100"),
    ]
    assert check.check(tmp_path).leaks == {"100": ("1", "2")}


def test_columns_are_named_on_the_command_line(tmp_path: Path) -> None:
    _recording(tmp_path / "a.wav", 1)
    (tmp_path / "list.csv").write_text("clip,kind,set\na.wav,x,train\n")
    names = ["--column", "file=clip", "--column", "label=kind", "--column", "part=set"]
    told = CliRunner().invoke(cli, ["data", "list", str(tmp_path / "list.csv"), *names, "--json"])
    assert json.loads(told.stdout)["part"] == {"train": 1}
    with pytest.raises(DataError, match="invalid --column"):
        datasets.Columns.named(["clip=file"])


def test_the_exit_status_says_whether_it_is_recording(esc: Path) -> None:
    good = CliRunner().invoke(cli, ["data", "check", str(esc), "--json"])
    assert (good.exit_code, json.loads(good.stdout)["faults"]) == (0, 0)
    (esc / "audio" / "1-0-A.wav").unlink()
    bad = CliRunner().invoke(cli, ["data", "check", str(esc)])
    assert bad.exit_code == 1
    assert "fault: 1 missing: " in bad.stdout
    assert bad.stdout.endswith("\n1 fault\n")
