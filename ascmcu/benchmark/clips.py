# SPDX-License-Identifier: Apache-2.0
"""The inputs of a benchmark: clips of a data set or rows of an array, one at a time and by name."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ascmcu.benchmark.pushes import pushed
from ascmcu.benchmark.wire import Kind
from ascmcu.data import anomalies
from ascmcu.data import labels as classes_of
from ascmcu.data.found import Intake, Long
from ascmcu.data.labels import Classes
from ascmcu.errors import DataError, InputError, why
from ascmcu.features.base import ClipSpec
from ascmcu.features.pcm import Pcm, fit_clip
from ascmcu.toolchain.manifest import Manifest, TensorSpec

if TYPE_CHECKING:
    from ascmcu.data.datasets import Dataset


@dataclass(frozen=True)
class Clip:
    """``label`` is the index of the right class, None where nobody knows. ``load`` gives the bytes to send.

    ``tags`` are the indices of all right classes, of multi-label data; None of other data.
    ``device`` is what recorded it, empty where nobody says. ``recording`` is the recording that it is a window of;
    empty where it is all of one. ``follows``: it is the next step of a network with states, behind the clip before it.
    """

    name: str
    label: int | None
    load: Callable[[], bytes]
    device: str = ""
    recording: str = ""
    follows: bool = False
    tags: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Clips:
    """``source`` says where they come from; ``labels`` are the classes in the order of the network's outputs.

    ``labels_source`` says where that order comes from; ``notices`` is what is to be said of it. ``heard`` is what
    reading the recordings found, None for tensors. ``anomalies``: the network reconstructs its input, and the classes
    are those of anomaly detection.
    """

    kind: Kind
    source: str
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    labels_source: str = ""
    notices: tuple[str, ...] = ()
    heard: Intake | None = None
    anomalies: bool = False

    @property
    def names(self) -> str:
        """Changes when the list of clips does. What they hold is compared clip by clip (``journal``)."""
        text = "\n".join(clip.name for clip in self.clips)
        return hashlib.sha256(f"{self.kind.name}\n{text}".encode()).hexdigest()

    @property
    def identity(self) -> str:
        """Tells this list from one of the same names elsewhere."""
        return hashlib.sha256(f"{Path(self.source).resolve()}\n{self.names}".encode()).hexdigest()


def from_data(
    manifest: Manifest,
    data: Path,
    split: str | None,
    limit: int | None,
    names: Path | None = None,
    long: Long = "first",
    columns: Sequence[str] = (),
) -> Clips:
    """The recordings of a folder or table, for a firmware with a front end.

    Args:
        split: the part to take: its name, or ``fold5`` or ``fold=5`` for the part ``5``.
        limit: at most so many recordings, of all classes and devices in their shares (``sampled``).
        names: a file with the network's classes in the order of its outputs.
        long: what becomes of recordings that are longer than the clip: their first clip, an error, or every window.
        columns: of a table, as ``field=name`` (``listing.Columns``).

    Raises:
        DataError: nothing there, no such part, a class that the network does not know, recordings that cannot be used.
        InputError: the firmware takes no audio.
    """
    from ascmcu.data import datasets, intake
    from ascmcu.features import spec as specs

    if manifest.features is None:
        raise InputError(
            "this export takes tensors, not audio",
            where=manifest.model,
            hint="export with --features SPEC.toml, or bench with --tensors IN.npy",
        )
    spec = specs.from_dict(manifest.features)
    dataset = datasets.load(data, datasets.Columns.named(columns))
    together: tuple[str, ...] = ()
    if split is not None:
        dataset = dataset.only([split if split in dataset.unions else part_name(split, dataset.parts)])
    elif len(dataset.parts) > 1:
        parts = ", ".join(dataset.parts)
        together = (
            f"all parts are scored together ({parts}); --split takes one, such as the one not trained on",
        )
    if spec.continues:
        return _steps_of_data(manifest, spec, dataset, data, limit, names)
    dataset, classes, told = _named(manifest, names, dataset, data)
    recordings = dataset.recordings
    strata = [(recording.label, recording.device) for recording in recordings]
    chosen = [recordings[number] for number in sampled(strata, limit)]
    files = [recording.path for recording in chosen]
    heard, starts = intake.require(files, spec, dataset.root, long)
    clips = []
    for recording, begins in zip(chosen, starts, strict=True):
        path = recording.path
        name = str(path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path)
        label = None if recording.tags else classes.labels.index(recording.label)
        tags = None
        if recording.tags:
            tags = tuple(n for n, name in enumerate(classes.labels) if name in recording.tags)
        for number, start in enumerate(begins, start=1):
            window = f"{name}[{number}/{len(begins)}]" if len(begins) > 1 else name
            whole = name if len(begins) > 1 else ""
            load = functools.partial(_audio, path, spec, start)
            clips.append(Clip(window, label, load, recording.device, whole, tags=tags))
    return Clips(
        Kind.AUDIO,
        str(data),
        classes.labels,
        tuple(clips),
        classes.source,
        (*classes.notices, *told, *together),
        heard,
        _finds_anomalies(manifest, names, anomalies.is_of(dataset.labels)),
    )


def _finds_anomalies(manifest: Manifest, names: Path | None, told_apart: bool) -> bool:
    """Whether the answers are reconstructions, which tell normal from anomalous sounds.

    Args:
        told_apart: whether the data say which sounds are anomalies.
    """
    return names is None and (manifest.reconstructs or (manifest.may_reconstruct and told_apart))


def _named(
    manifest: Manifest, names: Path | None, dataset: Dataset, data: Path
) -> tuple[Dataset, Classes, tuple[str, ...]]:
    """The data set as the network hears it, the classes, and what is to be said of both."""
    from ascmcu.data import words

    told_apart = anomalies.is_of(dataset.labels)
    if told_apart and _finds_anomalies(manifest, names, told_apart):
        return dataset, Classes(anomalies.LABELS, "anomaly detection"), ()
    named = _classes(manifest, names, dataset.labels)
    if dataset.multi_label:
        return dataset, *_tags(named, dataset, data)
    dataset, as_words = words.of_network(dataset, named.labels)
    return dataset, classes_of.matched(named, dataset.labels, str(data)), as_words


def _tags(named: Classes, dataset: Dataset, data: Path) -> tuple[Classes, tuple[str, ...]]:
    """The network's classes; those of multi-label data that it does not know are left out, unless it knows none."""
    strange = [label for label in dataset.labels if label not in named.labels]
    if len(strange) == len(dataset.labels):
        return classes_of.matched(named, dataset.labels, str(data)), ()
    told = f"the network does not know {classes_of.listed(strange)}: these are left out" if strange else ""
    return named, tuple(filter(None, (told,)))


