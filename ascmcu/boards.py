# SPDX-License-Identifier: Apache-2.0
"""Boards and chips as data: ``boards/<board>.toml`` and ``boards/chips/<chip>.toml``, loaded and checked.

A board names its chip, its clock, its serial pins and its stand-ins; a chip holds what is true of the part
wherever it is soldered. Every rule that a description must meet is one named function in ``CHECKS``.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ascmcu import paths, tables
from ascmcu.errors import BoardError, near

# In an export: the descriptions of a board that is not one of ours.
_KEPT = "board"

MemoryKind = Literal["flash", "ram", "ccm"]
PortClock = Literal["apb1", "apb2", "core", "core/4"]
Interface = Literal["stlink", "jlink", "daplink"]
ClockSource = Literal["hse-bypass", "hse-crystal", "hsi"]


@dataclass(frozen=True)
class Memory:
    """One address range. ``ccm`` is RAM that the core reaches but DMA and code fetches do not."""

    name: str
    kind: MemoryKind
    origin: int
    size_bytes: int

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
class MeasuredCurrent:
    """Supply current of a part while it runs neural networks, as somebody measured it; lowest and highest.

    ``source`` says who measured what, at which clock and with which regulator.
    """

    ua_per_mhz: tuple[int, int]
    supply_mv: int
    source: str

    def energy_uj(self, cycles: float) -> tuple[float, float]:
        """Lowest and highest energy in µJ of so many cycles, at the supply of the measurement.

        µA/MHz is pC per cycle; times mV that is 1e-15 J.
        """
        low, high = (cycles * charge_pc * self.supply_mv * 1e-9 for charge_pc in self.ua_per_mhz)
        return low, high

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
    """What stands between core and flash: lines of 128 bits, prefetched or not; for the simulator.

    0 instruction lines where the chip's flash is not modelled.
    """

    instruction_lines: int = 0
    data_lines: int = 0
    prefetch: bool = False


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
class Stand:
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
    """A microphone on the board; the benchmark firmware takes its samples over the wire and does not use it."""

    kind: Literal["pdm", "i2s", "analog"]
    clock: str
    data: str
    count: int


NO_MICROPHONE = Microphone("pdm", "", "", 0)


@dataclass(frozen=True)
class Port:
    """A serial port of a family: its name, what clocks it, and which rates that clock gives."""

    name: str
    clock: PortClock
    rates: Callable[[int, int], float]

    def clock_hz(self, clock: Clock) -> int:
        """Its input clock on a board."""
        dividers = {"apb1": clock.apb1_divider, "apb2": clock.apb2_divider, "core": 1, "core/4": 4}
        return clock.sysclk_hz // dividers[self.clock]


@dataclass(frozen=True)
class Family:
    """Parts that share firmware. ``parts`` are its folders in ``firmware/soc``, ``vectors`` its interrupts.

    ``pins`` is a pattern with the groups ``port`` and ``pin``. ``config_at``: flash offset of bytes that the chip
    reads at reset, 0 for none.
    """

    parts: tuple[str, ...]
    vectors: int
    ports: Mapping[int, Port]
    pins: str
    config_at: int = 0

    def pin(self, text: str) -> tuple[int, int]:
        """Port and pin number of a pin as the manual writes it.

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(self.pins, text)
        if match is None or int(match["pin"]) > 31:
            raise ValueError(text)
        port = match["port"]
        return (ord(port) - ord("A") if port.isalpha() else int(port)), int(match["pin"])


def _usart_rate(clock_hz: int, baud: int) -> float:
    """An STM32's USART, 16 samples per bit: RM0390 25.4.4."""
    ticks = round(clock_hz / baud)
    return clock_hz / ticks if ticks >= 16 else 0.0


def _lpuart_rate(clock_hz: int, baud: int) -> float:
    """An STM32's LPUART: RM0351 41.4.4."""
    ticks = round(256 * clock_hz / baud)
    return 256 * clock_hz / ticks if 0x300 <= ticks <= 0xFFFFF else 0.0


