# SPDX-License-Identifier: Apache-2.0
"""What a board and a chip are: the tables of ``boards/<board>.toml`` and ``boards/chips/<chip>.toml`` as records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ascmcu.boards.families import FAMILIES, Family, PortClock

MemoryKind = Literal["flash", "ram", "ccm"]
Interface = Literal["stlink", "jlink", "daplink"]
ClockSource = Literal["hse-bypass", "hse-crystal", "hsi"]


@dataclass(frozen=True)
class Memory:
    """One address range. ``ccm`` is RAM that DMA does not reach.

    ``banks_bytes``: where the range is several memories in a row, each with a bus port of its own, their sizes.
    ``code``: RAM that the core fetches code from without waiting, over the I-code bus. ``mirrors``: the address at
    which the first RAM has the same bytes; 0: they are nowhere else.
    """

    name: str
    kind: MemoryKind
    origin: int
    size_bytes: int
    banks_bytes: tuple[int, ...] = ()
    code: bool = False
    mirrors: int = 0

    @property
    def end(self) -> int:
        """The first address behind the range."""
        return self.origin + self.size_bytes


@dataclass(frozen=True)
class FlashWait:
    """Highest HCLK for 0, 1, 2, … wait states at a supply of at least ``min_mv``.

    ``over_drive``: the row holds with over-drive (boost), and is then preferred.
    """

    min_mv: int
    max_hz: tuple[int, ...]
    over_drive: bool = False


@dataclass(frozen=True)
class Regulator:
    """Highest SYSCLK for a setting of the voltage regulator (PWR_CR.VOS), without over-drive."""

    vos: int
    max_hz: int


@dataclass(frozen=True)
class PllLimits:
    """Ranges, both ends included, of the main PLL's factors and of the frequencies inside it."""

    m: tuple[int, int]
    n: tuple[int, int]
    p: tuple[int, ...]
    vco_in_hz: tuple[int, int]
    vco_out_hz: tuple[int, int]


@dataclass(frozen=True)
class ClockLimits:
    """``over_drive_hz`` is the highest SYSCLK with over-drive (F4) or boost (L4+, G4), 0 on parts that have neither."""

    sysclk_hz: int
    apb1_hz: int
    apb2_hz: int
    hsi_hz: int
    hse_hz: tuple[int, int]
    over_drive_hz: int
    pll: PllLimits


@dataclass(frozen=True)
class Tools:
    """What flashing tools call the part: pyOCD's target, OpenOCD's target file, SEGGER's device."""

    pyocd: str
    openocd: str
    jlink: str


@dataclass(frozen=True)
class IdleCurrent:
    """Supply current of a part that waits for the next inference, as somebody measured it; lowest and highest.

    ``source`` says who measured what, in which sleep mode; the supply is that of the current in run mode.
    """

    ua: tuple[float, float]
    source: str


@dataclass(frozen=True)
class MeasuredCurrent:
    """Supply current of a part while it runs neural networks, as somebody measured it; lowest and highest.

    ``source`` says who measured what, at which clock and with which regulator. ``idle``: what it draws in between;
    None where nobody says.
    """

    ua_per_mhz: tuple[int, int]
    supply_mv: int
    source: str
    idle: IdleCurrent | None = None

    def __str__(self) -> str:
        low, high = self.ua_per_mhz
        current = f"{low}" if low == high else f"{low}–{high}"
        return f"{current} µA/MHz at {self.supply_mv / 1000:g} V, measured: {self.source}"


@dataclass(frozen=True)
class DatasheetCurrent:
    """The typical current on a data sheet's first page. No energy is made of it: real code draws more."""

    ua_per_mhz: int
    source: str

    def __str__(self) -> str:
        return f"{self.ua_per_mhz} µA/MHz, datasheet; real code draws about {DATASHEET_FACTOR:g} × ({self.source})"


# MLPerf Tiny's energy results for the STM32L4R5 (194–216 µA/MHz, 3.0 V, LDO, v1.1) over its data sheet's 110.
DATASHEET_FACTOR = 1.8