def _steps_of_data(
    manifest: Manifest,
    spec: ClipSpec,
    dataset: Dataset,
    data: Path,
    limit: int | None,
    names: Path | None,
) -> Clips:
    """Every step of the recordings, for a network with states: nobody says which steps are right ones.

    Raises:
        DataError: recordings that cannot be used, or that are shorter than the first step.
    """
    from ascmcu.data import found, intake

    recordings = [
        dataset.recordings[n] for n in sampled([(r.label, r.device) for r in dataset.recordings], limit)
    ]
    told = intake.usable([recording.path for recording in recordings], dataset.root)
    clips = []
    for recording, one in zip(recordings, told, strict=True):
        path = recording.path
        name = str(path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path)
        for number, (begin, end) in enumerate(steps(found.samples_at(one, spec.sample_rate_hz), spec)):
            load = functools.partial(_samples, path, spec, begin, end)
            clips.append(Clip(f"{name}[{number}]", None, load, recording.device, follows=number > 0))
    if not clips:
        raise DataError(
            "no recording is as long as the network's first step",
            where=str(data),
            expected=f"{spec.clip_samples} samples at {spec.sample_rate_hz} Hz",
        )
    classes = _classes(manifest, names, ()) if names is not None or manifest.labels else Classes((), "")
    return Clips(Kind.AUDIO, str(data), classes.labels, tuple(clips), classes.source, (*classes.notices,))


