# SPDX-License-Identifier: Apache-2.0
"""The cycles of the kernels' assembly, counted without a simulator and compared with it."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from ascmcu.kernels import (
    _along_time,
    _conv2d_max_pool_code,
    _dense_fours,
    _depthwise_im2row_code,
    _depthwise_planar_code,
    _depthwise_time_code,
    _mul_fours_code,
    _packed_gemm_code,
    _quantize_code,
    _two_mac_add,
    _wide_depthwise_code,
    _wide_pairs_code,
    _widen_code,
    _winograd_code,
    lookup_eights,
)
from ascmcu.kernels._packed_gemm_code import (
    Finish,
    Loop,
    PairLoop,
    one_by_eight,
    one_by_four,
    sums,
    two_by_four,
)
from ascmcu.kernels._saturating import Saturating, saturate
from ascmcu.m4 import count
from ascmcu.m4.asm import Assembly
from ascmcu.m4.listing import Line, Listing
from ascmcu.m4.registers import Core
from ascmcu.sim import run
from tests.kernels.dead_code import dead
from tests.sim.programs import GCC, assemble, needs_gcc
from tests.support.facts import short
from tests.support.snapshots import Snapshot

PLAIN = Finish(13, False, -128, 127, False, "", 1)
RELU = dataclasses.replace(PLAIN, low=0)
VECTORS = _winograd_code.Vectors(8, 3, 0)
CLAMPED = dataclasses.replace(PLAIN, low=-5)
SIGNED = dataclasses.replace(PLAIN, signed=True)
WIDE_FINISHES = [_wide_pairs_code.Finish(13, low) for low in (0, -32768)]
WIDE_TAPS = [_wide_pairs_code.Taps(4, 3, 1, 96), _wide_pairs_code.Taps(2, 1, 0, 96)]
# (kernel_h, kernel_w, dilation, stride, column_bytes, first, stop)
WIDE_WINDOWS = [
    _wide_depthwise_code.Window(*window)
    for window in (
        (3, 3, 1, 1, 128, 0, 4), (3, 3, 1, 1, 128, 1, 4), (3, 3, 1, 2, 8, 0, 4), (3, 3, 1, 0, 128, 1, 3),
        (4, 5, 2, 1, 20, 3, 8), (5, 3, 2, 1, 128, 0, 6), (9, 1, 1, 0, 64, 0, 1), (6, 1, 1, 3, 64, 0, 4),
        (1, 7, 1, 3, 8, 2, 10),
    )
]  # fmt: skip
FINISHES = [
    dataclasses.replace(PLAIN, signed=signed, two_words=two, common=common, low=low, channel_step=step)
    for two in (False, True)
    for signed, common in ((True, ""), (False, ""), (False, "c"), (False, "mc"))
    for low, step in ((-128, 1), (-5, 12), (0, 1))
]  # fmt: skip


def _stretch(write: Callable[[Assembly], object]) -> int:
    a = Assembly("f")
    write(a)
    return count.straight(a.stretch())


# What one more of the smallest piece costs: (products, cycles).
PIECES: dict[str, tuple[Callable[[Assembly, int], object], int, int, int]] = {
    "2x4": (lambda a, pairs: _packed_gemm_code._two_by_four(a, 24, pairs), 1, 16, 15),
    "1x4": (_packed_gemm_code._one_by_four, 2, 16, 19),
    "1x8": (_packed_gemm_code._one_by_eight, 2, 32, 37),
    "four pairs by two channels": (lambda a, words: _winograd_code._block(a, VECTORS, words), 1, 16, 16),
    "dense fours": (lambda a, words: [_dense_fours._word(a, i, words) for i in range(words)], 1, 16, 25),
}


@pytest.mark.parametrize("name", PIECES)
def test_products_cost_what_the_page_says(name: str) -> None:
    """One more piece costs so many cycles, however many there are; only the first load of a row is not pipelined."""
    write, step, products, cycles = PIECES[name]
    found = [_stretch(partial(_written, write, step * n)) for n in range(1, 6)]
    assert {b - a for a, b in itertools.pairwise(found)} == {cycles}
    page = (Path(__file__).resolve().parents[2] / "docs" / "kernels.md").read_text()
    assert f"{cycles} cycles for {products} products" in " ".join(page.split())


def _written(write: Callable[[Assembly, int], object], length: int, a: Assembly) -> None:
    write(a, length)


def _planar(**changed: object) -> Listing:
    shape = _depthwise_planar_code.Shape(
        shift=13, signed=False, low=-128, high=127, stride=1, width=8, channels=64, fill=0, blocks=0, last=5,
        may_miss=(False, False, False), y_bytes=1,
    )  # fmt: skip
    return _depthwise_planar_code.code(dataclasses.replace(shape, **changed))  # type: ignore[arg-type]


def _im2row(rows: int, stride: int, out_w: int, *, unrolled: bool = True, signed: bool = False) -> Listing:
    shape = _depthwise_im2row_code.Shape(13, signed, -128, 127, rows, 30, stride, out_w, 8, unrolled)
    return _depthwise_im2row_code.code(shape)


def _time(kernel: int, *, signed: bool = False, stride: int = 1) -> Listing:
    taps, lead = _along_time.tap_words(kernel, 1), _along_time.lead_of(kernel // 2)[1]
    words = _along_time.words_read(kernel, 1, stride, lead)
    shape = _depthwise_time_code.Shape(13, signed, -128, 127, stride, lead, words, 64, taps, 1, 64)
    return _depthwise_time_code.code(shape)


def _max_pool(depth: int, *, signed: bool = False, low: int = -128, out_w: int = 21) -> Listing:
    shape = _conv2d_max_pool_code.Shape(13, signed, low, 127, depth, 48, out_w, 8)
    return _conv2d_max_pool_code.code(shape)


def _max_pool_window(depth: int, *, signed: bool = False) -> tuple[Callable[[], Listing], str]:
    """Of four input channels one output channel, of one all four that a call takes."""
    return partial(_max_pool, depth, signed=signed), "pixels" if depth == 1 else "channels"


# Cycles of one more turn of a loop; written by the test, so that it is known which tests reach a kernel's code.
TURNS: dict[str, tuple[Callable[[], Listing], str, int]] = {
    "planar 3x3, five outputs": (lambda: _planar(), "channels", 96),
    "planar 3x3, five outputs, signed": (lambda: _planar(signed=True), "channels", 109),
    "planar 3x3, stride 2, four outputs": (lambda: _planar(stride=2, last=4, width=12), "channels", 94),
    "planar 3x3, nine outputs": (lambda: _planar(blocks=1, width=12), "channels", 181),
    "planar 3x3, two rows at the border": (lambda: _planar(may_miss=(True, False, True)), "channels", 100),
    "im2row 3x3, two outputs": (lambda: _im2row(3, 1, 2), "channels", 56),
    "im2row 3x3, four outputs": (lambda: _im2row(3, 1, 4), "channels", 86),
    "im2row 3x3, four outputs, signed": (lambda: _im2row(3, 1, 4, signed=True), "channels", 98),
    "im2row 3x3, a pair of many": (lambda: _im2row(3, 1, 20, unrolled=False), "pairs", 36),
    "im2row 1x3, a pair of many": (lambda: _im2row(1, 1, 20, unrolled=False), "pairs", 22),
    "im2row 3x3, stride 2, four outputs": (lambda: _im2row(3, 2, 4), "channels", 92),
    "along time, 3 taps, four outputs": (lambda: _time(3), "channels", 46),
    "along time, 5 taps, four outputs": (lambda: _time(5), "channels", 55),
    "along time, 10 taps, four outputs": (lambda: _time(10), "channels", 79),
    "along time, 15 taps, four outputs": (lambda: _time(15), "channels", 99),
    "along time, 15 taps, four outputs, signed": (lambda: _time(15, signed=True), "channels", 108),
    "3x3 and maximum, one channel into four": (*_max_pool_window(1), 199),
    "3x3 and maximum, one channel into four, signed": (*_max_pool_window(1, signed=True), 215),
    "3x3 and maximum, four channels into one": (*_max_pool_window(4), 143),
    "3x3 and maximum, four channels into one, signed": (*_max_pool_window(4, signed=True), 146),
    "addition, four elements": (lambda: _two_mac_add.code(20), "fours", 29),
    "product, four elements": (lambda: _mul_fours_code.code(Saturating(13, False, -128, 127)), "fours", 30),
    "widening, four groups of four": (lambda: _widen_code.code(), "fours", 25),
    "float to int8, four elements": (lambda: _quantize_code.code(below=False), "fours", 44),
    "float to int8, four elements, zero point below zero": (
        lambda: _quantize_code.code(below=True),
        "fours",
        48,
    ),
    "lookup, eight elements": (lambda: lookup_eights.code(), "eights", 30),
    "columns, four channels of four pairs": (
        lambda: _winograd_code.columns(16, (VECTORS, VECTORS)),
        "quads",
        110,
    ),
    "dense, four words by four channels": (lambda: _dense_fours.code(), "fours of words", 104),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_turn_costs_what_it_did(name: str) -> None:
    write, loop, cycles = TURNS[name]
    listing = write()
    assert count.cycles(listing, {loop: 3}) - count.cycles(listing, {loop: 2}) == cycles


@pytest.mark.parametrize(
    ("finish", "cycles"), [(PLAIN, 56), (RELU, 56), (CLAMPED, 80), (SIGNED, 79)], ids=lambda v: str(v)
)
def test_a_group_beside_its_sums(finish: Finish, cycles: int) -> None:
    """What the eight outputs of a turn take beside the sums: those inside the code, and a routine's, which takes seven
    cycles to go there and back."""
    taps, inside = PairLoop(6, False, 0, 16), two_by_four(finish, PairLoop(6, False, 0, 16))
    assert _one_more(inside, "group") == cycles + 6 * 15
    turn = {"packed_gemm_sums": sums(taps)}
    assert _one_more(two_by_four(finish), "group", routines=turn) == cycles + 7 + 6 * 15


@pytest.mark.parametrize(
    ("loop", "cycles"), [((6, True, 2), 3 * (6 * 15 + 4) + 2 * 15), ((8, True, 0), 3 * (8 * 15 + 4) + 4)]
)
def test_sums_in_a_loop(loop: tuple[int, bool, int], cycles: int) -> None:
    """A turn costs four cycles; where nothing is before the loop, the partner's sums begin as copies."""
    found = _one_more(two_by_four(PLAIN, PairLoop(*loop, 16)), "group", {"taps": 3})
    assert abs(found - 56 - cycles) <= 1


