# SPDX-License-Identifier: Apache-2.0
"""Inputs for who has none at hand: the extremes of the input's type, and seeded noise.

They show cycles, memory and that the firmware computes what the network does. They say nothing of its accuracy.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ascmcu.benchmark.clips import Clip, Clips, of_samples
from ascmcu.benchmark.pushes import pushed
from ascmcu.benchmark.wire import Kind
from ascmcu.features import spec as specs
from ascmcu.features.base import ClipSpec
from ascmcu.features.pcm import Pcm
from ascmcu.toolchain.manifest import Manifest, TensorSpec

SEED = 1
COUNT = 12
_FULL_SCALE = 32767
_NOISE_DBFS = (-6.0, -20.0, -40.0, -60.0)


def clips(manifest: Manifest, limit: int | None = None) -> Clips:
    """Audio where the export has a front end, else tensors; the same ones every time.

    Args:
        manifest: of the export.
        limit: how many; ``COUNT`` by default, of a network of windows so many full ones. The extremes come first, the
            rest is noise.
    """
    listening = manifest.listening
    if manifest.features is not None and listening is not None and not listening.steps:
        hops = COUNT + listening.warmup_hops if limit is None else limit
        chosen = _hops(specs.from_dict(manifest.features), hops)
        return Clips(Kind.AUDIO, _source(), manifest.labels, chosen, notices=_notices())
    return separate(manifest, COUNT if limit is None else limit)


def separate(manifest: Manifest, count: int = COUNT) -> Clips:
    """As ``clips``, but none follows another one: of a network of windows, each is a first hop."""
    if manifest.features is None:
        return _tensors(manifest, count)
    spec = specs.from_dict(manifest.features)
    made = zip(range(count), _audio(spec), strict=False)
    chosen = tuple(Clip(name, None, functools.partial(pcm.astype("<i2").tobytes)) for _, (name, pcm) in made)
    return Clips(Kind.AUDIO, _source(), manifest.labels, chosen, notices=_notices())


def _hops(spec: ClipSpec, count: int) -> tuple[Clip, ...]:
    """The hops of one recording, in which the made clips follow each other."""
    samples = spec.clip_samples + (count - 1) * spec.step_samples
    parts = -(-samples // spec.clip_samples)
    pcm = np.concatenate([part for _, (_, part) in zip(range(parts), _audio(spec), strict=False)])
    return of_samples(pcm[np.newaxis, :samples], spec)


def _tensors(manifest: Manifest, count: int) -> Clips:
    made = zip(*(_values(spec, SEED + i) for i, spec in enumerate(manifest.inputs)), strict=True)
    chosen = tuple(
        Clip(each[0][0], None, functools.partial(pushed, [value for _, value in each], manifest.inputs))
        for _, each in zip(range(count), made, strict=False)
    )
    return Clips(Kind.TENSOR, _source(), (), chosen, notices=_notices())


def _source() -> str:
    return f"made inputs: extremes and noise, seed {SEED}"


def _notices() -> tuple[str, ...]:
    return (f"no --data and no --tensors: {_source()}; they say nothing of the accuracy",)


def _values(spec: TensorSpec, seed: int) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    """Extremes of the type, then noise without end. Float inputs: ±1 for the extremes, noise of unit variance."""
    dtype = np.dtype(spec.dtype)
    whole = np.issubdtype(dtype, np.integer)
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (-1, 1)
    size = int(np.prod(spec.shape))
    yield "smallest", np.full(spec.shape, low, dtype)
    yield "largest", np.full(spec.shape, high, dtype)
    yield "zero", np.full(spec.shape, spec.zero_point if whole else 0, dtype)
    yield "alternating", np.where(np.arange(size) % 2, high, low).astype(dtype).reshape(spec.shape)
    rng = np.random.default_rng(seed)
    number = 0
    while True:
        number += 1
        if whole:
            yield f"noise {number}", rng.integers(low, high, spec.shape, dtype, endpoint=True)
        else:
            yield f"noise {number}", rng.standard_normal(spec.shape).astype(dtype)


def _audio(spec: ClipSpec) -> Iterator[tuple[str, Pcm]]:
    """Silence, the extremes of int16, one step, a tone of 1 kHz, then noise at several levels without end."""
    shape = (spec.clip_samples, spec.audio_channels)
    seconds = np.arange(spec.clip_samples)[:, np.newaxis] / spec.sample_rate_hz
    impulse = np.zeros(shape, np.int16)
    impulse[spec.clip_samples // 2] = _FULL_SCALE
    square = np.where(np.arange(spec.clip_samples) // 16 % 2, _FULL_SCALE, -_FULL_SCALE - 1)
    tone = np.round(_FULL_SCALE * np.sin(2 * np.pi * 1000 * seconds))
    yield "silence", np.zeros(shape, np.int16)
    yield "impulse", impulse
    yield "one step", np.ones(shape, np.int16)
    yield "square wave", np.broadcast_to(square[:, np.newaxis], shape).astype(np.int16)
    yield "tone", np.broadcast_to(tone, shape).astype(np.int16)
    rng = np.random.default_rng(SEED)
    number = 0
    while True:
        level_dbfs = _NOISE_DBFS[number % len(_NOISE_DBFS)]
        number += 1
        noise = rng.standard_normal(shape) * _FULL_SCALE * 10 ** (level_dbfs / 20)
        yield f"noise {number}", np.clip(np.round(noise), -32768, 32767).astype(np.int16)