def steps(samples: int, spec: ClipSpec) -> list[tuple[int, int]]:
    """Begin and end of what each step takes of a recording, in samples; what is left at its end makes no step."""
    ends = list(range(spec.clip_samples, samples + 1, spec.step_samples))
    return list(zip([0, *ends], ends, strict=False))


def _samples(path: Path, spec: ClipSpec, begin: int, end: int) -> bytes:
    pcm = _whole(path, spec, path.stat().st_mtime_ns)[begin:end]
    return np.pad(pcm, ((0, end - begin - len(pcm)), (0, 0))).astype("<i2").tobytes()


def _audio(path: Path, spec: ClipSpec, start: int) -> bytes:
    pcm = _whole(path, spec, path.stat().st_mtime_ns)[start:]
    return fit_clip(pcm, spec).astype("<i2").tobytes()


@functools.lru_cache(maxsize=1)
def _whole(path: Path, spec: ClipSpec, changed_ns: int) -> Pcm:
    """The recording whose windows are being sent; read anew when its file has changed."""
    from ascmcu.data import audio

    return audio.whole_pcm(path, spec)


def _classes(manifest: Manifest, names: Path | None, found: Sequence[str]) -> Classes:
    spec = manifest.outputs[0]
    values = spec.row_bytes // np.dtype(spec.dtype).itemsize
    by = manifest.labels_source or "the model's metadata"
    return classes_of.of_network(values, manifest.labels, by, names, found, manifest.model)


