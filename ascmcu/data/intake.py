# SPDX-License-Identifier: Apache-2.0
"""Turn the recordings of a data set into clips: examine all first, refuse or count them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ascmcu import paths
from ascmcu.data import audio, containers, found
from ascmcu.data.folders import readable_name
from ascmcu.data.found import Finding, Found, Intake, Long
from ascmcu.errors import DataError
from ascmcu.features.base import ClipSpec

Progress = Callable[[int, int], None]
_NAMED = 3


def examine(files: Sequence[Path], progress: Progress = lambda done, total: None) -> tuple[Found, ...]:
    """Read every file once; what was found is kept in the user's cache until a file changes.

    Args:
        files: their order is the order of the result.
        progress: called with the files done and the files in all.
    """
    kept = paths.cache() / "recordings" / f"{_key(files)}.json"
    try:
        return tuple(_from_dict(raw) for raw in json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        pass
    told: list[Found] = []
    # Decoding is C code that lets other threads run.
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done, one in enumerate(pool.map(audio.examine, files), start=1):
            told.append(one)
            progress(done, len(files))
    kept.parent.mkdir(parents=True, exist_ok=True)
    paths.write_whole(kept, json.dumps([dataclasses.asdict(one) for one in told]))
    return tuple(told)


def usable(
    files: Sequence[Path], root: Path, progress: Progress = lambda done, total: None
) -> tuple[Found, ...]:
    """Examine recordings that any front end may hear, and refuse those that none can; see ``require``."""
    told = examine(files, progress)
    _refuse(files, root, [found.refusals(one) for one in told])
    return told


def require(
    files: Sequence[Path],
    spec: ClipSpec,
    root: Path,
    long: Long = "first",
    progress: Progress = lambda done, total: None,
) -> tuple[Intake, tuple[tuple[int, ...], ...]]:
    """Examine recordings that a front end is to hear.

    Args:
        files: recordings.
        spec: the front end.
        root: of the data set; names are told from there.
        long: what becomes of those that are longer than the clip.
        progress: called with the files done and the files in all.

    Returns:
        What was found, and where the clips of every recording begin (samples at the spec's rate).

    Raises:
        DataError: some cannot be used; the message counts and names them.
    """
    told = examine(files, progress)
    _refuse(files, root, [found.refusals(one, spec, long) for one in told])
    kinds: Counter[str] = Counter()
    first: dict[str, str] = {}
    for path, one in zip(files, told, strict=True):
        for kind in sorted({f.kind for f in (*one.findings, *found.in_clip(one, spec, long))}):
            kinds[kind] += 1
            first.setdefault(kind, _name(path, root))
    starts = tuple(found.window_starts(one, spec, long) for one in told)
    clip_s = spec.clip_samples / spec.sample_rate_hz
    return Intake(len(files), clip_s, long, sum(map(len, starts)), dict(kinds), first), starts


def _refuse(files: Sequence[Path], root: Path, refused: Sequence[tuple[Finding, ...]]) -> None:
    lines = [
        f"{_name(path, root)}: {'; '.join(one.words for one in why)}"
        for path, why in zip(files, refused, strict=True)
        if why
    ]
    if not lines:
        return
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    too_long = all(one.kind == "too_long" for why in refused for one in why)
    what = "recordings are longer than the clip" if too_long else "recordings cannot be used"
    raise DataError(
        f"{len(lines)} of {len(files)} {what}",
        where=str(root),
        found="; ".join(lines[:_NAMED]) + more,
        hint="--long first hears their beginning, --long windows all of them"
        if too_long
        else "`ascmcu data check` names all; mend them, or take them out",
    )


def _name(path: Path, root: Path) -> str:
    return readable_name(str(path.relative_to(root) if path.is_relative_to(root) else path))


def _key(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for module in (audio, found, containers):
        digest.update(Path(str(module.__file__)).read_bytes())
    for path in files:
        try:
            status = path.stat()
            state = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError as error:
            state = f"{error.errno}"
        digest.update(os.fsencode(os.path.abspath(path)) + f"\0{state}\n".encode())
    return digest.hexdigest()[:24]


def _from_dict(raw: dict[str, object]) -> Found:
    findings = tuple(Finding(**one) for one in raw["findings"])  # type: ignore[attr-defined]
    return Found(**{**raw, "findings": findings})  # type: ignore[arg-type]