@dataclass(frozen=True)
class Power:
    """The supply current in run mode: as measured, and as the data sheet has it; None where nobody says."""

    measured: MeasuredCurrent | None = None
    datasheet: DatasheetCurrent | None = None


@dataclass(frozen=True)
class FlashCache:
    """What stands between core and flash, as the firmware switches it on; ``read_bytes`` 0: nobody has said it.

    The array gives ``read_bytes`` at once. ``prefetch``: it reads on while the core uses what came before. The
    instruction and the data cache hold so many lines of ``line_bytes``, in sets of ``ways`` (0: a line may lie
    anywhere); ``unified``: data goes through the instruction cache. The least recently used line goes, or with
    ``round_robin`` the one that came first.
    """

    read_bytes: int = 0
    prefetch: bool = False
    instruction_lines: int = 0
    data_lines: int = 0
    line_bytes: int = 16
    ways: int = 0
    unified: bool = False
    round_robin: bool = False


@dataclass(frozen=True)
class Chip:
    """A part: what holds on every board that carries it. ``reference`` names its manuals."""

    name: str
    title: str
    family: str
    core: str
    reference: str
    memory: tuple[Memory, ...]
    clock: ClockLimits
    flash_wait: tuple[FlashWait, ...]
    tools: Tools
    power: Power = Power()
    regulator: tuple[Regulator, ...] = ()
    flash_cache: FlashCache = FlashCache()


@dataclass(frozen=True)
class Pll:
    """SYSCLK = source / m · n / p. Other manuals: PREDIV and PLLMUL (F3), R for p (L4, G4), PRDIV and VDIV (K64)."""

    m: int
    n: int
    p: int


@dataclass(frozen=True)
class Clock:
    """The clock tree as a board runs it."""

    source: ClockSource
    source_hz: int
    pll: Pll
    sysclk_hz: int
    apb1_divider: int
    apb2_divider: int
    wait_states: int
    over_drive: bool

    def port_hz(self, clock: PortClock) -> int:
        """The input clock of a serial port."""
        dividers = {"apb1": self.apb1_divider, "apb2": self.apb2_divider, "core": 1, "core/4": 4}
        return self.sysclk_hz // dividers[clock]


@dataclass(frozen=True)
class Serial:
    """The port that carries the protocol. ``fallback_baud`` is for the case that only the internal oscillator runs.

    ``usart`` is the port's number in its family (``FAMILIES``); ``alternate`` the pins' function number, where the
    family has such.
    """

    usart: int
    tx: str
    rx: str
    alternate: int
    baud: int
    fallback_baud: int


@dataclass(frozen=True)
class Emulators:
    """Emulators that can stand in: a QEMU machine and the part that it really models; Renode's platform file, or
    ``own`` for one that the export brings along."""

    qemu_machine: str = ""
    qemu_models: str = ""
    renode_platform: str = ""


@dataclass(frozen=True)
class Probe:
    """The debug probe on the board. ``console``: it also offers the serial port over USB."""

    interface: Interface
    console: bool = True


@dataclass(frozen=True)
class Microphone:
    """A microphone on the board; the benchmark firmware takes its samples over the wire and does not use it.

    ``power``: the pin that switches its supply on when high, where there is one.
    """

    kind: Literal["pdm", "i2s", "analog"]
    clock: str
    data: str
    count: int
    power: str = ""


NO_MICROPHONE = Microphone("pdm", "", "", 0)


