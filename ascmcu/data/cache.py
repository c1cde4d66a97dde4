# SPDX-License-Identifier: Apache-2.0
"""Features of a whole data set: extracted once, kept in the user's cache, read back memory-mapped.

The cache's key covers the specification, the list of files with their sizes and times, and the source of the
extractor; nothing stale can be read. An interrupted extraction goes on where it stopped.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import functools
import hashlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import paths
from ascmcu.data import audio, containers, found
from ascmcu.data import variation as variations
from ascmcu.data.datasets import Dataset
from ascmcu.data.variation import Variation
from ascmcu.features import extract as extractor
from ascmcu.features import pcm
from ascmcu.features.spec import Learned

# Below this, starting worker processes (each imports librosa) costs more than they save.
PARALLEL_FROM_CLIPS = 500
CHUNK_CLIPS = 64

Progress = Callable[[int, int], None]
_Varied = tuple[Variation, int] | None
_Work = tuple[list[tuple[str, float]], Learned, _Varied]


def features(
    dataset: Dataset,
    spec: Learned,
    progress: Progress = lambda done, total: None,
    *,
    variation: Variation | None = None,
    version: int = 0,
    rows: Sequence[int] | npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float32]:
    """The features of every recording before normalization.

    Args:
        dataset: its recordings' order is the order of the result.
        spec: its ``mean_std`` normalization, if any, is left out.
        progress: called with the clips done and the clips in all.
        variation, version: the recordings as this version of them sounds.
        rows: only these are wanted; rows that were never extracted are zero.

    Returns:
        float32 (clips, *spec.shape), a read-only memory map.

    Raises:
        DataError: a recording cannot be read.
    """
    raw = spec.unnormalized() if spec.normalization == "mean_std" else spec
    varied = (variation, version) if variation and version else None
    folder = paths.cache() / "features" / _key(dataset, raw, varied)
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(dataset.recordings), *raw.shape)
    with _alone(folder):
        table = _open(folder / "features.npy", np.float32, shape)
        done = _open(folder / "done.npy", np.bool_, shape[:1])
        wanted = np.arange(len(done)) if rows is None else np.unique(np.asarray(rows, int))
        missing = wanted[~done[wanted]]
        chunks = [missing[start : start + CHUNK_CLIPS] for start in range(0, len(missing), CHUNK_CLIPS)]
        clips = [(str(recording.path), recording.start_s) for recording in dataset.recordings]
        work = [([clips[i] for i in chunk], raw, varied) for chunk in chunks]
        for chunk, values in zip(chunks, _map(work, len(missing)), strict=True):
            table[chunk] = values
            table.flush()
            done[chunk] = True
            done.flush()
            progress(int(done[wanted].sum()), len(wanted))
    return np.load(folder / "features.npy", mmap_mode="r")  # type: ignore[no-any-return]


def one(path: str, spec: Learned, start_s: float = 0.0) -> npt.NDArray[np.float32]:
    """The features of one clip as the device hears it, float32 ``spec.shape``.

    Raises:
        DataError: the file is no recording.
    """
    if not start_s:
        return extractor.extract(audio.load_pcm(Path(path), spec), spec)
    whole = _whole(path, spec)
    return extractor.extract(pcm.fit_clip(whole[round(start_s * spec.sample_rate_hz) :], spec), spec)


@functools.lru_cache(maxsize=1)
def _whole(path: str, spec: Learned) -> pcm.Pcm:
    """The recording whose clips are being taken."""
    return audio.whole_pcm(Path(path), spec)


def one_varied(path: str, spec: Learned, variation: Variation, version: int) -> npt.NDArray[np.float32]:
    """The features of a version of one file, float32 ``spec.shape``.

    Raises:
        DataError: the file is no recording.
    """
    heard = variations.varied(audio.load_pcm(Path(path), spec), spec, variation, version, path)
    return extractor.extract(heard, spec)


def _many(work: _Work) -> npt.NDArray[np.float32]:
    clips, spec, varied = work
    return np.stack(
        [one_varied(path, spec, *varied) if varied else one(path, spec, start_s) for path, start_s in clips]
    )


def _map(work: list[_Work], clips: int) -> Iterator[npt.NDArray[np.float32]]:
    jobs = len(os.sched_getaffinity(0))
    if clips < PARALLEL_FROM_CLIPS or jobs == 1:
        yield from map(_many, work)
        return
    # Spawned, not forked: the caller may run TensorFlow's threads already.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, context, initializer=_end_with_the_caller) as pool:
        yield from pool.map(_many, work)


def _end_with_the_caller() -> None:
    """A worker whose caller was killed would wait for work for ever."""

    def watch() -> None:
        caller = multiprocessing.parent_process()
        assert caller is not None
        caller.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the kernel lets the next one in when this one dies."""
    with (folder / "lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _key(dataset: Dataset, spec: Learned, varied: _Varied) -> str:
    digest = hashlib.sha256(spec.hash().encode())
    digest.update(repr(varied).encode() if varied else b"")
    if varied and varied[0].responses:
        for path in variations.response_files(Path(varied[0].responses)):
            digest.update(f"{path.name}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}\n".encode())
    for module in (extractor, pcm, audio, found, containers, *((variations,) if varied else ())):
        digest.update(Path(str(module.__file__)).read_bytes())
    for recording in dataset.recordings:
        status = recording.path.stat()
        digest.update(os.fsencode(recording.path.resolve()))
        begins = f"\0{recording.start_s}" if recording.start_s else ""
        digest.update(f"\0{status.st_size}\0{status.st_mtime_ns}{begins}\n".encode())
    return digest.hexdigest()[:24]


def _open(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A writable array on disk; zeros when it is new, and there as a whole or not at all."""
    if path.is_file():
        return np.load(path, mmap_mode="r+")  # type: ignore[no-any-return]
    partial = path.with_suffix(".partial")
    new = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=shape)
    os.replace(partial, path)
    return new
