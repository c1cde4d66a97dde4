# SPDX-License-Identifier: Apache-2.0
"""A microphone on a board → ``microphone_config.h``, and the sources of its firmware.

Kinds are what is on the wire: ``i2s``, or ``pdm``, whose bits become samples here or in a peripheral of the chip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ascmcu import __version__
from ascmcu.boards import Board
from ascmcu.boards.records import Microphone
from ascmcu.errors import BoardError
from ascmcu.jinja import render
from ascmcu.listening import pdm

KINDS = ("i2s", "pdm")
HEADER = "microphone_config.h"
_BLOCK_S = 0.01
# Name, value in C, and comment.
Values = tuple[tuple[str, object, str], ...]


@dataclass(frozen=True)
class Peripheral:
    """What receives a kind of microphone on some chips.

    Attributes:
        kind: of the microphone.
        chips: by name.
        sources: in ``firmware/microphones``.
        values: what its header says, of a board and a sample rate.
        filters: whether samples are made of bits here.
    """

    kind: str
    chips: tuple[str, ...]
    sources: tuple[str, ...]
    values: Callable[[Board, int], Values]
    filters: bool = False


# ---- STM32F4: SPI2 as I2S


@dataclass(frozen=True)
class Plli2s:
    """PLLI2S of a part.

    Attributes:
        own_m: it divides the source itself, in place of the core's PLL.
        source_in_cfgr: RCC_CFGR chooses it, in place of RCC_DCKCFGR.
    """

    own_m: bool
    source_in_cfgr: bool


# By ST's headers and RM0090, RM0368, RM0383, RM0390. The F446 has these bits in RCC_DCKCFGR.
_PLLI2S = {
    "stm32f401re": Plli2s(own_m=False, source_in_cfgr=True),
    "stm32f407vg": Plli2s(own_m=False, source_in_cfgr=True),
    "stm32f411ce": Plli2s(own_m=True, source_in_cfgr=True),
    "stm32f411re": Plli2s(own_m=True, source_in_cfgr=True),
    "stm32f429zi": Plli2s(own_m=False, source_in_cfgr=True),
    "stm32f446re": Plli2s(own_m=True, source_in_cfgr=False),
}
# RM0390 6.3.22, RM0090 6.3.23: N that all parts take, VCO of 192 to 432 MHz, R of 2 to 7; 26.6.5: dividers of 4 to 511.
_N, _R, _DIVIDERS = range(50, 433), range(2, 8), range(4, 512)
_VCO_HZ = range(192_000_000, 432_000_001)
_MOST_HZ = 192_000_000
# Into the PLL, where it divides by itself.
_OWN_HZ = 1_000_000
_PINS = {"clock": "PB13", "select": "PB12", "data": "PB15"}


@dataclass(frozen=True)
class I2sClock:
    """PLLI2S and the divider behind it: ``input_hz`` × n / r / divider is the bit clock."""

    input_hz: int
    n: int
    r: int
    divider: int

    @property
    def bit_hz(self) -> Fraction:
        """Bits a second."""
        return Fraction(self.input_hz * self.n, self.r * self.divider)

    @property
    def half(self) -> int:
        """The divider's field without its lowest bit."""
        return self.divider // 2

    @property
    def odd(self) -> int:
        """Its lowest bit."""
        return self.divider % 2


def i2s_clock(bit_hz: int, input_hz: int = _OWN_HZ) -> I2sClock:
    """The setting whose bit clock is nearest."""
    found = []
    for n in _N:
        for r in _R:
            if n * input_hz in _VCO_HZ and n * input_hz <= _MOST_HZ * r:
                exact = Fraction(input_hz * n, r * bit_hz)
                divider = min(max(round(exact), _DIVIDERS[0]), _DIVIDERS[-1])
                found.append(I2sClock(input_hz, n, r, divider))
    return min(found, key=lambda c: (abs(c.bit_hz - bit_hz), c.n))