def _uarte_rate(clock_hz: int, baud: int) -> float:
    """The nRF52's listed rates (nRF52840 PS 6.34.9.33): whole ticks of 16 MHz. 921600 would be 2 % off."""
    ticks = {115_200: 139, 230_400: 69, 460_800: 35, 1_000_000: 16}.get(baud)
    return 16e6 / ticks if ticks else 0.0


def _kinetis_rate(clock_hz: int, baud: int) -> float:
    """A Kinetis UART, 16 samples per bit and 1/32 of a step: K64P144M120SF5RM 52.4.1."""
    ticks = round(2 * clock_hz / baud)
    return 2 * clock_hz / ticks if ticks >= 32 else 0.0


_STM32_PINS = r"P(?P<port>[A-I])(?P<pin>\d|1[0-5])"
_STM32_LG_PORTS = {
    0: Port("LPUART1", "apb1", _lpuart_rate),
    1: Port("USART1", "apb2", _usart_rate),
    2: Port("USART2", "apb1", _usart_rate),
    3: Port("USART3", "apb1", _usart_rate),
}
# Families that have firmware.
FAMILIES: dict[str, Family] = {
    "stm32f3": Family(
        parts=("cortex_m4", "systick", "stm32", "stm32f3"),
        vectors=85,
        ports={n: port for n, port in _STM32_LG_PORTS.items() if n},
        pins=_STM32_PINS,
    ),
    "stm32f4": Family(
        parts=("cortex_m4", "systick", "stm32", "stm32f4"),
        vectors=97,
        ports={
            1: Port("USART1", "apb2", _usart_rate),
            2: Port("USART2", "apb1", _usart_rate),
            3: Port("USART3", "apb1", _usart_rate),
            6: Port("USART6", "apb2", _usart_rate),
        },
        pins=_STM32_PINS,
    ),
    "stm32g4": Family(
        parts=("cortex_m4", "systick", "stm32", "stm32_pll_r", "stm32g4"),
        vectors=102,
        ports=_STM32_LG_PORTS,
        pins=_STM32_PINS,
    ),
    "stm32l4": Family(
        parts=("cortex_m4", "systick", "stm32", "stm32_pll_r", "stm32l4"),
        vectors=95,
        ports=_STM32_LG_PORTS,
        pins=_STM32_PINS,
    ),
    "nrf52": Family(
        parts=("cortex_m4", "nrf52"),
        vectors=48,
        ports={0: Port("UARTE0", "core/4", _uarte_rate)},
        pins=r"P(?P<port>[01])\.(?P<pin>\d\d)",
    ),
    "kinetis_k": Family(
        parts=("cortex_m4", "systick", "kinetis_k"),
        vectors=86,
        ports={0: Port("UART0", "core", _kinetis_rate), 1: Port("UART1", "core", _kinetis_rate)},
        pins=r"PT(?P<port>[A-E])(?P<pin>\d{1,2})",
        config_at=0x400,
    ),
}


