# SPDX-License-Identifier: Apache-2.0
"""``--limits``: check a compiled network against a challenge's limits or a board's memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ascmcu import api, boards
from ascmcu import scratch as scratches
from ascmcu.data.datasets import Dataset
from ascmcu.errors import InputError, LimitError
from ascmcu.results import limits
from ascmcu.train.recipe import Recipe


def names() -> tuple[str, ...]:
    """Everything that can be a limit: challenges and boards."""
    return (*(limit.name for limit in limits.LIMITS), *boards.names())


def check_names(wanted: Sequence[str]) -> None:
    """Refuse what is no limit.

    Raises:
        InputError: one of them is unknown.
    """
    for name in wanted:
        if name not in names():
            raise InputError("no such limit", expected=", ".join(names()), found=name)


def exceeded(model: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    """What of a ``.tflite`` is too much for these limits, with figures; empty when it keeps them all.

    Raises:
        InputError: a limit is unknown.
        ModelError: the model cannot be compiled.
    """
    check_names(wanted)
    if not wanted:
        return ()
    found = api.inspect(model)
    reports = {report.name: report for report in found.limits}
    broken = [f"{name}: {what}" for name in wanted if name in reports for what in reports[name].exceeded]
    for board in found.boards:
        if board.name in wanted and not board.fits_rows:
            broken.append(
                f"{board.name}: {found.ram_rows_bytes:,} bytes of activations and {found.compiled_weights_bytes:,} "
                f"of weights, for {board.ram_bytes:,} of RAM and {board.flash_bytes:,} of flash"
            )
    return tuple(broken)


def require(model: Path, wanted: Sequence[str]) -> None:
    """Raise unless the model keeps the limits.

    Raises:
        LimitError: it does not; the figures are in the message.
    """
    broken = exceeded(model, wanted)
    if broken:
        raise LimitError("the network exceeds a limit", where=model.name, found="; ".join(broken))


def require_untrained(recipe: Recipe, dataset: Dataset, wanted: Sequence[str]) -> None:
    """Raise unless the network that a recipe will train keeps the limits; networks made of others are not built yet.

    Raises:
        LimitError: it does not; the figures are in the message.
    """
    from ascmcu.tune import cost

    if recipe.fusion.runs:
        return
    with scratches.folder() as scratch:
        model = scratch / f"{recipe.name}.tflite"
        model.write_bytes(cost.untrained(recipe, dataset))
        require(model, wanted)