def _of_i2s(board: Board, rate_hz: int) -> Values:
    """Slots of 32 bits, two of them a sample."""
    return (
        ("WORDS", "2u", "half-words of a sample: one of each slot"),
        ("SLOTS_OF_32", 1, ""),
        *_of_spi2(board, "i2s", 64 * rate_hz),
        *_pin(board, "SELECT", _PINS["select"]),
    )


def _of_pdm_bits(board: Board, rate_hz: int) -> Values:
    """64 bits a sample."""
    return (
        ("WORDS", "4u", "half-words of a sample"),
        ("SLOTS_OF_32", 0, ""),
        *_of_spi2(board, "pdm", pdm.BITS * rate_hz),
    )


def _of_spi2(board: Board, kind: str, bit_hz: int) -> Values:
    part = _PLLI2S[board.chip.name]
    own = board.microphone.count > 0 and board.microphone.kind == kind
    input_hz = _OWN_HZ if part.own_m else board.clock.source_hz // board.clock.pll.m
    clock = i2s_clock(bit_hz, input_hz)
    if abs(clock.bit_hz / bit_hz - 1) > Fraction(1, 1000) or board.clock.source_hz % input_hz:
        raise BoardError(
            "the board's clock gives no such rate",
            where=board.name,
            expected=f"{bit_hz:,} bits a second",
            found=f"{float(clock.bit_hz):,.0f}",
        )
    m = board.clock.source_hz // _OWN_HZ if part.own_m else 0
    whose = "of the board's external clock" if part.own_m else "the core's PLL divides"
    return (
        ("SOURCE_IN_CFGR", int(part.source_in_cfgr), ""),
        ("PLL_HZ", f"{input_hz}u", "into PLLI2S"),
        ("PLL_M", f"{m}u" if m else 0, whose),
        ("PLL_N", f"{clock.n}u", ""),
        ("PLL_R", f"{clock.r}u", f"PLL_HZ · N / R / divider = {float(clock.bit_hz):g} bits a second"),
        ("DIVIDER", f"{clock.half}u", "half of it"),
        ("ODD", clock.odd, ""),
        *_pin(board, "CLOCK", board.microphone.clock if own else _PINS["clock"]),
        *_pin(board, "DATA", board.microphone.data if own else _PINS["data"]),
    )


def _pin(board: Board, name: str, pin: str) -> Values:
    port, number = board.family.pin(pin)
    return ((f"{name}_PORT", f"{port}u", pin), (f"{name}_PIN", f"{number}u", ""))


# ---- nRF52840: PDM

# PDMCLKCTRL by what it divides 32 MHz by, and bits of a sample by RATIO: nRF52840 PS v1.7, 6.15.8.
_NRF_CLOCKS = {32: 0x08000000, 31: 0x08400000, 30: 0x08800000, 26: 0x09800000, 25: 0x0A000000, 24: 0x0A800000}
_NRF_RATIOS = (64, 80)
_NRF_PINS = Microphone("pdm", clock="P0.31", data="P0.30", count=0)


def _of_nrf_pdm(board: Board, rate_hz: int) -> Values:
    """The chip makes the samples."""
    found = [(d, r) for d in _NRF_CLOCKS for r in _NRF_RATIOS]
    divider, ratio = min(found, key=lambda x: abs(Fraction(32_000_000, x[0] * x[1]) - rate_hz))
    given = Fraction(32_000_000, divider * ratio)
    _check_rate(board, rate_hz, given)
    pins = board.microphone if board.microphone.count else _NRF_PINS
    power = _pin(board, "POWER", pins.power) if pins.power else ()
    return (
        ("CLOCK_CODE", f"0x{_NRF_CLOCKS[divider]:08X}u", f"32 MHz / {divider}"),
        (
            "RATIO_80",
            _NRF_RATIOS.index(ratio),
            f"{ratio} bits for each sample: {float(given):g} samples a second",
        ),
        *_pin(board, "CLOCK", pins.clock),
        *_pin(board, "DATA", pins.data),
        ("POWERED", int(bool(pins.power)), "a pin switches its supply"),
        *power,
    )