@dataclass(frozen=True)
class Board:
    """A board with its chip, checked. All figures are of the description, none is measured.

    ``bootloader_bytes`` at the start of the flash are left alone.
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
    stand: Stand = Stand()
    microphone: Microphone = NO_MICROPHONE

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
        return self.family.ports[self.serial.usart].clock_hz(self.clock)

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
        others = [m for m in self.chip.memory if m.kind != "flash" and m.name != self.ram.name]
        return max(others, key=lambda m: m.size_bytes, default=None)

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
            "qemu": self.stand.qemu_machine,
            "renode": self.stand.renode_platform,
            "measured_ua_per_mhz": list(measured.ua_per_mhz) if measured else None,
        }


def names() -> list[str]:
    """Every board that has a description, sorted."""
    return sorted(p.stem for p in paths.boards().glob("*.toml"))


def load(name: str) -> Board:
    """The board of that name, or of the file if ``name`` is the path of a ``.toml``.

    Raises:
        BoardError: no such board (near matches are suggested), or a description that breaks a rule.
    """
    path = Path(name) if name.endswith(".toml") else paths.boards() / f"{name}.toml"
    if not path.is_file():
        raise BoardError(
            "unknown board",
            found=name,
            expected=f"{', '.join(names())}; or a board's .toml file",
            hint=near(name, names(), 3) or "`ascmcu boards list` shows them all",
        )
    raw = tables.load(path, BoardError)
    chip_name = raw.get("chip")
    if not isinstance(chip_name, str):
        raise BoardError("a board must name its chip", where=str(path), found=chip_name)
    beside = path.parent / "chips" / f"{chip_name}.toml"
    chip_path = beside if beside.is_file() else paths.boards() / "chips" / f"{chip_name}.toml"
    if not chip_path.is_file():
        known = sorted(p.stem for p in chip_path.parent.glob("*.toml"))
        raise BoardError(
            "unknown chip",
            where=str(path),
            found=chip_name,
            expected=", ".join(known),
            hint=near(chip_name, known, 3),
        )
    raw["chip"] = tables.read(chip_path, Chip, BoardError)
    board = tables.build(Board, raw, str(path), BoardError)
    for check in CHECKS:
        check(board, str(path))
    return board


def keep(name: str, folder: Path) -> None:
    """Put the description of a board that is a file of the user's into an export, for the verbs that come after.

    Args:
        name: what ``load`` took; a name of ours needs nothing.
        folder: the export.
    """
    if not name.endswith(".toml"):
        return
    path = Path(name)
    kept = folder / _KEPT
    (kept / "chips").mkdir(parents=True)
    shutil.copyfile(path, kept / path.name)
    chip = f"{load(name).chip.name}.toml"
    if (path.parent / "chips" / chip).is_file():
        shutil.copyfile(path.parent / "chips" / chip, kept / "chips" / chip)


def of_export(folder: Path, name: str) -> Board:
    """The board that an export is for: as the export describes it, or one of ours.

    Raises:
        BoardError: no such board, or a description that breaks a rule.
    """
    kept = folder / _KEPT / f"{name}.toml"
    return load(str(kept) if kept.is_file() else name)


def that_hold(flash_bytes: int, ram_bytes: int) -> list[str]:
    """The known boards with at least that much flash and RAM."""
    known = [load(name) for name in names()]
    return [b.name for b in known if b.flash.size_bytes >= flash_bytes and b.ram.size_bytes >= ram_bytes]


def _refuse(check: str, what: str, where: str, **facts: Any) -> BoardError:
    return BoardError(f"{check}: {what}", where=where, **facts)


def check_name(board: Board, where: str) -> None:
    """A board is found by its file name."""
    if Path(where).stem != board.name:
        raise _refuse(
            "name", "a board is named as its file", where, expected=Path(where).stem, found=board.name
        )


def check_family(board: Board, where: str) -> None:
    """There must be firmware for the family."""
    family = board.chip.family
    if family not in FAMILIES:
        raise _refuse(
            "family",
            "no firmware for this family",
            where,
            expected=", ".join(FAMILIES),
            found=family,
            hint=near(family, list(FAMILIES), 2),
        )


def check_memory(board: Board, where: str) -> None:
    """Flash and RAM are there, no size is zero, no two ranges overlap."""
    for kind in ("flash", "ram"):
        if not any(m.kind == kind for m in board.chip.memory):
            raise _refuse("memory", f"the chip has no {kind}", where)
    regions = sorted(board.chip.memory, key=lambda m: m.origin)
    for region in regions:
        if region.size_bytes <= 0 or region.origin % 4 or not 0 <= region.origin < region.end <= 1 << 32:
            raise _refuse("memory", f"{region.name} is empty, unaligned or beyond 4 GiB", where)
    for low, high in itertools.pairwise(regions):
        if low.end > high.origin:
            raise _refuse(
                "memory",
                f"{low.name} and {high.name} overlap",
                where,
                found=f"{low.name} ends at {low.end:#010x}, {high.name} begins at {high.origin:#010x}",
            )


def check_bootloader(board: Board, where: str) -> None:
    """A boot loader keeps whole kilobytes, so that the vector table is aligned, and at most half of the flash."""
    taken, half = board.bootloader_bytes, (board.bootloader_bytes + board.flash.size_bytes) // 2
    if taken % 1024 or not 0 <= taken <= half:
        expected = f"0 … {half} bytes, a multiple of 1024"
        raise _refuse("bootloader", "no such room", where, expected=expected, found=taken)
    if taken and board.family.config_at:
        raise _refuse(
            "bootloader", "the chip reads its options at the start of the flash", where, found=taken
        )


def check_stack(board: Board, where: str) -> None:
    """The stack is a multiple of 8 bytes (AAPCS alignment) and leaves room for data."""
    if board.stack_bytes % 8 or not 1024 <= board.stack_bytes <= board.ram.size_bytes // 2:
        raise _refuse(
            "stack",
            "not a multiple of 8, or out of range",
            where,
            expected=f"1024 … {board.ram.size_bytes // 2} bytes",
            found=board.stack_bytes,
        )


def check_source(board: Board, where: str) -> None:
    """The oscillator is one that the chip accepts."""
    clock, limits = board.clock, board.chip.clock
    low, high = (limits.hsi_hz, limits.hsi_hz) if clock.source == "hsi" else limits.hse_hz
    if not low <= clock.source_hz <= high:
        raise _refuse(
            "source",
            f"{clock.source} out of range",
            where,
            expected=f"{low} … {high} Hz",
            found=clock.source_hz,
        )


def check_pll(board: Board, where: str) -> None:
    """Factors and inner frequencies are within the chip's ranges, and the outcome is what is claimed."""
    pll, limits = board.clock.pll, board.chip.clock.pll
    for name, value, (low, high) in (("m", pll.m, limits.m), ("n", pll.n, limits.n)):
        if not low <= value <= high:
            raise _refuse(
                "pll", f"factor {name} out of range", where, expected=f"{low} … {high}", found=value
            )
    if pll.p not in limits.p:
        raise _refuse("pll", "factor p out of range", where, expected=limits.p, found=pll.p)
    vco_in_hz = board.clock.source_hz / pll.m
    inner = (("input", vco_in_hz, limits.vco_in_hz), ("output", vco_in_hz * pll.n, limits.vco_out_hz))
    for name, value_hz, (low, high) in inner:
        if not low <= value_hz <= high:
            raise _refuse(
                "pll",
                f"VCO {name} out of range",
                where,
                expected=f"{low} … {high} Hz",
                found=f"{value_hz:.0f} Hz",
            )
    sysclk_hz = vco_in_hz * pll.n / pll.p
    if sysclk_hz != board.clock.sysclk_hz:
        raise _refuse(
            "pll",
            "the factors give another clock than sysclk_hz says",
            where,
            expected=board.clock.sysclk_hz,
            found=f"{sysclk_hz:.0f} Hz",
        )