def _one_more(
    listing: Listing,
    loop: str,
    turns: Mapping[str, int] | None = None,
    routines: Mapping[str, Listing] | None = None,
) -> int:
    found = [count.cycles(listing, {**(turns or {}), loop: n}, routines) for n in (2, 3)]
    return found[1] - found[0]


@pytest.mark.parametrize(("finish", "cycles"), [(PLAIN, 1765), (CLAMPED, 1765 + 16 * 3), (SIGNED, 1805)])
def test_sixteen_outputs_by_winograd(finish: Finish, cycles: int) -> None:
    """Two channels of eight outputs: four passes of three turns of eight pairs of taps each, and what is around."""
    code, routine = _winograd_code.group(finish, 16, (VECTORS, VECTORS)), _winograd_code.sums(VECTORS)
    found = _one_more(code, "channels", {"taps": 3}, routines={"winograd_sums": routine})
    assert found == cycles


@pytest.mark.parametrize(
    ("low", "high", "cycles"),
    [
        (-128, 127, 1),
        (0, 127, 1),
        (0, 63, 1),
        (0, 100, 4),
        (-5, 127, 4),
        (97, 127, 3),
        (-128, 100, 3),
        (-5, 100, 6),
    ],
)
def test_bounds_cost_cycles_where_saturation_leaves_them_open(low: int, high: int, cycles: int) -> None:
    y = Core(2, "y")
    assert _stretch(lambda a: saturate(a, Saturating(13, False, low, high), y, y)) == cycles


