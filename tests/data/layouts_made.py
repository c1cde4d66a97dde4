# SPDX-License-Identifier: Apache-2.0
"""Published data sets in miniature: their folders, tables and names, with short sounds that can be told apart."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tests.data import made
from tests.train import tau

Make = Callable[[Path], Path]


def tone(path: Path, of: int, take: int, seconds: float = 0.3) -> Path:
    """A recording of class ``of``: a tone of its own with a little noise."""
    times = np.arange(round(seconds * made.RATE_HZ)) / made.RATE_HZ
    seed = zlib.crc32(f"{path.parent.name}/{path.name} {take}".encode())
    sound = 0.3 * np.sin(2 * np.pi * 300 * (of + 1) * times) + 0.02 * made.noise(seconds, seed=seed)
    return made.put(path, made.sound(np.rint(sound * 32768) / 32768))


def _lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def speech_commands(root: Path) -> Path:
    """Version 2: a folder per word, lists, background noise; six speakers, of whom one validates and one tests."""
    parts: dict[str, list[str]] = {"validation": [], "testing": []}
    for of, word in enumerate(("yes", "no", "up", "cat", "tree")):
        for take, speaker in enumerate(("0a1b", "1c2d", "2e3f", "4a5b", "6c7d", "8e9f")):
            name = f"{word}/{speaker}_nohash_0.wav"
            tone(root / name, of, take)
            if take >= 4:
                parts["validation" if take == 4 else "testing"].append(name)
    for part, names in parts.items():
        _lines(root / f"{part}_list.txt", names)
    for take, name in enumerate(("running_tap", "pink_noise")):
        made.put(root / "_background_noise_" / f"{name}.wav", made.sound(made.noise(2.2, seed=take)))
    _lines(root / "LICENSE", ["CC BY 4.0"])
    return root


def urbansound8k(root: Path) -> Path:
    """Two folds, two classes, two slices of a recording."""
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in (1, 2):
        for of, kind in enumerate(("air_conditioner", "dog_bark")):
            for take in range(2):
                source = 1000 * fold + 10 * of
                name = f"{source}-{of}-0-{take}.wav"
                tone(root / "audio" / f"fold{fold}" / name, of, 2 * fold + take)
                rows.append(f"{name},{source},0.0,0.3,1,{fold},{of},{kind}")
    _lines(root / "metadata" / "UrbanSound8K.csv", rows)
    return root


def esc50(root: Path) -> Path:
    """Its table lies in ``meta``, the recordings in ``audio``."""
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in (1, 2):
        for of, kind in enumerate(("dog", "rain")):
            for take in "AB":
                name = f"{fold}-{100 * fold + of}-{take}-{of}.wav"
                tone(root / "audio" / name, of, 2 * fold + (take == "B"))
                rows.append(f"{name},{fold},{of},{kind},True,{100 * fold + of},{take}")
    _lines(root / "meta" / "esc50.csv", rows)
    return root


def audiomnist(root: Path) -> Path:
    """Four speakers, two digits, two takes."""
    for speaker in ("01", "02", "17", "60"):
        for digit in (3, 8):
            for take in range(2):
                tone(root / "data" / speaker / f"{digit}_{speaker}_{take}.wav", digit, int(speaker) + take)
    _lines(root / "data" / "audioMNIST_meta.txt", ["{}"])
    return root


def tau_subsets(root: Path) -> Path:
    """2022 Mobile as DCASE 2024 and 2025 use it: subsets of the training part, and ``test.csv``."""
    tau.mobile(root, seconds_in_name=True, places=2, scenes=("airport", "bus"))
    lists = {name: (root / "evaluation_setup" / f"fold1_{name}.csv") for name in ("train", "evaluate")}
    head, *train = lists["train"].read_text().splitlines()
    for share, count in (("5", 2), ("10", 4), ("25", 6), ("50", 8), ("100", len(train))):
        _lines(root / "split_setup" / f"split{share}.csv", [head, *_alternating(train)[:count]])
    _lines(root / "split_setup" / "test.csv", lists["evaluate"].read_text().splitlines())
    return root


def _alternating(rows: list[str]) -> list[str]:
    """Rows of the classes by turns."""
    classes = sorted({row.split("\t")[1] for row in rows})
    by_class = [[row for row in rows if row.split("\t")[1] == name] for name in classes]
    return [row for turn in zip(*by_class, strict=True) for row in turn]


def machines(root: Path) -> Path:
    """Task 2 since 2021: two machines, two domains; only the test holds anomalies."""
    for number, machine in enumerate(("fan", "ToyCar")):
        for take, domain in enumerate(("source", "target")):
            begin = root / machine / "train" / f"section_00_{domain}_train_normal_000{take}"
            tone(begin.with_name(begin.name + "_m-n_W.wav"), 2 * number, take)
            for of, kind in enumerate(("normal", "anomaly")):
                name = f"section_00_{domain}_test_{kind}_000{take}_m-n_X.wav"
                tone(root / machine / "test" / name, 2 * number + of, 5 + take)
    return root


def toy_car(root: Path) -> Path:
    """Task 2 of 2020, which MLPerf Tiny uses: the folder of one machine."""
    for take in range(2):
        tone(root / "train" / f"normal_id_01_0000000{take}.wav", 0, take)
        for of, kind in enumerate(("normal", "anomaly")):
            tone(root / "test" / f"{kind}_id_01_0000000{take}.wav", of, 5 + take)
    return root


def edge_impulse(root: Path) -> Path:
    """An export with ``info.labels``; the names do not tell the class."""
    files = []
    for folder in ("training", "testing"):
        for of, word in enumerate(("hello", "noise")):
            for take in range(2):
                path = f"{folder}/{of}{take}.wav"
                tone(root / path, of, take + 7 * (folder == "testing"))
                files.append({"path": path, "category": folder, "label": {"type": "label", "label": word}})
    (root / "info.labels").write_text(json.dumps({"version": 1, "files": files}))
    return root


def audiofolder(root: Path) -> Path:
    """Hugging Face's, a table in each part: one CSV, one in lines of JSON."""
    for part in ("train", "test"):
        rows = []
        for of, word in enumerate(("clap", "snap")):
            for take in range(2):
                name = f"{word}-{take}.wav"
                tone(root / part / name, of, take + 9 * (part == "test"))
                rows.append({"file_name": name, "label": word})
        if part == "train":
            _lines(
                root / part / "metadata.csv", ["file_name,label", *(",".join(row.values()) for row in rows)]
            )
        else:
            _lines(root / part / "metadata.jsonl", [json.dumps(row) for row in rows])
    return root