def check_limit(board: Board, where: str) -> None:
    """No clock is beyond the part: SYSCLK with or without over-drive, APB1, APB2."""
    clock, limits = board.clock, board.chip.clock
    if clock.over_drive and not limits.over_drive_hz:
        raise _refuse("limit", f"{board.chip.name} has no over-drive", where)
    highest = limits.over_drive_hz if clock.over_drive else limits.sysclk_hz
    if clock.sysclk_hz > highest:
        beyond = "" if clock.over_drive or not limits.over_drive_hz else " without over-drive"
        raise _refuse(
            "limit",
            f"SYSCLK beyond the part's limit{beyond}",
            where,
            expected=f"≤ {highest} Hz",
            found=f"{clock.sysclk_hz} Hz",
        )
    buses = (("apb1", clock.apb1_divider, limits.apb1_hz), ("apb2", clock.apb2_divider, limits.apb2_hz))
    for name, divider, bus_hz in buses:
        if divider not in (1, 2, 4, 8, 16):
            raise _refuse("limit", f"{name}_divider", where, expected="1, 2, 4, 8, 16", found=divider)
        if clock.sysclk_hz > bus_hz * divider:
            raise _refuse(
                "limit",
                f"{name.upper()} beyond the part's limit",
                where,
                expected=f"≤ {bus_hz} Hz",
                found=f"{clock.sysclk_hz // divider} Hz",
            )


