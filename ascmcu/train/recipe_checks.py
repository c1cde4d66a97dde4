# SPDX-License-Identifier: Apache-2.0
"""What a recipe must keep to beyond its types: one named function per rule, all of them in ``CHECKS``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ascmcu import tables
from ascmcu.errors import InputError
from ascmcu.features.spec import FeatureSpec

if TYPE_CHECKING:
    from ascmcu.train.recipe import Recipe


# Shares that may be the whole or not, and numbers that may not be zero; none is negative.
TASKS = ("single_label", "multi_label", "reconstruction")
_SHARES = ("device_shift", "mixstyle_chance", "weight")
_PARTS = ("validate_share", "label_smoothing", "average")
_POSITIVE = ("epochs", "batch", "learning_rate", "snapshot_every", "temperature", "penalty")


def _check_numbers(recipe: Recipe, where: str) -> None:
    for name, section in recipe.sections().items():
        for key, value in dataclasses.asdict(section).items():
            for number in value if isinstance(value, tuple) else (value,):
                wanted = "" if isinstance(number, bool | str | dict) else _wrong(key, number)
                if wanted:
                    place = f"{where}, {name}"
                    raise InputError(f"{key} cannot be {number}", where=place, expected=wanted)


def _wrong(key: str, number: float) -> str:
    """What would have been right; empty where it is. NaN never is."""
    if key in _SHARES:
        return "" if 0 <= number <= 1 else "a number from 0 to 1"
    if key in _PARTS:
        return "" if 0 <= number < 1 else "a number from 0 to below 1"
    if key in ("seed", "split_seed"):
        return "" if 0 <= number < 1 << 32 else "a number from 0 to below 2^32"
    if key in _POSITIVE:
        return "" if 0 < number < math.inf else "a number above 0"
    if key in ("speed", "stretch"):
        return "" if number == 0 or 1 < number < math.inf else "a factor above 1, or 0 to leave it out"
    return "" if 0 <= number < math.inf else "a number that is not negative"


def _check_training(recipe: Recipe, where: str) -> None:
    training = recipe.training
    tables.one_of(training.optimizer, ("adam", "radam", "sgd"), f"{where}, training, optimizer")
    if training.average and training.averages_snapshots:
        raise InputError(
            "weights are averaged either by step or by epoch", where=where, found="average and snapshot_…"
        )


def _check_task(recipe: Recipe, where: str) -> None:
    task = recipe.training.task
    tables.one_of(task, TASKS, f"{where}, training, task")
    tables.one_of(recipe.data.long, ("first", "windows"), f"{where}, data, long")
    if task == "single_label":
        return
    unfit = {
        "[heads]": bool(recipe.heads.groups),
        "[teacher]": bool(recipe.teacher.runs),
        "[fusion]": bool(recipe.fusion.runs),
        "[training] balance": recipe.training.balance,
        "[training] label_smoothing": bool(recipe.training.label_smoothing),
        "[augment] crop_rows": task == "reconstruction" and bool(recipe.augment.crop_rows),
    }
    found = [name for name, used in unfit.items() if used]
    if found:
        raise InputError(
            f"the task {task} goes without", where=f"{where}, training, task", found=", ".join(found)
        )


def _check_augment(recipe: Recipe, where: str) -> None:
    spec, augment = recipe.features, recipe.augment
    if augment.mixup_energy and (
        not isinstance(spec, FeatureSpec)
        or spec.deltas
        or spec.n_mfcc
        or spec.normalization not in ("none", "mean_std")
    ):
        raise InputError(
            "mixing as sounds needs log energies",
            where=f"{where}: mixup_energy",
            expected='features without deltas and MFCCs, normalization "mean_std" or "none"',
        )
    if augment.swap_stereo and spec.audio_channels != 2:
        raise InputError("a mono recording has no channels to exchange", where=f"{where}: swap_stereo")
    if augment.device_shift and (not isinstance(spec, FeatureSpec) or spec.n_mfcc or not _keeps_shifts(spec)):
        raise InputError(
            "a device's response can only be added to log-mel features",
            where=f"{where}: device_shift",
            expected='no MFCCs; normalization "none", "mean_std" or "clip_zscore" after the deltas',
        )
    if augment.crop_rows > spec.rows:
        raise InputError(
            "the crop is longer than the clip", where=where, expected=spec.rows, found=augment.crop_rows
        )


def _keeps_shifts(spec: FeatureSpec) -> bool:
    if spec.normalization == "clip_zscore":
        return spec.normalization_stage == "after_deltas"
    return spec.normalization in ("none", "mean_std")


def _check_heads(recipe: Recipe, where: str) -> None:
    heads = recipe.heads
    if heads.groups and len(heads.weights) != 2:
        raise InputError(
            "two classifiers need two weights", where=f"{where}, heads", found=list(heads.weights)
        )


def _check_teacher(recipe: Recipe, where: str) -> None:
    teacher, place = recipe.teacher, f"{where}, teacher"
    for stage in teacher.stages:
        tables.one_of(stage, ("response", "relation", "both", "hint"), f"{place}, stages")
    tables.one_of(teacher.kind, ("kl", "ce"), f"{place}, kind")
    tables.one_of(teacher.heads, ("classes", "all"), f"{place}, heads")
    if len(teacher.weight) not in (1, len(teacher.stages)):
        raise InputError(
            "one weight, or one for each stage",
            where=place,
            expected=len(teacher.stages),
            found=teacher.weight,
        )
    if "hint" in teacher.stages and len(teacher.hint) != 2:
        raise InputError(
            "a hint needs two layers", where=place, expected='hint = ["its layer", "the teacher\'s layer"]'
        )


def _check_fusion(recipe: Recipe, where: str) -> None:
    tables.one_of(recipe.fusion.rule, ("average", "logistic"), f"{where}, fusion, rule")


def _check_start(recipe: Recipe, where: str) -> None:
    if recipe.start.run and recipe.fusion.runs:
        raise InputError("a fusion starts from no run", where=f"{where}, start", found="[start] and [fusion]")


CHECKS: tuple[Callable[[Recipe, str], None], ...] = (
    _check_numbers,
    _check_training,
    _check_task,
    _check_augment,
    _check_heads,
    _check_teacher,
    _check_fusion,
    _check_start,
)
