# SPDX-License-Identifier: Apache-2.0
"""Networks of members that are trained one by one before all are trained together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from ascmcu.train import loop
from ascmcu.train.examples import Examples
from ascmcu.train.loop import Epoch, Plan
from ascmcu.train.part import Part
from ascmcu.train.recipe import Recipe
from ascmcu.zoo import tmsic_teacher

NETWORKS = ("tmsic_teacher",)


def members(
    whole: keras.Model,
    parts: dict[str, Part],
    recipe: Recipe,
    folder: Path,
    run: str,
    on_epoch: Callable[[Epoch], None],
) -> float:
    """Train one member per class, the class against all others, and put it into its place in ``whole``.

    Finished members lie in ``folder`` until the run ends, so that a break costs no more than one of them.

    Returns:
        Seconds of the members' epochs.
    """
    hidden = recipe.network.options.get("hidden", 256)
    seconds = 0.0
    for number, label in enumerate(parts["train"].dataset.labels):
        alone = tmsic_teacher.against_all(tuple(whole.input_shape[1:]), hidden)
        plan = Plan(
            recipe.augment,
            recipe.training,
            state_file=folder / f"state-member{number}.npz",
            run=f"{run} member {number} {label}",
        )
        train = _against_all(parts["train"].examples, number)
        validate = _against_all(parts["validate"].examples, number) if "validate" in parts else None
        seconds += sum(epoch.seconds for epoch in loop.fit(alone, train, validate, plan, on_epoch))
        member = whole.get_layer(f"member{number}")
        for layer in member.layers:
            layer.set_weights(alone.get_layer(layer.name).get_weights())
    return seconds


def _against_all(examples: Examples, number: int) -> Examples:
    return dataclasses.replace(examples, y=(examples.y == number).astype(np.int64))