def check_wait_states(board: Board, where: str) -> None:
    """The flash latency is the lowest that the manual allows at this clock and supply voltage."""
    boost = board.clock.over_drive
    rows = [w for w in board.chip.flash_wait if board.supply_mv >= w.min_mv and (boost or not w.over_drive)]
    if not rows:
        raise _refuse(
            "wait states", "the chip does not run at this supply", where, found=f"{board.supply_mv} mV"
        )
    limits_hz = max(rows, key=lambda w: (w.over_drive, w.min_mv)).max_hz
    right = next((n for n, hz in enumerate(limits_hz) if board.clock.sysclk_hz <= hz), None)
    if board.clock.wait_states != right:
        raise _refuse(
            "wait states",
            f"wrong for {board.clock.sysclk_hz} Hz at {board.supply_mv} mV",
            where,
            expected="no setting allows this clock" if right is None else right,
            found=board.clock.wait_states,
        )


def check_serial(board: Board, where: str) -> None:
    """The port exists, the pins read as pins and are two, and both baud rates come out within 2 %."""
    serial, family = board.serial, board.family
    if serial.usart not in family.ports:
        known = ", ".join(f"{n} ({port.name})" for n, port in family.ports.items())
        raise _refuse("serial", "no such port in this family", where, expected=known, found=serial.usart)
    for pin in (serial.tx, serial.rx):
        try:
            family.pin(pin)
        except ValueError:
            raise _refuse("serial", "not a pin", where, expected=family.pins, found=pin) from None
    if serial.tx == serial.rx:
        raise _refuse("serial", "sender and receiver on one pin", where, found=serial.tx)
    if not 0 <= serial.alternate <= 15:
        raise _refuse(
            "serial", "no such alternate function", where, expected="0 … 15", found=serial.alternate
        )
    rates = family.ports[serial.usart].rates
    clocks = ((board.port_hz, serial.baud), (board.chip.clock.hsi_hz, serial.fallback_baud))
    for clock_hz, baud in clocks:
        if baud <= 0 or abs(rates(clock_hz, baud) - baud) > 0.02 * baud:
            raise _refuse("serial", f"baud rate not possible from {clock_hz} Hz", where, found=baud)


def check_power(board: Board, where: str) -> None:
    """A current is one that a Cortex-M4 draws, and says where it is from."""
    measured, datasheet = board.chip.power.measured, board.chip.power.datasheet
    named = [] if datasheet is None else [(datasheet.ua_per_mhz, datasheet.source)]
    if measured is not None:
        named += [(current, measured.source) for current in measured.ua_per_mhz]
        if measured.ua_per_mhz[0] > measured.ua_per_mhz[1]:
            raise _refuse("power", "the lowest current comes first", where, found=measured.ua_per_mhz)
        if not 1000 <= measured.supply_mv <= 6000:
            raise _refuse(
                "power", "not a plausible supply", where, expected="1000 … 6000 mV", found=measured.supply_mv
            )
    for current, source in named:
        if not 20 <= current <= 1000:
            found = f"{current} µA/MHz"
            raise _refuse("power", "not a plausible current", where, expected="20 … 1000 µA/MHz", found=found)
        if not source:
            raise _refuse("power", "the current needs its source", where)


CHECKS: tuple[Callable[[Board, str], None], ...] = (
    check_name,
    check_family,
    check_memory,
    check_bootloader,
    check_stack,
    check_source,
    check_pll,
    check_limit,
    check_wait_states,
    check_serial,
    check_power,
)
