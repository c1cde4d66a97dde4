# SPDX-License-Identifier: Apache-2.0
"""Augmentation of normalised features: pure functions of an array and a random generator.

The steps take x: float32 (clips, rows, bands, channels), rows being time, and return an array of that shape, but
for ``cropped``. Targets y are any columns that mix as the clips do: one-hot labels, teachers' answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.features.spec import FeatureSpec, Learned
from ascmcu.features.tables import natural_units
from ascmcu.train.recipe import Augment

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Levels:
    """From normalised features to natural logarithms of energies, x × scale + offset: (bands, channels)."""

    scale: Array
    offset: Array

    @staticmethod
    def of(spec: Learned) -> Levels:
        """Those of a fitted specification without deltas whose normalisation is ``mean_std`` or ``none``."""
        unit = natural_units(spec)
        assert isinstance(spec, FeatureSpec), "natural_units refuses others"
        shape = (spec.bands, spec.output_channels)
        mean = np.array(spec.mean).T if spec.mean else np.zeros(shape)
        std = np.array(spec.std).T if spec.std else np.ones(shape)
        return Levels((std * unit).astype(np.float32), (mean * unit).astype(np.float32))


def augmented(
    x: Array,
    y: Array,
    recipe: Augment,
    rng: np.random.Generator,
    time_axis: int = 1,
    levels: Levels | None = None,
    epoch: int = 0,
) -> tuple[Array, Array]:
    """A batch and its targets, float32 (clips, columns), after every step that the recipe asks for.

    Args:
        time_axis: 2 where the network's input has the bands in front.
        levels: what ``mixup_energy`` needs.
        epoch: counted from 0.
    """
    if time_axis == 2:
        x, y = augmented(np.swapaxes(x, 1, 2), y, recipe, rng, 1, levels, epoch)
        return np.ascontiguousarray(np.swapaxes(x, 1, 2)), y
    x = _placed(x, recipe, rng)
    x = _coloured(x, recipe, rng)
    half = bool(recipe.mixup_half_from) and epoch >= recipe.mixup_half_from
    if recipe.mixup_alpha and recipe.mixup_energy and levels:
        x, y = mixed_as_sounds(x, y, recipe.mixup_alpha, levels, rng)
    for _ in range(recipe.time_masks if recipe.time_mask_rows else 0):
        x = masked(x, recipe.time_mask_rows, 1, rng, recipe.mask_per_channel)
    for _ in range(recipe.freq_masks if recipe.freq_mask_bands else 0):
        x = masked(x, recipe.freq_mask_bands, 2, rng, recipe.mask_per_channel)
    if recipe.mixup_alpha and not recipe.mixup_energy:
        return mixed(x, y, recipe.mixup_alpha, recipe.mixup_per_batch, rng, half)
    return x, y


def _placed(x: Array, recipe: Augment, rng: np.random.Generator) -> Array:
    if recipe.time_roll:
        x = time_rolled(x, rng)
    if recipe.crop_rows:
        x = cropped(x, recipe.crop_rows, rng)
    return swapped(x, rng) if recipe.swap_stereo else x


def _coloured(x: Array, recipe: Augment, rng: np.random.Generator) -> Array:
    if recipe.gain_std or recipe.tilt_std:
        x = recoloured(x, recipe.gain_std, recipe.tilt_std, rng)
    if recipe.response_std:
        x = other_microphone(x, recipe.response_std, rng)
    if recipe.mixstyle_alpha and rng.random() < recipe.mixstyle_chance:
        x = restyled(x, recipe.mixstyle_alpha, rng)
    return x


def time_rolled(x: Array, rng: np.random.Generator) -> Array:
    """Every clip rotated in time by its own amount."""
    clips, rows = x.shape[:2]
    start = rng.integers(rows, size=(clips, 1))
    return np.asarray(x[np.arange(clips)[:, None], (np.arange(rows) + start) % rows])


def cropped(x: Array, rows: int, rng: np.random.Generator) -> Array:
    """So many rows of every clip, from a row of its own on."""
    start = rng.integers(x.shape[1] - rows + 1, size=(len(x), 1))
    return np.asarray(x[np.arange(len(x))[:, None], np.arange(rows) + start])


def recoloured(x: Array, gain_std: float, tilt_std: float, rng: np.random.Generator) -> Array:
    """A level and a slope over the bands, drawn per clip: on log features, a gain and an equaliser."""
    clips, bands = x.shape[0], x.shape[2]
    gain = gain_std * rng.standard_normal((clips, 1))
    tilt = tilt_std * rng.standard_normal((clips, 1)) * np.linspace(-1.0, 1.0, bands)
    return x + (gain + tilt).astype(np.float32)[:, None, :, None]


def other_microphone(x: Array, std: float, rng: np.random.Generator) -> Array:
    """A smooth curve over the bands, drawn per clip: the response of a microphone that nobody measured.

    Four half waves of random height, each half as high as the one before, together of the standard deviation
    ``std``.
    """
    clips, bands = x.shape[0], x.shape[2]
    waves = np.cos(np.pi * np.outer(np.arange(1, 5), (np.arange(bands) + 0.5) / bands))
    heights = rng.standard_normal((clips, 4)) * 0.5 ** np.arange(4)
    curve = heights @ waves * std / np.sqrt(0.5 * (0.25 ** np.arange(4)).sum())
    return np.asarray(x + curve.astype(np.float32)[:, None, :, None])


def restyled(x: Array, alpha: float, rng: np.random.Generator) -> Array:
    """Each band's mean and deviation over time and channels, mixed with those of another clip (freq-MixStyle)."""
    mean = x.mean(axis=(1, 3), keepdims=True)
    spread = x.std(axis=(1, 3), keepdims=True) + np.float32(1e-6)
    other = rng.permutation(len(x))
    share = rng.beta(alpha, alpha, size=(len(x), 1, 1, 1)).astype(np.float32)
    new_mean = share * mean + (1 - share) * mean[other]
    new_spread = share * spread + (1 - share) * spread[other]
    return np.asarray((x - mean) / spread * new_spread + new_mean, np.float32)


