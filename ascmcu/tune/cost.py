# SPDX-License-Identifier: Apache-2.0
"""The cost of a network compiled for a board: RAM, flash, and simulated cycles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ascmcu import api, zoo
from ascmcu import scratch as scratches
from ascmcu.data.datasets import Dataset
from ascmcu.features.spec import FeatureSpec, Learned
from ascmcu.train.recipe import Recipe

# Inputs that stand for real ones when an untrained network is quantized: its cost hardly depends on them.
_STAND_INS = 4


@dataclass(frozen=True)
class Cost:
    """Of the linked firmware: bytes of RAM that it needs, and of flash; cycles per clip of the network, and of network
    and front end together, where they were simulated, at the board's wait states."""

    ram_bytes: int
    flash_bytes: int
    cycles: int | None
    clip_cycles: int | None = None


def of(model: Path, board: str, clip: Path | None, folder: Path | None = None) -> Cost:
    """Export a ``.tflite`` and read its figures.

    Args:
        model: with or without features.
        board: a board's name or file.
        clip: a data set whose first clip is simulated; None leaves the cycles out.
        folder: keeps the export.

    Raises:
        BoardError: it does not fit the board.
    """
    with scratches.folder() as scratch:
        place = folder or scratch / "export"
        manifest = api.export(model, board, place).manifest
        cycles = clip_cycles = None
        if clip is not None:
            counts = api.bench(place, on="sim", data=clip, limit=1).counts
            assert counts is not None
            cycles, clip_cycles = int(counts.network), int(counts.network + counts.frontend)
        return Cost(manifest.needed_ram_bytes, manifest.flash_bytes["total"], cycles, clip_cycles)


def untrained(recipe: Recipe, dataset: Dataset) -> bytes:
    """The int8 ``.tflite`` of the recipe's network before any training, with its features."""
    from ascmcu.quantize import metadata, ptq

    spec = _stand_in(recipe.features)
    shape = spec.input_shape[1:]
    groups = {"groups": len(recipe.heads.groups)} if recipe.heads.groups else {}
    options, task = {**groups, **recipe.network.options}, recipe.training.task
    model = zoo.build(recipe.network.name, shape, len(dataset.labels), options, task)
    rng = np.random.default_rng(0)
    # Offsets begin at zero, which some limits do not count; hardly any stays there.
    model.set_weights([w if np.any(w) else rng.normal(0.0, 0.01, w.shape) for w in model.get_weights()])
    converted = ptq.int8(model, rng.standard_normal((_STAND_INS, *shape)).astype(np.float32))
    return metadata.embedded(converted, spec, () if task == "reconstruction" else dataset.labels, task)


def _stand_in(spec: Learned) -> Learned:
    """A specification whose statistics are still to be measured, with plain ones: tables have the same size."""
    if not isinstance(spec, FeatureSpec) or spec.normalization != "mean_std" or spec.is_fitted:
        return spec
    rows = tuple(tuple(0.0 for _ in range(spec.bands)) for _ in range(spec.normalized_channels))
    ones = tuple(tuple(1.0 for _ in row) for row in rows)
    return spec.replace(mean=rows, std=ones)
