# SPDX-License-Identifier: Apache-2.0
"""Random networks on random boards, with what start-up copies drawn too: the answers never change, and no more RAM is
taken than there is."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ascmcu import api, boards
from ascmcu.errors import BoardError, GeneratedCodeError
from ascmcu.toolchain.manifest import Manifest
from ascmcu.toolchain.size import end_of
from tests.support import kernel_networks, recipes_flat

WEIGHTS = ("auto", "auto", "ram", "flash")
LEVELS = ("cycles", "balanced", "flash")
SCHEDULES = ("auto", "rows", "layers")


@dataclass(frozen=True)
class Case:
    """One draw. ``limit`` is what ``--max-ram`` leaves beside the activations, as a fraction of the weights; below
    zero: no limit."""

    form: str
    seed: int
    board: str
    weights: str
    optimize: str
    schedule: str
    limit: float


def drawn(seed: int) -> Case:
    """The same for the same seed."""
    rng = random.Random(f"placement {seed}")
    return Case(
        form=rng.choice(sorted(kernel_networks.FORMS)),
        seed=seed,
        board=rng.choice(boards.names()),
        weights=rng.choice(WEIGHTS),
        optimize=rng.choice(LEVELS),
        schedule=rng.choice(SCHEDULES),
        limit=rng.choice((-1.0, -1.0, 0.0, rng.random(), 2.0)),
    )


def check(case: Case) -> str:
    """What came of a case: ``equal``, ``refused`` (no room), or what is wrong."""
    (recipe,) = kernel_networks.drawn(case.form, case.seed, 1)
    with tempfile.TemporaryDirectory() as scratch:
        model, folder = Path(scratch) / "drawn.tflite", Path(scratch) / "out"
        model.write_bytes(recipes_flat.make(recipe))
        compiled = api.compile_model(model, features=False)
        options = {"schedule": case.schedule, "optimize": case.optimize}
        free = api.build(compiled, case.board, folder, weights="flash", **options).manifest  # type: ignore[arg-type]
        limit = None
        if case.limit >= 0:
            limit = free.ram_bytes["activations"] + round(case.limit * free.flash_bytes["weights"])
        try:
            made = api.build(
                compiled,
                case.board,
                folder,
                weights=case.weights,
                max_ram_bytes=limit,
                **options,  # type: ignore[arg-type]
            ).manifest
        except BoardError:
            return "refused" if case.weights == "ram" else "refused without need"
        wrong = _wrong_sizes(case, made, free, limit, folder)
        if wrong:
            return wrong
        try:
            result = api.bench(folder, on="sim", limit=3)
        except GeneratedCodeError as error:
            return str(error)
        return "equal" if result.counts is not None and result.counts.network else "nothing counted"


def _wrong_sizes(case: Case, made: Manifest, free: Manifest, limit: int | None, folder: Path) -> str:
    board = boards.load(case.board)
    copied = made.ram_bytes["weights"]
    for memory in (board.ram, *([board.spare] if board.spare else [])):
        if end_of(folder / "firmware.elf", memory) > memory.end:
            return f"{memory.name} is overfull"
    if limit is not None and made.ram_bytes["activations"] + copied > max(
        limit, free.ram_bytes["activations"]
    ):
        return f"{copied} bytes of weights in RAM are over the limit"
    if case.weights == "ram" and copied < free.flash_bytes["weights"]:
        return f"{copied} bytes of weights are in RAM, of {free.flash_bytes['weights']}"
    if case.weights == "flash" and copied:
        return "weights are in RAM unasked"
    return ""