@dataclass(frozen=True)
class Board:
    """A board with its chip, checked. All figures are of the description, none is measured.

    ``bootloader_bytes`` at the start of the flash are left alone. ``aliases`` are other names of the board: the order
    code, Zephyr's, PlatformIO's. Case does not matter, nor whether words are joined by - or _.
    """

    name: str
    title: str
    chip: Chip
    supply_mv: int
    stack_bytes: int
    clock: Clock
    serial: Serial
    probe: Probe
    bootloader_bytes: int = 0
    emulators: Emulators = Emulators()
    microphone: Microphone = NO_MICROPHONE
    aliases: tuple[str, ...] = ()

    @property
    def family(self) -> Family:
        """The chip's family: its firmware and its ports."""
        return FAMILIES[self.chip.family]

    @property
    def port_name(self) -> str:
        """The serial port as the manual calls it."""
        return self.family.ports[self.serial.usart].name

    @property
    def port_hz(self) -> int:
        """What clocks the serial port."""
        return self.clock.port_hz(self.family.ports[self.serial.usart].clock)

    @property
    def flash(self) -> Memory:
        """Where the code goes: behind a boot loader, if the board keeps one."""
        whole, taken = next(m for m in self.chip.memory if m.kind == "flash"), self.bootloader_bytes
        return dataclasses.replace(whole, origin=whole.origin + taken, size_bytes=whole.size_bytes - taken)

    @property
    def ram(self) -> Memory:
        """Where stack, data and buffers go: the largest RAM that everything can reach."""
        return max((m for m in self.chip.memory if m.kind == "ram"), key=lambda m: m.size_bytes)

    @property
    def spare(self) -> Memory | None:
        """The largest other memory that the core writes to. Some chips' DMA does not reach it; none is used here."""
        own = [m for m in self.chip.memory if m.kind != "flash" and not m.mirrors]
        others = [m for m in own if m.name != self.ram.name]
        return max(others, key=lambda m: m.size_bytes, default=None)

    @property
    def stack_memory(self) -> Memory:
        """Where the stack begins: below it lies no memory, so that an overflow faults."""
        below = (m for m in self.chip.memory if m.kind != "flash" and m.end == self.ram.origin)
        return next(below, self.ram)

    @property
    def code_memory(self) -> Memory | None:
        """A RAM that gives code without waiting, beside the first or a part of it by another address; None without."""
        others = [m for m in self.chip.memory if m.code and m.name != self.ram.name]
        return max(others, key=lambda m: m.size_bytes, default=None)

    def ram_room_bytes(self, ram_bytes: Mapping[str, int]) -> int:
        """The RAM that a firmware's bytes are to be held against: the first memory, and the second where it has some.

        Args:
            ram_bytes: by purpose, as in :mod:`ascmcu.toolchain.size`.
        """
        second = ram_bytes.get("code", 0) > 0 or ram_bytes["total"] > self.ram.size_bytes
        return self.ram.size_bytes + (self.spare.size_bytes if second and self.spare is not None else 0)

    @property
    def hsi_pll_m(self) -> int:
        """The PLL's divider that gives the same SYSCLK from the internal oscillator, 0 when none does."""
        m, rest = divmod(self.chip.clock.hsi_hz * self.clock.pll.m, self.clock.source_hz)
        low, high = self.chip.clock.pll.m
        return m if rest == 0 and low <= m <= high else 0

    @property
    def regulator_vos(self) -> int:
        """The lowest setting of the voltage regulator that allows the clock."""
        wanted = min(self.clock.sysclk_hz, self.chip.clock.sysclk_hz)
        settings = sorted(self.chip.regulator, key=lambda r: r.max_hz)
        return next((r.vos for r in settings if r.max_hz >= wanted), settings[-1].vos if settings else 0)

    def summary(self) -> dict[str, Any]:
        """What ``ascmcu boards list --json`` says of a board."""
        measured = self.chip.power.measured
        return {
            "name": self.name,
            "title": self.title,
            "chip": self.chip.name,
            "family": self.chip.family,
            "core": self.chip.core,
            "clock_hz": self.clock.sysclk_hz,
            "wait_states": self.clock.wait_states,
            "flash_bytes": self.flash.size_bytes,
            "ram_bytes": self.ram.size_bytes,
            "serial": f"{self.port_name} {self.serial.tx}/{self.serial.rx}",
            "baud": self.serial.baud,
            "probe": self.probe.interface,
            "qemu": self.emulators.qemu_machine,
            "renode": self.emulators.renode_platform,
            "measured_ua_per_mhz": list(measured.ua_per_mhz) if measured else None,
        }