FORMS: list[Callable[[], Listing]] = [
    *(write for write, _, _ in TURNS.values()),
    *(partial(_time, kernel, stride=stride) for kernel in range(1, 17) for stride in (1, 2)),
    *(partial(_im2row, rows, stride, out_w) for rows in (1, 2, 3) for stride in (1, 2) for out_w in range(1, 6)),
    *(partial(_planar, stride=stride, width=8 * stride, last=last) for stride in (1, 2) for last in (1, 2, 3, 4)),
    *(partial(_max_pool, depth, signed=signed, low=low) for depth in (1, 4)
      for signed in (False, True) for low in (-128, -5, 0, 5)),
    *(partial(two_by_four, f) for f in FINISHES), *(partial(one_by_eight, f) for f in FINISHES),
    *(partial(two_by_four, PLAIN, PairLoop(unroll, turns, rest, 16))
      for unroll, turns, rest in ((8, True, 0), (6, True, 2), (6, False, 0))),
    *(partial(_winograd_code.group, f, 16, (VECTORS, VECTORS))
      for f in FINISHES if not f.two_words and f.channel_step == 1),
    *(partial(one_by_four, Loop(unroll, turns, 1), f) for f in FINISHES for unroll, turns in ((2, False), (4, True))),
    *(partial(_wide_depthwise_code.two_channels, window, f) for window in WIDE_WINDOWS for f in WIDE_FINISHES),
    *(partial(_wide_pairs_code.two_by_four, taps, f) for taps in WIDE_TAPS for f in WIDE_FINISHES),
    *(partial(_wide_pairs_code.one_by, channels, taps) for taps in WIDE_TAPS for channels in (4, 8)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_nothing_is_computed_in_vain(number: int) -> None:
    """No instruction of a kernel writes what no way behind it reads."""
    assert dead(FORMS[number]()) == []


def test_forms_are_what_they_were(snapshot: Snapshot) -> None:
    """Each form of the assembly by its name, its instructions and a sum over its text; a form that changes runs on the
    emulated core before this is written anew."""
    snapshot("forms", "\n".join(short(write()) for write in FORMS) + "\n")


def test_what_is_computed_in_vain_is_found() -> None:
    def written(*, again: bool) -> Listing:
        a = Assembly("f", enters=(Core(0, "x"), Core(1, "count")))
        x, y, left = Core(0, "x"), Core(2, "y"), Core(1, "count")
        top = a.loop("turns")
        a.add(y, x, 1)
        a.add(x, y if again else x, 3)
        a.subs(left, left, 1)
        a.b(top, "ne")
        a.return_()
        return a.finish()

    assert dead(written(again=True)) == [] and dead(written(again=False)) == ["add.w r2, r0, #1"]


@pytest.mark.parametrize("finish", FINISHES, ids=lambda f: f.name)
def test_every_form_of_the_packed_product_keeps_its_registers(finish: Finish) -> None:
    """Writing it checks them; sixteen pairs of taps are the most."""
    for listing in (
        two_by_four(finish),
        one_by_eight(finish),
        *(one_by_four(Loop(n, True, 1), finish) for n in (1, 4)),
    ):
        assert [e for e in listing.entries if isinstance(e, Line) and e.returns]
    for unroll, rest in ((16, 0), (12, 5), (1, 0)):
        assert (
            sums(PairLoop(unroll, True, rest, 4000)).name
            == f"packed_gemm_sums_{Loop(unroll, True, rest).name}_x4000"
        )


@needs_gcc
@pytest.mark.parametrize("assembler", [[GCC], ["clang", "--target=arm-none-eabi"]], ids=lambda a: a[0])
def test_every_form_assembles_to_its_size(assembler: list[str], tmp_path: Path) -> None:
    """Of the packed product; the other kernels' forms are compiled with the networks that take them."""
    if shutil.which(assembler[0]) is None:
        pytest.skip(f"{assembler[0]} is not installed")
    listings = [two_by_four(f) for f in FINISHES] + [one_by_eight(f) for f in FINISHES]
    listings += [one_by_four(Loop(unroll, unroll > 2, 1), f) for f in FINISHES for unroll in (2, 4)]
    listings += [sums(PairLoop(unroll, unroll > 2, 1, 400)) for unroll in (2, 16)]
    sections = "".join(f'.section .f{i}, "ax"\n{_text(listing)}' for i, listing in enumerate(listings))
    (tmp_path / "forms.s").write_text(f".syntax unified\n.thumb\n{sections}")
    core = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
    subprocess.run([*assembler, *core, "-c", "forms.s", "-o", "forms.o"], cwd=tmp_path, check=True)
    told = subprocess.run(
        ["arm-none-eabi-size", "-A", "forms.o"], cwd=tmp_path, capture_output=True, text=True
    )
    sizes = [int(found) for found in re.findall(r"^\.f\d+\s+(\d+)", told.stdout, re.MULTILINE)]
    assert len(sizes) == len(listings)
    for size, listing in zip(sizes, listings, strict=True):
        assert 0 <= size - listing.size_bytes < 8, (
            listing.name
        )  # up to two halfwords of padding, and the end's


# ---- Against the simulator ----

PROGRAM = """
    .global reset, measured, last
    .thumb_func
reset:
    ldr r0, =0x20001000
    mov r1, #0
    mov r2, #1024
clear:
    str r1, [r0], #4
    subs r2, r2, #1
    bne clear
    ldr r4, =0x20001000
{stores}
    sub sp, sp, #16
{stack}
    ldr r0, ={r0}
    ldr r1, ={r1}
    ldr r2, ={r2}
    ldr r3, ={r3}
    b call
    .balign 4
call:
    bl measured
last:
    nop
    b finish
    .pool
    .balign 4
    .thumb_func
measured:
{function}
    .balign 4
    .thumb_func
routine:
{routine}
"""
DATA, OUT = 0x20001000, 0x20001800


def _text(listing: Listing) -> str:
    return "".join(
        re.findall(r'^"(.*?)"', line)[0].replace("\\n", "\n") for line in listing.lines if line[0] == '"'
    )


def _simulated(
    folder: Path,
    listing: Listing,
    arguments: Sequence[int | str],
    words: Mapping[int, int | str] | None = None,
    routine: Listing | None = None,
) -> int:
    """Cycles of a call with arguments in registers and on the stack, ``words`` stored from ``DATA`` on."""
    stores = [f"ldr r5, ={value}\n str r5, [r4, #{4 * at}]" for at, value in (words or {}).items()]
    stack = [f"ldr r5, ={value}\n str r5, [sp, #{4 * at}]" for at, value in enumerate(arguments[4:])]
    registers = dict(zip(("r0", "r1", "r2", "r3"), (*arguments[:4], 0, 0, 0, 0), strict=False))
    text = PROGRAM.format(
        stores="\n".join(stores), stack="\n".join(stack), function=_text(listing),
        routine=_text(routine) if routine else " bx lr", **registers,
    )  # fmt: skip
    return run(assemble(folder, text), between=("measured", "last")).cycles


@needs_gcc
def test_a_call_of_the_packed_product_costs_what_is_counted(tmp_path: Path) -> None:
    """Three pairs of pixels by two groups of channels, twelve pairs of taps: three turns of four."""
    code, routine, weights = two_by_four(PLAIN), sums(PairLoop(4, True, 0, 48)), 2 * (12 * 8 + 48)
    call = {0: 48, 1: weights, 2: 0, 3: 96, 4: 8, 5: "routine + 1"}
    arguments = (OUT, OUT, OUT, 3, DATA, 0)
    found = _simulated(tmp_path, code, arguments, call, routine)
    turns = {"pixel": 3, "group": 2, "taps": 3}
    assert count.cycles(code, turns, {"packed_gemm_sums": routine}) == found


@needs_gcc
@pytest.mark.parametrize("unroll", [2, 4])
def test_so_does_one_of_one_pixel(unroll: int, tmp_path: Path) -> None:
    code = one_by_four(Loop(unroll, True, 1), RELU)
    pairs = 3 * unroll + 1
    call = {0: 4 * 3 * unroll, 1: 2 * (8 * pairs + 48), 2: 0, 3: 96}
    found = _simulated(tmp_path, code, (OUT, OUT, OUT, 2, DATA, 0), call)
    assert count.cycles(code, {"pixel": 2, "group": 2, "taps": 3}) == found


@needs_gcc
def test_so_does_a_depthwise_row(tmp_path: Path) -> None:
    rows = {row: OUT for row in range(3)}
    found = _simulated(tmp_path, _planar(channels=7), (DATA, OUT, OUT), rows)
    assert count.cycles(_planar(channels=7), {"channels": 7}) == found


@needs_gcc
@pytest.mark.parametrize("depth", [1, 4])
def test_so_does_a_row_of_maxima(depth: int, tmp_path: Path) -> None:
    """Of one channel, every second window begins in the middle of a word: each of its four words takes one more."""
    code = _max_pool(depth, out_w=5)
    turns, unaligned = ({"pixels": 5}, 2 * 4) if depth == 1 else ({"pixels": 5, "channels": 8}, 0)
    assert count.cycles(code, turns) + unaligned == _simulated(tmp_path, code, (OUT, DATA, OUT))


@needs_gcc
def test_so_does_a_row_along_time(tmp_path: Path) -> None:
    ends = {row: OUT + 256 for row in range(8)}
    found = _simulated(tmp_path, _time(15), (DATA, OUT, OUT), ends)
    assert count.cycles(_time(15), {"channels": 64}) == found


@needs_gcc
def test_so_does_an_addition(tmp_path: Path) -> None:
    code = _two_mac_add.code(20)
    assert count.cycles(code, {"fours": 9}) == _simulated(tmp_path, code, (OUT, OUT, OUT, 36, DATA))


@needs_gcc
def test_so_does_widening(tmp_path: Path) -> None:
    """Two runs of eleven groups: two turns of four, and three groups behind them."""
    code = _widen_code.code()
    found = _simulated(tmp_path, code, (OUT, OUT, 11, 2, 0, 44))
    assert count.cycles(code, {"runs": 2, "fours": 2, "ones": 3}) == found


@needs_gcc
@pytest.mark.parametrize(("runs", "cycles"), [(1, 74), (3, 116), (4, 83), (8, 115), (11, 179)])
def test_single_groups_widen_four_at_a_time(runs: int, cycles: int, tmp_path: Path) -> None:
    """Runs of one group side by side: 32 cycles four, about 22 for each that is left."""
    assert _simulated(tmp_path, _widen_code.code(), (OUT, OUT, 1, runs, 0, 24)) == cycles


@needs_gcc
def test_so_does_a_lookup(tmp_path: Path) -> None:
    code = lookup_eights.code()
    assert count.cycles(code, {"eights": 5}) == _simulated(tmp_path, code, (OUT, OUT, OUT, OUT + 40))


@needs_gcc
def test_so_does_a_dense_layer(tmp_path: Path) -> None:
    """Eleven words: two turns of four, three words behind them, and the look that finds no other."""
    code = _dense_fours.code()
    turns = {"groups": 3, "fours of words": 2, "words": 4}
    assert count.cycles(code, turns) == _simulated(tmp_path, code, (OUT, OUT, OUT, 11, 3))