def from_tensors(
    manifest: Manifest,
    tensors: Path | npt.NDArray[Any] | Sequence[npt.NDArray[Any]],
    limit: int | None,
    names: Path | None = None,
    truth: Path | npt.NDArray[Any] | None = None,
) -> Clips:
    """The rows of an array (N, *input shape) in the network's input dtype; of several inputs, of one array each.

    For a network with states they are the steps of one clip; (M, N, *input shape) holds M clips of N steps, each of
    which begins with the initial states. For a network that reconstructs its input (M, N, *input shape) are M
    recordings of N windows.

    Args:
        manifest: of the export.
        tensors: the array, or its ``.npy``; of several inputs an array each, or their ``.npz``, which names them as the
            network does or has them in its order.
        limit: at most so many: of all classes in their shares where ``truth`` says them, else from the front.
        names: a file with the network's classes in the order of its outputs.
        truth: (N,) class numbers or class names, as an array or its ``.npy``; 0 or 1 for each class (N, classes) where
            there may be several; of a network that reconstructs its input (N,) or (M,), 0 for normal, 1 for anomaly.

    Raises:
        DataError: no array, one of another shape or dtype, or a truth that does not fit it or the network.
    """
    arrays, where = _arrays(tensors, manifest.inputs)
    steps = 0
    finds_anomalies = _finds_anomalies(manifest, names, truth is not None)
    windows = finds_anomalies
    for number, (spec, array) in enumerate(zip(manifest.inputs, arrays, strict=True)):
        if windows:
            array = _with_batch(array, spec)
        steps, arrays[number] = _of_input(array, spec, where, clips=bool(manifest.state_bytes) or windows)
    count = len(arrays[0])
    if any(len(array) != count for array in arrays):
        raise DataError(
            "the inputs are of different numbers", where=where, found=", ".join(str(len(a)) for a in arrays)
        )
    windows = windows and steps < count
    classes, right = _truth(manifest, names, truth, count // steps if windows else count)
    if windows:
        right = right.repeated(steps)
    numbers: Sequence[int] = range(count if limit is None else min(limit * (steps if windows else 1), count))
    if right.labels and not manifest.state_bytes and not windows:
        numbers = sampled([(str(label),) for label in right.labels], limit)
    chosen = [
        Clip(
            f"{i // steps}.{i % steps}" if steps < count else f"{i}",
            right.labels[i] if right.labels else None,
            functools.partial(pushed, [array[i] for array in arrays], manifest.inputs),
            recording=f"{i // steps}" if windows else "",
            follows=bool(manifest.state_bytes and i % steps),
            tags=right.tags[i] if right.tags else None,
        )
        for i in numbers
    ]
    return Clips(
        Kind.TENSOR,
        where,
        classes.labels,
        tuple(chosen),
        classes.source,
        classes.notices,
        anomalies=finds_anomalies,
    )


def from_samples(manifest: Manifest, samples: npt.NDArray[Any]) -> Clips:
    """Recordings as an array, for a firmware with a front end.

    Args:
        manifest: of the export.
        samples: int16 (N, samples) or (N, samples, channels), each as long as the network's clip, at its sample rate;
            for a network with states of any length from its first step on.

    Raises:
        InputError: the firmware takes no audio.
        DataError: an array of another shape or dtype.
    """
    from ascmcu.features import spec as specs

    if manifest.features is None:
        raise InputError(
            "this export takes tensors, not audio",
            where=manifest.model,
            hint="give them as inputs, or export with features",
        )
    found = of_samples(samples, specs.from_dict(manifest.features))
    return Clips(Kind.AUDIO, "the array", manifest.labels, found, manifest.labels_source)


def of_samples(samples: npt.NDArray[Any], spec: ClipSpec) -> tuple[Clip, ...]:
    """The clips of an array, or the steps of its recordings; see ``from_samples``.

    Raises:
        DataError: an array of another shape or dtype.
    """
    clips = []
    for number, pcm in enumerate(checked_samples(samples, spec)):
        parts = steps(len(pcm), spec) if spec.continues else [(0, len(pcm))]
        for step, (begin, end) in enumerate(parts):
            name = f"{number}[{step}]" if spec.continues else str(number)
            load = functools.partial(pcm[begin:end].astype("<i2").tobytes)
            clips.append(Clip(name, None, load, follows=step > 0))
    return tuple(clips)


def checked_samples(samples: npt.NDArray[Any], spec: ClipSpec) -> npt.NDArray[np.int16]:
    """The clips, or recordings of a network with states, as int16 (N, samples, channels).

    Raises:
        DataError: an array of another shape or dtype.
    """
    array = samples[:, :, np.newaxis] if samples.ndim == 2 else samples
    fits = array.ndim == 3 and array.dtype == np.int16 and array.shape[2] == spec.audio_channels
    long = fits and array.shape[1] >= spec.clip_samples and len(array)
    if not long or (array.shape[1] != spec.clip_samples and not spec.continues):
        least = " or more" if spec.continues else ""
        raise DataError(
            "the array does not hold clips of this network",
            expected=f"int16 (N, {spec.clip_samples}{least}, {spec.audio_channels}), at {spec.sample_rate_hz} Hz",
            found=f"{samples.dtype} {samples.shape}",
        )
    return array


def _with_batch(array: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[Any]:
    """(M, N, *input shape), where the input's batch of one was left out and M recordings have several windows."""
    unbatched = spec.shape[0] == 1 and array.ndim == len(spec.shape) + 1 and array.shape[1] > 1
    return array[:, :, np.newaxis] if unbatched and array.shape[2:] == spec.shape[1:] else array


def _of_input(
    array: npt.NDArray[Any], spec: TensorSpec, where: str, *, clips: bool
) -> tuple[int, npt.NDArray[Any]]:
    """Steps of a clip, and the array as (N, *input shape); with ``clips`` it may be (M, N, *input shape)."""
    given, steps = array, len(array) if array.ndim else 0
    if clips and array.ndim == len(spec.shape) + 2:
        steps = array.shape[1]
        array = array.reshape(-1, *array.shape[2:])
    if array.shape[1:] == spec.shape[1:] and spec.shape[0] == 1:
        array = array[:, np.newaxis]
    holds = bool(array.ndim) and len(array) and array.shape[1:] == spec.shape
    if not holds or array.dtype != np.dtype(spec.dtype):
        raise DataError(
            "the array does not hold inputs of this network",
            where=f"{where}: {spec.name}",
            expected=f"{spec.dtype} (N, {', '.join(map(str, spec.shape))})",
            found=f"{given.dtype} {given.shape}",
        )
    return steps, array


def _arrays(
    source: Path | npt.NDArray[Any] | Sequence[npt.NDArray[Any]], specs: Sequence[TensorSpec]
) -> tuple[list[npt.NDArray[Any]], str]:
    """One array for each input, and what messages call them."""
    if len(specs) == 1 and isinstance(source, Path | np.ndarray):
        array, where = _array(source)
        return [array], where
    names = [spec.name for spec in specs]
    found: list[npt.NDArray[Any]] = []
    where = str(source) if isinstance(source, Path) else "the arrays"
    if isinstance(source, Path):
        stored = _stored(source)
        ordered = (
            stored.values() if not set(names) & set(stored) else [stored[n] for n in names if n in stored]
        )
        found = list(ordered)
    elif not isinstance(source, np.ndarray):
        found = [np.asarray(array) for array in source]
    if len(found) != len(specs):
        raise DataError(
            "the network takes several inputs, an array for each",
            where=where,
            expected=f"{len(specs)} arrays in a .npz: {', '.join(names)}",
            found=len(found) or "one array",
        )
    return found, where


def _stored(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a ``.npz`` by name; none where it is something else."""
    try:
        stored = np.load(path)
        if isinstance(stored, np.ndarray):
            return {}
        with stored:
            return dict(stored)
    except (OSError, ValueError) as error:
        raise DataError("not a readable .npz file", where=str(path), found=why(error)) from error


def _array(source: Path | npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str]:
    """The array, and what messages call it."""
    if isinstance(source, np.ndarray):
        return source, "the array"
    path = source
    try:
        return np.lib.format.open_memmap(path, mode="r"), str(path)
    except (OSError, ValueError) as error:
        raise DataError("not a readable .npy file", where=str(path), found=why(error)) from error


@dataclass(frozen=True)
class _Right:
    """The right class of every tensor, or all right classes of every tensor; both empty where nobody says."""

    labels: tuple[int, ...] = ()
    tags: tuple[tuple[int, ...], ...] = ()

    def repeated(self, times: int) -> _Right:
        """For so many windows of each."""
        return _Right(tuple(label for label in self.labels for _ in range(times)))


def _truth(
    manifest: Manifest, names: Path | None, truth: Path | npt.NDArray[Any] | None, count: int
) -> tuple[Classes, _Right]:
    """The network's classes, and the right ones of every tensor."""
    if truth is None:
        known = names is not None or manifest.labels
        return (_classes(manifest, names, ()) if known else Classes((), "")), _Right()
    array, where = _array(truth)
    if _finds_anomalies(manifest, names, told_apart=True):
        return Classes(anomalies.LABELS, "anomaly detection"), _Right(_anomalous(array, where, count))
    if array.ndim == 2 and array.shape[1] > 1:
        return _several(manifest, names, array, where, count)
    if array.shape not in ((count,), (count, 1)) or array.dtype.kind not in "iuU":
        raise DataError(
            "the labels do not fit the tensors",
            where=where,
            expected=f"({count},) whole numbers or names",
            found=f"{array.dtype} {array.shape}",
        )
    if array.dtype.kind == "U":
        told = [str(name) for name in array.reshape(-1)]
        classes = classes_of.matched(_classes(manifest, names, told), told, where)
        return classes, _Right(tuple(classes.labels.index(name) for name in told))
    spec = manifest.outputs[0]
    numbers = [str(i) for i in range(spec.row_bytes // np.dtype(spec.dtype).itemsize)]
    named = names is not None or manifest.labels
    classes = (
        _classes(manifest, names, ()) if named else Classes(tuple(numbers), "the numbers of the outputs")
    )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= len(numbers):
        raise DataError(
            "the labels name a class that the network does not have",
            where=where,
            expected=f"0 … {len(numbers) - 1}",
            found=f"{low} … {high}",
        )
    return classes, _Right(tuple(int(number) for number in array.reshape(-1)))


def _anomalous(array: npt.NDArray[Any], where: str, count: int) -> tuple[int, ...]:
    """0 for normal, 1 for anomaly, of numbers or of names."""
    if array.dtype.kind == "U" and set(array.reshape(-1)) <= set(anomalies.LABELS):
        array = (array == anomalies.LABELS[1]).astype(np.int64)
    if array.shape != (count,) or array.dtype.kind not in "iub" or not set(array.tolist()) <= {0, 1}:
        raise DataError(
            "the labels do not fit the recordings of a network that reconstructs its input",
            where=where,
            expected=f"({count},) of 0 (normal) and 1 (anomaly), or these names",
            found=f"{array.dtype} {array.shape}",
        )
    return tuple(int(each) for each in array)


def _several(
    manifest: Manifest, names: Path | None, array: npt.NDArray[Any], where: str, count: int
) -> tuple[Classes, _Right]:
    """The network's classes, and all right ones of every tensor."""
    spec = manifest.outputs[0]
    values = spec.row_bytes // np.dtype(spec.dtype).itemsize
    if array.shape != (count, values) or array.dtype.kind not in "iub" or not np.isin(array, (0, 1)).all():
        raise DataError(
            "the labels do not fit the tensors",
            where=where,
            expected=f"({count}, {values}) of 0 and 1: which classes each has",
            found=f"{array.dtype} {array.shape}",
        )
    named = names is not None or manifest.labels
    classes = (
        _classes(manifest, names, ())
        if named
        else Classes(tuple(str(n) for n in range(values)), "the numbers of the outputs")
    )
    return classes, _Right(tags=tuple(tuple(np.flatnonzero(row).tolist()) for row in array))


def outputs(manifest: Manifest, raw: bytes) -> list[npt.NDArray[np.generic]]:
    """The device's output bytes as arrays of the network's output shapes.

    Raises:
        InputError: more or fewer bytes than the export's outputs have.
    """
    types = [np.dtype(spec.dtype).newbyteorder("<") for spec in manifest.outputs]
    sizes = [math.prod(spec.shape) * t.itemsize for spec, t in zip(manifest.outputs, types, strict=True)]
    if len(raw) != sum(sizes):
        raise InputError(
            "the firmware's outputs are not the export's", expected=f"{sum(sizes)} bytes", found=len(raw)
        )
    ends = itertools.accumulate(sizes)
    return [
        np.frombuffer(raw[end - size : end], t).reshape(spec.shape)
        for spec, t, size, end in zip(manifest.outputs, types, sizes, ends, strict=True)
    ]


def part_name(split: str, parts: tuple[str, ...]) -> str:
    short = split.removeprefix("fold").removeprefix("=")
    return short if split not in parts and short in parts else split


def sampled(strata: Sequence[tuple[str, ...]], limit: int | None) -> list[int]:
    """At most ``limit`` numbers of things, in their order: of each stratum its share, and in it evenly spread.

    Args:
        strata: of each thing what it is by, the coarsest first: (class, device). Classes get their shares of
            ``limit``, each at least one where there are enough; within a class so do devices.
        limit: None for all.
    """
    return sorted(_sampled(range(len(strata)), strata, limit if limit is not None else len(strata), 0))


def _sampled(numbers: Sequence[int], strata: Sequence[tuple[str, ...]], count: int, depth: int) -> list[int]:
    if count >= len(numbers):
        return list(numbers)
    if not numbers or depth == len(strata[numbers[0]]):
        return [numbers[i * len(numbers) // count] for i in range(count)]
    groups: dict[str, list[int]] = {}
    for number in numbers:
        groups.setdefault(strata[number][depth], []).append(number)
    shares = _shares([len(group) for group in groups.values()], count)
    pairs = zip(groups.values(), shares, strict=True)
    return [number for group, share in pairs for number in _sampled(group, strata, share, depth + 1)]


def _shares(sizes: Sequence[int], count: int) -> list[int]:
    """``count`` of ``sum(sizes)`` things by group: proportional, none empty where ``count`` is large enough."""
    given = [1 if count >= len(sizes) else 0] * len(sizes)
    while sum(given) < count:
        owed = [count * size / sum(sizes) - had for size, had in zip(sizes, given, strict=True)]
        given[max(range(len(sizes)), key=owed.__getitem__)] += 1
    return given
