"""Features of a whole data set: extracted once, kept in the user's cache, read back memory-mapped.

The cache's key covers the specification, the list of files with their sizes and times, and the source of the
extractor; nothing stale can be read. An interrupted extraction goes on where it stopped.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import paths
from ascmcu.data import audio
from ascmcu.data.datasets import Dataset
from ascmcu.features import extract as extractor
from ascmcu.features import pcm
from ascmcu.features.spec import FeatureSpec

# Below this, starting worker processes (each imports librosa) costs more than they save.
PARALLEL_FROM_CLIPS = 500
CHUNK_CLIPS = 64

Progress = Callable[[int, int], None]


def features(
    dataset: Dataset, spec: FeatureSpec, progress: Progress = lambda done, total: None
) -> npt.NDArray[np.float32]:
    """The features of every recording before normalization.

    Args:
        dataset: its recordings' order is the order of the result.
        spec: its ``mean_std`` normalization, if any, is left out.
        progress: called with the clips done and the clips in all.

    Returns:
        float32 (clips, *spec.shape), a read-only memory map.

    Raises:
        DataError: a recording cannot be read.
    """
    raw = spec.unnormalized() if spec.normalization == "mean_std" else spec
    folder = paths.cache() / "features" / _key(dataset, raw)
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(dataset.recordings), *raw.shape)
    table = _open(folder / "features.npy", np.float32, shape)
    done = _open(folder / "done.npy", np.bool_, shape[:1])
    missing = np.flatnonzero(~done)
    chunks = [missing[start : start + CHUNK_CLIPS] for start in range(0, len(missing), CHUNK_CLIPS)]
    work = [([str(dataset.recordings[i].path) for i in chunk], raw) for chunk in chunks]
    for chunk, values in zip(chunks, _map(work, len(missing)), strict=True):
        table[chunk] = values
        table.flush()
        done[chunk] = True
        done.flush()
        progress(int(done.sum()), len(done))
    return np.load(folder / "features.npy", mmap_mode="r")  # type: ignore[no-any-return]


def one(path: str, spec: FeatureSpec) -> npt.NDArray[np.float32]:
    """The features of one file as the device hears it, float32 ``spec.shape``.

    Raises:
        DataError: the file is no recording.
    """
    return extractor.extract(audio.load_pcm(Path(path), spec), spec)


def _many(work: tuple[list[str], FeatureSpec]) -> npt.NDArray[np.float32]:
    files, spec = work
    return np.stack([one(path, spec) for path in files])


def _map(work: list[tuple[list[str], FeatureSpec]], clips: int) -> Iterator[npt.NDArray[np.float32]]:
    jobs = len(os.sched_getaffinity(0))
    if clips < PARALLEL_FROM_CLIPS or jobs == 1:
        yield from map(_many, work)
        return
    # Spawned, not forked: the caller may run TensorFlow's threads already.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(_many, work)


def _key(dataset: Dataset, spec: FeatureSpec) -> str:
    digest = hashlib.sha256(spec.hash().encode())
    for module in (extractor, pcm, audio):
        digest.update(Path(str(module.__file__)).read_bytes())
    for recording in dataset.recordings:
        status = recording.path.stat()
        digest.update(f"{recording.path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _open(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A writable array on disk; zeros when it is new."""
    if path.is_file():
        return np.load(path, mmap_mode="r+")  # type: ignore[no-any-return]
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
