# SPDX-License-Identifier: Apache-2.0
"""What is predicted of flashes: on every board, for several networks, with the weights in flash and in RAM."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ascmcu import api, boards
from ascmcu.boards import FlashCache
from ascmcu.kernels import Target, _waits
from tests.kernels.test_cycles import MODELS, _same_compiler
from tests.support import kernel_networks, recipes_flat
from tools import cycles_fit

# How far the prediction of a network may be off: as a fraction of what is counted, or by what no part knows: code that
# is fetched for the first time, so many bytes of it, a read and its wait states each.
BOUND, FIRST_FETCH_BYTES = 0.05, 12_800
# What stays in a small cache depends on addresses, which no part knows: the SAM D5x has 4 KB for code and weights
# together, the STM32WB an L4's 1 KB at fewer wait states.
BOUNDS = {("samd5", 6): 0.09, ("stm32l4", 3): 0.08}
PUBLISHED = ("mlperf_tiny_kws_int8", "mlperf_tiny_sww_int8", "tflm_micro_speech_int8")
# Drawn as those that the waits were measured on, of another seed.
FORMS, SEED = ("conv", "separable", "time", "dense"), 2
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def _points() -> list[tuple[str, int]]:
    """The flashes that a board fetches the network's code from; the others' is copied."""
    own = {b.chip.flash_cache for b in map(boards.load, boards.names()) if b.code_memory is None}
    return [(f.name, states) for f in cycles_fit.flashes() if f.cache in own for states in f.wait_states]


def test_every_board_was_measured() -> None:
    assert list(_waits.measured()) == list(cycles_fit.flashes())
    for board in map(boards.load, boards.names()):
        known = {flash.cache: flash.wait_states for flash in _waits.measured()}
        assert board.clock.wait_states in known[board.chip.flash_cache], board.name


def _check(path: Path) -> None:
    _same_compiler()
    for measured in cycles_fit.measure(path, "rows", points=_points()):
        judged = cycles_fit.judge(measured)
        off = abs(judged.whole - measured.cycles)
        bound = BOUNDS.get((measured.flash, measured.wait_states), BOUND) * measured.cycles
        read_bytes = cycles_fit.caches()[measured.flash].read_bytes if measured.flash else FIRST_FETCH_BYTES
        fetched = _first_fetch_cycles(read_bytes, measured.wait_states)
        assert off <= max(bound, fetched), "\n".join(judged.lines(show_all=True))


def _first_fetch_cycles(read_bytes: int, wait_states: int) -> float:
    """What the code takes that is fetched once."""
    return FIRST_FETCH_BYTES / read_bytes * (wait_states + 1)


@needs_gcc
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_behind_every_flash(name: str) -> None:
    path = MODELS / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    _check(path)


@needs_gcc
@pytest.mark.parametrize("form", FORMS)
def test_made_networks_behind_every_flash(form: str, tmp_path: Path) -> None:
    (recipe,) = kernel_networks.drawn(form, SEED, 1)
    path = tmp_path / f"{form}.tflite"
    path.write_bytes(recipes_flat.make(recipe))
    _check(path)


@needs_gcc
@pytest.mark.parametrize("name", boards.names())
def test_exports_of_every_board(name: str, tmp_path: Path) -> None:
    """Weights and code lie where the export puts them."""
    _same_compiler()
    (recipe,) = kernel_networks.drawn(FORMS[boards.names().index(name) % len(FORMS)], SEED, 1)
    path = tmp_path / "made.tflite"
    path.write_bytes(recipes_flat.make(recipe))
    made = api.export(path, name, tmp_path / "out", features=False).manifest
    counts = api.bench(tmp_path / "out", on="sim", limit=1).counts
    assert made.predicted is not None and counts is not None
    board = boards.load(name)
    fetched = _first_fetch_cycles(board.chip.flash_cache.read_bytes, board.clock.wait_states)
    bound = max((b for (flash, states), b in BOUNDS.items() if _is(board, flash, states)), default=BOUND)
    assert made.predicted.cycles == pytest.approx(counts.network, rel=bound, abs=fetched)


def _is(board: boards.Board, flash: str, wait_states: int) -> bool:
    return board.chip.flash_cache == cycles_fit.caches()[flash] and board.clock.wait_states == wait_states


@pytest.mark.parametrize("weights_in_ram", [False, True])
def test_wait_states_between_measured_ones_cost_between_them(weights_in_ram: bool) -> None:
    art = boards.load("nucleo-f446").chip.flash_cache

    def waits(states: int) -> float:
        mix = _waits.mix(states, art, weights_in_ram=weights_in_ram, code_in_ram=False)
        return _waits.typical(mix)

    assert waits(2) < waits(3) <= waits(4) <= waits(5) < waits(6)
    assert waits(4) == pytest.approx((waits(3) + waits(5)) / 2)
    assert waits(0) - waits(0) == 0 and waits(1) < waits(2)


def test_code_and_weights_in_ram_wait_for_nothing() -> None:
    f303 = boards.load("nucleo-f303")
    target = Target("cycles", f303.clock.wait_states, f303.chip.flash_cache)
    both = replace(target, weights_in_ram=True, code_in_ram=True)
    ideal = replace(target, wait_states=0, weights_in_ram=True)
    assert both.mix == ideal.mix
    data = _waits.typical(replace(target, code_in_ram=True).mix)
    code = _waits.typical(replace(target, weights_in_ram=True).mix)
    assert 0 < data < _waits.typical(target.mix) and code < _waits.typical(target.mix)


def test_a_flash_of_no_board_costs_what_the_nearest_does() -> None:
    f303 = boards.load("nucleo-f303").chip.flash_cache
    wider = replace(f303, line_bytes=32)
    plain = {"weights_in_ram": False, "code_in_ram": False}
    assert _waits.mix(2, wider, **plain) == _waits.mix(2, f303, **plain)
    art = boards.load("nucleo-f446").chip.flash_cache
    assert _waits.mix(5, FlashCache(), **plain) == _waits.mix(5, art, **plain)
    cached = FlashCache(read_bytes=8, prefetch=True, instruction_lines=64, data_lines=8, line_bytes=32)
    assert _waits.mix(4, cached, **plain) == _waits.mix(
        4, boards.load("nucleo-l476").chip.flash_cache, **plain
    )
