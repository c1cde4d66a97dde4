# SPDX-License-Identifier: Apache-2.0
"""The journal of a run: one JSON line per clip, from which an interrupted run resumes.

The first line says what all results depend on but the clips: firmware, runner, device, repetitions. Every result
carries the SHA-256 of the bytes that were sent for it, and is taken up only for a clip of the same bytes; and a
checksum of itself, so that a damaged line is no result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

try:
    import fcntl
except ImportError:  # not on Windows, where two runs at once stay the user's business
    fcntl = None  # type: ignore[assignment]

from ascmcu.benchmark.counts import Counts
from ascmcu.errors import InputError

FORMAT = 3
_DONE = {"finished": True}


@dataclass(frozen=True)
class ClipResult:
    """What the device said of one clip; its counts are 0 where nothing counts.

    ``input_sha256``: of the bytes that were sent. ``layers``: one count per layer, empty when the firmware has no
    profile. ``disturbed``: chunks during whose processing bytes arrived, whose counts hold the receive interrupt.
    ``repeats``: the network's count of every repetition.
    """

    name: str
    label: int | None
    predicted: int
    outputs: bytes
    counts: Counts
    disturbed: int
    layers: tuple[int, ...]
    repeats: tuple[int, ...] = ()
    input_sha256: str = ""


@dataclass(frozen=True)
class Resumed:
    """The results that may be taken up, by clip, and what is to be said of those that may not."""

    results: dict[str, ClipResult]
    notices: tuple[str, ...] = ()


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[TextIO]:
    """The journal, open for this run alone: two runs at once would mix their lines.

    Raises:
        InputError: another run holds it.
    """
    with path.open("a+", encoding="utf-8", errors="replace") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(
                    "another benchmark of this export over these clips is running", where=str(path)
                ) from error
        try:
            yield file
        finally:
            file.seek(0)
            if len(file.readlines()) <= 1:  # no result: nothing that the next run could go on from
                path.unlink(missing_ok=True)


def resume(file: TextIO, head: dict[str, Any]) -> Resumed:
    """The results of an unfinished run with the same ``head``; else none, and why.

    The file then holds ``head`` and those results, and stands at its end.
    """
    file.seek(0)
    lines = file.read().splitlines()
    found = _taken_up(lines, head)
    keep(file, head, found.results.values())
    return found


def keep(file: TextIO, head: dict[str, Any], results: Iterable[ClipResult]) -> None:
    """Let the file hold ``head`` and these results alone."""
    file.seek(0)
    file.truncate()
    _append(file, head)
    for result in results:
        append(file, result)


def _taken_up(lines: list[str], head: dict[str, Any]) -> Resumed:
    if len(lines) <= 1 or _parsed(lines[-1]) == _DONE:
        return Resumed({})
    before = _parsed(lines[0])
    if before != head:
        what = "it cannot be read" if before is None else f"another {_differing(before, head)}"
        return Resumed(
            {}, (f"an interrupted run is begun anew: {what}; {len(lines) - 1} results are dropped",)
        )
    # The last line was being written when the run ended, and may be half a line.
    results = {r.name: r for r in map(_result, lines[1:]) if r is not None}
    damaged = sum(_result(line) is None for line in lines[1:-1])
    told = (f"{damaged} results of an interrupted run are damaged, and run again",) if damaged else ()
    return Resumed(results, told)


def _differing(before: dict[str, Any], head: dict[str, Any]) -> str:
    keys = [key for key in {**before, **head} if before.get(key) != head.get(key)]
    return ", ".join(key.replace("_sha256", "").replace("_", " ") for key in keys)


def left_alone(path: Path, names: str) -> tuple[str, ...]:
    """What to say of interrupted runs beside ``path`` whose clips have the same names and are others."""
    sources = []
    for other in sorted(path.parent.glob("bench-*.jsonl")):
        lines = other.read_text(errors="replace", encoding="utf-8").splitlines() if other != path else []
        head = _parsed(lines[0]) if lines else None
        if head is not None and head.get("names") == names and _parsed(lines[-1]) != _DONE:
            sources.append(f"{head.get('source')} ({len(lines) - 1} clips)")
    if not sources:
        return ()
    return (f"clips of the same names are another run's, which is left as it is: {', '.join(sources)}",)


def append(file: TextIO, result: ClipResult) -> None:
    """Add one result."""
    line = {**dataclasses.asdict(result), "outputs": result.outputs.hex()}
    _append(file, {**line, "crc32": _crc(line)})


def finish(file: TextIO) -> None:
    """Nothing is to be taken up of it any more."""
    _append(file, _DONE)


def _append(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()


def _crc(line: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(line, sort_keys=True).encode())


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _result(text: str) -> ClipResult | None:
    line = _parsed(text)
    if line is None or line.pop("crc32", None) != _crc(line):
        return None
    made = {key: tuple(line[key]) for key in ("layers", "repeats")}
    return ClipResult(
        **{**line, "outputs": bytes.fromhex(line["outputs"]), "counts": Counts(**line["counts"]), **made}
    )


def repeatability(folder: Path) -> str:
    """How far the network's counts of one clip lie apart in the newest run in ``folder``, in words."""
    newest = max(folder.glob("bench-*.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = [json.loads(text) for text in newest.read_text(encoding="utf-8").splitlines()]
    repeats = [line["repeats"] for line in lines if line.get("repeats")]
    if not any(map(any, repeats)):
        return "nothing counts here"
    widest = max(max(r) - min(r) for r in repeats)
    part = max((max(r) - min(r)) / max(1, sorted(r)[len(r) // 2]) for r in repeats)
    low, high = min(map(min, repeats)), max(map(max, repeats))
    return f"network {low:,} … {high:,} counts; one clip's lie at most {widest:,} apart ({100 * part:.3f} %)"
