# SPDX-License-Identifier: Apache-2.0
"""Folders of recordings: which files are recordings, and which names are classes or parts.

Parts stand above the classes (``train/dog/1.wav``) or below them (``dog/train/1.wav``). Where a part folder holds
the recordings themselves, all of them must carry their class in their names as Edge Impulse writes it
(``train/dog.1.wav``). Everything else is refused with its reason: a part must never become a class.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ascmcu.errors import DataError, why

# libsndfile 1.2 decodes these; MP3 since 1.1, Opus since 1.0.29.
READ = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
    ".w64", ".rf64", ".mp2", ".mpga", ".sph", ".voc",
)  # fmt: skip
# Recordings all the same, which it does not decode.
NOT_READ = {
    ".m4a": "AAC or ALAC in MP4", ".mp4": "MP4", ".aac": "AAC", ".wma": "Windows Media", ".amr": "AMR", ".3gp": "3GP",
    ".ape": "Monkey's Audio", ".wv": "WavPack", ".webm": "WebM", ".mka": "Matroska", ".ra": "RealAudio",
    ".ac3": "AC-3", ".spx": "Speex", ".raw": "samples without a header", ".pcm": "samples without a header",
}  # fmt: skip
SUFFIXES = (*READ, *NOT_READ)

_PART = re.compile(
    r"(train|training|test|testing|dev|devel|development|val|valid|validate|validation|eval|evaluate|evaluation)"
    r"(?:[ _-]?(?:set|data|split))?"
)
_NUMBERED = re.compile(r"(?:fold|split)[ _-]?=?(\d+)")
_SAME = {"training": "train", "testing": "test"}
# What systems and archivers leave behind.
_LEFTOVERS = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found"}
_FROM_NAME = re.compile(r"([^.]+)\.[^.].*\.[^.]+")
_AS_PARTS = "train/CLASS/*.wav and test/CLASS/*.wav, or CLASS/*.wav, or a meta.csv"


def part_of(name: str) -> str | None:
    """The part that a folder of this name is: in lower case, ``training`` as train, ``fold3`` as 3. None for others."""
    lower = name.casefold()
    if numbered := _NUMBERED.fullmatch(lower):
        return numbered[1]
    found = _PART.fullmatch(lower)
    return _SAME.get(found[1], found[1]) if found else None


def is_leftover(name: str) -> bool:
    """Hidden, or of a system's or an archiver's making."""
    return name.startswith(".") or name.casefold() in _LEFTOVERS


@dataclass(frozen=True)
class Placed:
    """A recording, its class and its part (empty without)."""

    path: Path
    label: str
    part: str


@dataclass
class Tree:
    """What lies in a data set's folder.

    Args:
        placed: recordings with a class, in the order of their paths.
        unlabelled: recordings where no class can be.
        unreachable: name → why: what cannot be opened, or not be written down.
        ignored: recordings and folders that are hidden, or leftovers.
        empty: folders of a class without a recording.
    """

    placed: list[Placed] = field(default_factory=list)
    unlabelled: list[Path] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)
    ignored: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)


def read(root: Path) -> Tree:
    """Deal the recordings of a folder to classes and parts by the names of its folders.

    Raises:
        DataError: it cannot be said which names are classes.
    """
    tree = Tree()
    files = sorted(_files(root, tree, (os.path.realpath(root),)))
    places = {path: path.relative_to(root).parts[:-1] for path in files}
    _refuse_unclear(root, places)
    by_name = _named(
        root, [path for path, dirs in places.items() if len(dirs) == 1 and part_of(dirs[0])], places
    )
    for path, dirs in places.items():
        if not dirs or (len(dirs) == 1 and part_of(dirs[0]) and path not in by_name):
            tree.unlabelled.append(path)
            continue
        above = part_of(dirs[0])
        label = by_name[path] if path in by_name else dirs[0] if above is None else dirs[1]
        part = above if above is not None else part_of(dirs[1]) if len(dirs) > 1 else None
        tree.placed.append(Placed(path, label, part or ""))
    _empty_classes(root, tree)
    return tree


def _files(folder: Path, tree: Tree, above: tuple[str, ...]) -> list[Path]:
    """All recordings below a folder; ``above`` are the real paths of the folders on the way, against loops."""
    found: list[Path] = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        tree.unreachable[str(folder)] = why(error)
        return found
    for entry in entries:
        path = folder / entry.name
        is_audio = path.suffix.lower() in SUFFIXES
        if is_leftover(entry.name):
            if is_audio or entry.name.casefold() == "__macosx":
                tree.ignored.append(path)
            continue
        problem = _problem(entry, is_audio, above)
        if problem:
            tree.unreachable[str(path)] = problem
        elif entry.is_dir():
            found += _files(path, tree, (*above, os.path.realpath(path)))
        elif is_audio:
            found.append(path)
    return found


def _problem(entry: os.DirEntry[str], is_audio: bool, above: tuple[str, ...]) -> str:
    """Why an entry can be no recording and no folder of some; empty where it can, or is something else."""
    try:
        entry.stat()
        is_dir = entry.is_dir()
    except OSError as error:
        return f"a link to nowhere ({why(error)})" if entry.is_symlink() else why(error)
    if is_dir and os.path.realpath(entry.path) in above:
        return "a link to a folder above it"
    if not is_dir and is_audio and not entry.is_file():
        return "not a file"
    return unwritable(entry.name) if is_dir or is_audio else ""


def unwritable(name: str) -> str:
    """Why a name cannot stand in a list, a model or a report; empty where it can."""
    if any(unicodedata.category(letter) == "Cs" for letter in name):
        return "a name that is not UTF-8"
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        return "a name with control characters"
    return ""


def readable_name(name: str) -> str:
    """A name as any terminal and any file can show it: bytes that are no UTF-8 as ``\\xff``."""
    return "".join(c if not unwritable(c) else _escaped(c) for c in name)


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code - 0xDC00 if code >= 0xDC80 else code:02x}"


def twins(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Classes whose names differ in nothing but case, Unicode form or spaces around them."""
    alike: dict[str, set[str]] = {}
    for label in labels:
        alike.setdefault(unicodedata.normalize("NFC", label).casefold().strip(), set()).add(label)
    return tuple(tuple(sorted(names)) for names in alike.values() if len(names) > 1)