# ---- STM32L475: DFSDM1

# Bits of half a sample, which its filter of fourth order adds up; 24 bits hold no more.
_DFSDM_BITS = range(32, 54)
# What the microphones' data sheets take, and the divider's field (RM0351 24.8.1).
_DFSDM_CLOCK_HZ, _DFSDM_DIVIDERS = (1_000_000, 3_250_000), range(2, 257)


def _of_dfsdm(board: Board, rate_hz: int) -> Values:
    """The chip's filter gives values at twice the sample rate; the firmware's filter makes samples of them."""
    core_hz = board.clock.sysclk_hz
    found = [
        (bits, divider)
        for bits in _DFSDM_BITS
        for divider in _DFSDM_DIVIDERS
        if _DFSDM_CLOCK_HZ[0] <= core_hz / divider <= _DFSDM_CLOCK_HZ[1]
    ]
    bits, divider = min(found, key=lambda x: (abs(Fraction(core_hz, 2 * x[0] * x[1]) - rate_hz), -x[0]))
    given = Fraction(core_hz, 2 * bits * divider)
    _check_rate(board, rate_hz, given)
    return (
        ("DIVIDER", f"{divider}u", f"{core_hz / divider / 1e6:g} MHz"),
        ("VALUE_BITS", f"{bits}u", f"of half a sample: {float(given):g} samples a second"),
        ("VALUE_SCALE", f"{pdm.value_scale(bits)}u", "2^47 / VALUE_BITS^4"),
        *_pin(board, "CLOCK", board.microphone.clock),
        *_pin(board, "DATA", board.microphone.data),
    )


def _check_rate(board: Board, rate_hz: int, given: Fraction) -> None:
    if abs(given / rate_hz - 1) > Fraction(1, 1000):
        raise BoardError(
            "the board's clock gives no such rate",
            where=board.name,
            expected=f"{rate_hz:,} samples a second",
            found=f"{float(given):,.1f} is the nearest",
        )


PERIPHERALS = (
    Peripheral("i2s", tuple(_PLLI2S), ("stm32f4_i2s.c", "slots.c"), _of_i2s),
    Peripheral("pdm", tuple(_PLLI2S), ("stm32f4_i2s.c", "pdm.c", "filter.c"), _of_pdm_bits, filters=True),
    Peripheral("pdm", ("nrf52840",), ("nrf52_pdm.c",), _of_nrf_pdm),
    Peripheral("pdm", ("stm32l475vg",), ("stm32l4_dfsdm.c", "filter.c"), _of_dfsdm, filters=True),
)


def peripheral(board: Board, kind: str) -> Peripheral:
    """What receives this kind of microphone on a board.

    Raises:
        BoardError: nothing that is known here.
    """
    for one in PERIPHERALS:
        if one.kind == kind and board.chip.name in one.chips:
            return one
    chips = [chip for one in PERIPHERALS if one.kind == kind for chip in one.chips]
    raise BoardError(
        f"no {kind} microphone is known on this board",
        where=board.name,
        expected=f"a board with {', '.join(chips)}",
    )


def render_microphone(board: Board, kind: str, rate_hz: int, channels: int) -> dict[str, str]:
    """Text by file name.

    Raises:
        BoardError: the part's microphone is not known here, or it takes another rate, or two channels are wanted.
    """
    if channels != 1:
        raise BoardError("a microphone has one channel", where=board.name, found=f"{channels} channels")
    by = peripheral(board, kind)
    about = {"block": 4 * round(_BLOCK_S * rate_hz / 4), "rate": f"{rate_hz:,}", "tool_version": __version__}
    files = {HEADER: render("listen/microphone_config.h.j2", values=by.values(board, rate_hz), **about)}
    if by.filters:
        files["pdm_filter.h"] = render_filter()
    return files


def render_filter() -> str:
    """``pdm_filter.h``."""
    return render("listen/pdm_filter.h.j2", taps=pdm.taps(), shift=pdm.FILTER_SHIFT, tool_version=__version__)
