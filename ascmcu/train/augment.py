"""Augmentation of normalised features: pure functions of an array and a random generator.

The steps take x: float32 (clips, rows, bands, channels), rows being time, and return an array of that shape.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ascmcu.train.recipe import Augment

Array = npt.NDArray[np.float32]


def augmented(
    x: Array, y: Array, recipe: Augment, rng: np.random.Generator, time_axis: int = 1
) -> tuple[Array, Array]:
    """A batch and its one-hot labels, float32 (clips, classes), after every step that the recipe asks for.

    ``time_axis`` is 2 where the network's input has the bands in front.
    """
    if time_axis == 2:
        x, y = augmented(np.swapaxes(x, 1, 2), y, recipe, rng)
        return np.swapaxes(x, 1, 2), y
    if recipe.time_roll:
        x = time_rolled(x, rng)
    if recipe.swap_stereo:
        x = swapped(x, rng)
    if recipe.gain_std or recipe.tilt_std:
        x = recoloured(x, recipe.gain_std, recipe.tilt_std, rng)
    for _ in range(recipe.time_masks if recipe.time_mask_rows else 0):
        x = masked(x, recipe.time_mask_rows, 1, rng, recipe.mask_per_channel)
    for _ in range(recipe.freq_masks if recipe.freq_mask_bands else 0):
        x = masked(x, recipe.freq_mask_bands, 2, rng, recipe.mask_per_channel)
    if recipe.mixup_alpha:
        return mixed(x, y, recipe.mixup_alpha, recipe.mixup_per_batch, rng)
    return x, y


def time_rolled(x: Array, rng: np.random.Generator) -> Array:
    """Every clip rotated in time by its own amount."""
    clips, rows = x.shape[:2]
    start = rng.integers(rows, size=(clips, 1))
    return np.asarray(x[np.arange(clips)[:, None], (np.arange(rows) + start) % rows])


def recoloured(x: Array, gain_std: float, tilt_std: float, rng: np.random.Generator) -> Array:
    """A level and a slope over the bands, drawn per clip: on log features, a gain and an equaliser."""
    clips, bands = x.shape[0], x.shape[2]
    gain = gain_std * rng.standard_normal((clips, 1))
    tilt = tilt_std * rng.standard_normal((clips, 1)) * np.linspace(-1.0, 1.0, bands)
    return x + (gain + tilt).astype(np.float32)[:, None, :, None]


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


def mixed(x: Array, y: Array, alpha: float, per_batch: bool, rng: np.random.Generator) -> tuple[Array, Array]:
    """Every clip mixed with another of the batch; labels likewise."""
    weight = rng.beta(alpha, alpha, size=1 if per_batch else len(x)).astype(np.float32)
    other = rng.permutation(len(x))
    wx, wy = weight[:, None, None, None], weight[:, None]
    return wx * x + (1 - wx) * x[other], wy * y + (1 - wy) * y[other]
