# SPDX-License-Identifier: Apache-2.0
"""What templates are told: the stages of each front end, and the files of each board, beside the plainest of them.

``snapshots`` hold what is not as in the first one. That the C computes the right features is what tests/features
show; here every other line that decides something is held.
"""

from __future__ import annotations

import itertools

import pytest

from ascmcu import boards
from ascmcu.codegen import board as board_files
from ascmcu.codegen import microphone, renode
from ascmcu.codegen.frontend.logmel import LogMel
from ascmcu.codegen.frontend.micro import Micro
from ascmcu.codegen.frontend.parts import Stages
from ascmcu.codegen.frontend.pcm import RawPcm
from ascmcu.errors import BoardError, FeatureError
from ascmcu.features import spec as specs
from ascmcu.features.base import ClipSpec
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec
from tests.features.signals import VARIANTS, overrides, plain
from tests.support.facts import facts
from tests.support.snapshots import Snapshot

# A stage's functions are its template's.
WITHOUT = ("code", "TEMPLATE")
PLAINEST = "nucleo-f446"


def _specs() -> dict[str, ClipSpec]:
    """The shipped ones, then variants of the default one."""
    base = specs.load_log_mel("default").unnormalized().to_dict()
    varied = {n: FeatureSpec.from_dict({**base, "clip_samples": 11111, **overrides(n)}) for n in VARIANTS}
    shipped = {n: specs.load(n) for n in specs.names()}
    found = {"default": shipped["default"], **shipped, **varied}
    return {n: plain(spec) if isinstance(spec, FeatureSpec) else spec for n, spec in found.items()}


SPECS = _specs()
INPUTS = (("int8", 0.05, -3), ("int16", 0.001, 0), ("float32", 1.0, 0), ("uint8", 0.1, 128))


def _stages(spec: ClipSpec, dtype: str, scale: float, zero_point: int) -> Stages:
    kinds = {MicroSpec: Micro, PcmSpec: RawPcm, FeatureSpec: LogMel}
    return kinds[type(spec)].of(spec, scale, zero_point, dtype)  # type: ignore[attr-defined, no-any-return]


def _told(spec: ClipSpec, given: tuple[str, float, int]) -> list[str]:
    try:
        stages = _stages(spec, *given)
    except FeatureError as error:
        return [f"refused: {error.what}"]
    found = [f"{type(s).__name__}.{fact}" for s in stages.stages for fact in facts(s, without=WITHOUT)]
    return [*found, f"ram={stages.cost.ram}", f"tables={stages.cost.tables}"]


def _differing(found: list[str], first: list[str]) -> list[str]:
    return [f"    {line}" for line in found if line not in first]


def _by_stage(found: list[str], first: list[str]) -> list[str]:
    """What is not as in the first one, a line a stage."""
    other = [fact for fact in found if fact not in first]
    stages = itertools.groupby(other, lambda fact: fact.partition(".")[0] if "." in fact else "")
    return [
        f"    {stage} {', '.join(fact.removeprefix(f'{stage}.') for fact in told)}" for stage, told in stages
    ]


def test_stages(snapshot: Snapshot) -> None:
    """The default front end in full, of any other what it has else; and the default one for each type of input."""
    lines: list[str] = []
    firsts: dict[type, list[str]] = {}
    for name, spec in SPECS.items():
        told = _told(spec, INPUTS[0])
        lines += [name, *_by_stage(told, firsts.get(type(spec), []))]
        firsts.setdefault(type(spec), told)
    for kind, first in firsts.items():
        spec = next(s for s in SPECS.values() if type(s) is kind)
        for given in INPUTS[1:]:
            lines += [f"{kind.__name__} for {given}", *_by_stage(_told(spec, given), first)]
    snapshot("stages", "\n".join(lines) + "\n")


def _files(name: str) -> dict[str, str]:
    board = boards.load(name)
    found = board_files.files(board) | renode.files(board, "net")
    for kind in microphone.KINDS:
        for rate_hz in (8000, 16000, 44100, 48000):
            try:
                made = microphone.render_microphone(board, kind, rate_hz, 1)
                found |= {f"{kind} at {rate_hz} Hz": made[microphone.HEADER]}
            except BoardError as error:
                found |= {f"{kind} at {rate_hz} Hz": f"{error.what}: {error.found or error.expected}"}
    return found


@pytest.mark.parametrize("name", sorted(boards.names()))
def test_files_of_boards(name: str, snapshot: Snapshot) -> None:
    first, lines = _files(PLAINEST), []
    for file, text in _files(name).items():
        known = [] if name == PLAINEST else first.get(file, "").splitlines()
        lines += [file, *_differing(text.splitlines(), known)]
    snapshot(f"board-{name}", "\n".join(lines) + "\n")
