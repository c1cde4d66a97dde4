# SPDX-License-Identifier: Apache-2.0
"""A network on a runner, over its protocol, against LiteRT's reference kernels: raw outputs, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ascmcu import boards
from ascmcu.benchmark import clips as clip_sources
from ascmcu.benchmark import run as bench
from ascmcu.ir.types import Array
from ascmcu.runners import base
from ascmcu.toolchain.manifest import Manifest
from tests.support.litert import Reference


def random_inputs(folder: Path, count: int, seed: int) -> Array:
    """``count`` inputs of an export, over the whole range of its dtype: (count, *input shape)."""
    spec = Manifest.load(folder).inputs[0]
    range_ = np.iinfo(spec.dtype)
    rng = np.random.default_rng(seed)
    return rng.integers(range_.min, range_.max, (count, *spec.shape), spec.dtype, endpoint=True)


def expected(model: Path, inputs: Array) -> Array:
    """What LiteRT computes: (count, *output shape) of the first output."""
    reference = Reference(model.read_bytes())
    return np.stack([reference([x])[0] for x in inputs])


def on_runner(folder: Path, runner: str, inputs: Array) -> Array:
    """What the firmware in ``folder`` answers, sent through ``runner``'s link."""
    manifest = Manifest.load(folder)
    target = base.Target(folder, boards.load(manifest.board), manifest, manifest.features is not None)
    path = folder / "inputs.npy"
    np.save(path, inputs)
    clips = clip_sources.from_tensors(manifest, path, None)
    result = bench.run(target, base.create(runner, target), clips)
    return np.stack([clip_sources.outputs(manifest, clip.outputs)[0] for clip in result.clips])