def masked(x: Array, widest: int, axis: int, rng: np.random.Generator, per_channel: bool = False) -> Array:
    """A stripe per clip or channel, 0…``widest`` wide along ``axis`` (1: time, 2: frequency), set to zero."""
    length = x.shape[axis]
    shape = (x.shape[0], 1, 1, x.shape[3] if per_channel else 1)
    width = rng.integers(min(widest, length) + 1, size=shape)
    start = rng.integers(length - width + 1)
    at = np.arange(length).reshape((1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1))
    return np.where((at >= start) & (at < start + width), np.float32(0.0), x)


def swapped(x: Array, rng: np.random.Generator) -> Array:
    """Every other clip, by chance, with left and right exchanged in each pair of channels."""
    mirrored = x.reshape(*x.shape[:3], -1, 2)[..., ::-1].reshape(x.shape)
    return np.where(rng.random((len(x), 1, 1, 1)) < 0.5, mirrored, x)


def mixed(
    x: Array, y: Array, alpha: float, per_batch: bool, rng: np.random.Generator, half: bool = False
) -> tuple[Array, Array]:
    """Every clip, or those of the first ``half``, mixed with another of the batch; targets likewise."""
    weight = rng.beta(alpha, alpha, size=1 if per_batch else len(x)).astype(np.float32)
    weight = np.broadcast_to(weight, len(x))
    if half:
        weight = np.where(np.arange(len(x)) < len(x) // 2, weight, np.float32(1.0))
    other = rng.permutation(len(x))
    wx, wy = weight[:, None, None, None], weight[:, None]
    return wx * x + (1 - wx) * x[other], wy * y + (1 - wy) * y[other]


def mixed_as_sounds(
    x: Array, y: Array, alpha: float, levels: Levels, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Every clip mixed with another as their sounds would: energies add; targets mix by λ.

    The share λ of a clip is what is heard of it: its amplitude is weighted by
    1 / (1 + (loudness / the other's) × (1 - λ) / λ), and the sum keeps its power (Tokozume et al. 2018, eq. 2).
    """
    share = np.clip(rng.beta(alpha, alpha, size=len(x)), 1e-3, 1 - 1e-3)
    other = rng.permutation(len(x))
    energy = x * levels.scale + levels.offset
    loudest = energy.max(axis=(1, 2, 3))
    weight = 1 / (1 + np.exp((loudest - loudest[other]) / 2) * (1 - share) / share)
    power = np.log(weight**2 + (1 - weight) ** 2)
    mine = (2 * np.log(weight) - power).astype(np.float32)[:, None, None, None]
    others = (2 * np.log1p(-weight) - power).astype(np.float32)[:, None, None, None]
    sound = np.logaddexp(energy + mine, energy[other] + others)
    part = share.astype(np.float32)[:, None]
    return (sound - levels.offset) / levels.scale, part * y + (1 - part) * y[other]