# Sounds at once: a tone for each class.
_HEARD = (("Dog", "Rain"), ("Dog",), ("Rain",), ("Rain", "Siren"), ("Siren",), ("Dog", "Siren"))
_NAMES = ("Dog", "Rain", "Siren", "Wind")


def tones(path: Path, tags: Sequence[str], take: int, seconds: float = 1.2) -> Path:
    """A recording in which the tones of several classes are heard."""
    times = np.arange(round(seconds * made.RATE_HZ)) / made.RATE_HZ
    sound = 0.02 * made.noise(seconds, seed=zlib.crc32(f"{path.name} {take}".encode()))
    for tag in tags:
        sound = sound + 0.2 * np.sin(2 * np.pi * 400 * (_NAMES.index(tag) + 1) ** 1.5 * times)
    return made.put(path, made.sound(np.rint(sound * 32768) / 32768))


def fsd50k(root: Path) -> Path:
    """Ground truth of both halves, a vocabulary without a head, of which one class is never heard."""
    lists = {"dev": ["fname,labels,mids,split"], "eval": ["fname,labels,mids"]}
    for half, rows in lists.items():
        for take in range(2 if half == "dev" else 1):
            for number, tags in enumerate(_HEARD):
                name = f"{1000 * (1 + take) + 100 * (half == 'eval') + number}"
                tones(root / f"FSD50K.{half}_audio" / f"{name}.wav", tags, take)
                mids = ",".join(f"/m/{tag.lower()}" for tag in tags)
                split = f",{'val' if take else 'train'}" if half == "dev" else ""
                rows.append(f'{name},"{",".join(tags)}","{mids}"{split}')
        _lines(root / "FSD50K.ground_truth" / f"{half}.csv", rows)
    words = [f"{n},{name},/m/{name.lower()}" for n, name in enumerate(_NAMES)]
    _lines(root / "FSD50K.ground_truth" / "vocabulary.csv", words)
    return root


def audioset(root: Path) -> Path:
    """Segments of two lists, named as different downloaders do; some videos are gone."""
    classes = ["index,mid,display_name"]
    classes += [f'{n},/m/{name.lower()},"{name}, of a kind"' for n, name in enumerate(_NAMES)]
    _lines(root / "class_labels_indices.csv", classes)
    for part in ("balanced_train", "eval"):
        rows = [
            "# Segments csv created Sun Mar  5 10:54:31 2017",
            "# num_ytids=7",
            "# YTID, start_seconds, …",
        ]
        for number, tags in enumerate((*_HEARD, ("Dog",))):
            video = f"-{part[:2]}_{number}xyz"
            mids = ",".join(f"/m/{tag.lower()}" for tag in tags)
            rows.append(f'{video}, 30.000, 40.000, "{mids}"')
            name = (video, f"Y{video}", f"{video}_30_40", f"{video}_30000_40000")[number % 4]
            if number < len(_HEARD):
                tones(root / "audio" / f"{part}_segments" / f"{name}.wav", tags, number)
        _lines(root / f"{part}_segments.csv", rows)
    return root


def tagged_table(root: Path) -> Path:
    """Any table with a column of several classes."""
    rows = ["filename;labels;split".replace(";", ",")]
    for part in ("train", "test"):
        for number, tags in enumerate(_HEARD):
            tones(root / "audio" / f"{part}{number}.wav", tags, number)
            rows.append(f"{part}{number}.wav,{' ; '.join(tags)},{part}")
    _lines(root / "meta.csv", rows)
    return root


def biodcase(root: Path) -> Path:
    """BioDCASE-Tiny: part folders of class folders, with spaces in their names."""
    for part in ("Train", "Validation", "Test"):
        for of, kind in enumerate(("Great Tit", "Background")):
            for take in range(2):
                tone(
                    root / part / kind / f"{part}_{take:04d}_{kind.replace(' ', '_')}.wav",
                    of,
                    take + len(part),
                )
    return root