def _refuse_unclear(root: Path, places: dict[Path, tuple[str, ...]]) -> None:
    tops = dict.fromkeys(dirs[0] for dirs in places.values() if dirs)
    parts = [top for top in tops if part_of(top) is not None]
    classes = [top for top in tops if part_of(top) is None]
    if parts and classes:
        raise DataError(
            "part folders and class folders are side by side",
            where=str(root),
            expected=_AS_PARTS,
            found=f"parts: {', '.join(parts)}; others: {', '.join(classes)}",
            hint="put the class folders into a part; a class with a part's name needs another name, or a meta.csv",
        )
    for path, dirs in places.items():
        _refuse_second_part(root, path, dirs)
    below = {
        path for path, dirs in places.items() if classes and len(dirs) > 1 and part_of(dirs[1]) is not None
    }
    beside = [path for path, dirs in places.items() if classes and dirs and path not in below]
    if below and beside:
        raise DataError(
            "only some of the classes' recordings are in part folders",
            where=str(root),
            expected=_AS_PARTS,
            found=f"{_shown(root, min(below))} and {_shown(root, beside[0])}",
        )


def _refuse_second_part(root: Path, path: Path, dirs: tuple[str, ...]) -> None:
    """A part in a part, or classes below the parts of what would be a class."""
    if len(dirs) < 2 or part_of(dirs[1]) is None:
        return
    if part_of(dirs[0]) is not None:
        raise DataError(
            "a part folder is inside a part folder", where=str(path.parent), expected=_AS_PARTS,
            found=f"{dirs[0]}/{dirs[1]}",
        )  # fmt: skip
    if len(dirs) > 2:
        raise DataError(
            "a part folder inside a class folder contains folders",
            where=str(root),
            expected=_AS_PARTS,
            found=_shown(root, path),
            hint=f"if {dirs[0]} is no class, name {root / dirs[0]}",
        )


def _named(root: Path, flat: list[Path], places: dict[Path, tuple[str, ...]]) -> dict[Path, str]:
    """Recording → class, where the part folders hold the recordings themselves and all names tell it.

    Raises:
        DataError: they hold them, and the names do not tell.
    """
    if not flat or any(len(dirs) > 1 for dirs in places.values()):
        return {}
    told = {path: _FROM_NAME.fullmatch(path.name) for path in flat}
    silent = [path for path, match in told.items() if match is None]
    if silent:
        raise DataError(
            "the part folders hold recordings without a class",
            where=str(root),
            expected=f"{_AS_PARTS}, or names that tell the class: CLASS.rest.wav, as Edge Impulse writes them",
            found=_shown(root, silent[0]),
        )
    return {path: match[1] for path, match in told.items() if match}


def _empty_classes(root: Path, tree: Tree) -> None:
    """Folders beside those of the classes that hold no recording."""
    full = {placed.path.relative_to(root).parts for placed in tree.placed}
    tops = {parts[0] for parts in full}
    beside = {root} if not any(map(part_of, tops)) else {root / top for top in tops}
    for parent in sorted(beside):
        for folder in sorted(p for p in parent.iterdir() if p.is_dir() and not is_leftover(p.name)):
            depth = len(folder.relative_to(root).parts)
            known = folder.relative_to(root).parts in {parts[:depth] for parts in full}
            if not known and str(folder) not in tree.unreachable:
                tree.empty.append(folder)


def _shown(root: Path, path: Path) -> str:
    return readable_name(str(path.relative_to(root)))
