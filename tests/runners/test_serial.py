# SPDX-License-Identifier: Apache-2.0
"""The serial port: which one it is, at which rate, what else may answer on it, and what happens when it goes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pty
import random
import re
import select
import shutil
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ascmcu import boards
from ascmcu.benchmark import journal, wire
from ascmcu.benchmark import run as bench
from ascmcu.benchmark import session as session_module
from ascmcu.benchmark.clips import Clips, from_tensors
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.wire import Kind
from ascmcu.errors import InputError, LinkError
from ascmcu.runners import _ports
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from ascmcu.runners.serial import SerialRunner
from ascmcu.runners.sim import SimRunner
from ascmcu.toolchain.gcc import build_firmware, build_host
from tests.support.mixer import ROW_BYTES, ROWS, mixed, mixer_target
from tests.support.patience import HANG_S, Clock, OnSimulatedTime, answer_within

needs_cross = pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="no cross compiler")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    made = mixer_target(tmp_path_factory.mktemp("serial"))
    build_host(made.folder, frontend=False)
    return made


@pytest.fixture
def clips(target: Target, tmp_path: Path) -> Clips:
    array = np.random.default_rng(1).integers(-128, 128, (6, 1, ROWS, ROW_BYTES), dtype=np.int8)
    np.save(tmp_path / "in.npy", array)
    return from_tensors(target.manifest, tmp_path / "in.npy", None)


# --------------------------------------------------------------- discovery

STLINK = (0x0483, 0x374B, "0668FF", "STM32 STLink")
STLINK_V3 = (0x0483, 0x374E, "0031", "STLINK-V3")
JLINK = (0x1366, 0x1051, "000683", "J-Link")
FTDI = (0x0403, 0x6001, "A50285", "FT232R")
MODEM = (0x12D1, 0x1506, "", "HUAWEI")


def _plug(monkeypatch: pytest.MonkeyPatch, *ports: tuple[int, int, str, str], first: int = 0) -> None:
    made = [
        SimpleNamespace(
            device=f"/dev/ttyACM{n}", vid=vid, pid=pid, serial_number=number, product=title, description=""
        )
        for n, (vid, pid, number, title) in enumerate(ports, first)
    ]
    builtin = SimpleNamespace(
        device="/dev/ttyS0", vid=None, pid=None, serial_number=None, product=None, description=""
    )
    monkeypatch.setattr(_ports.list_ports, "comports", lambda: [builtin, *made])


@pytest.mark.parametrize(
    ("board", "ports", "device"),
    [
        ("nucleo-f446", [MODEM, STLINK], "/dev/ttyACM1"),
        ("nucleo-g474", [STLINK_V3], "/dev/ttyACM0"),
        ("nrf52840-dk", [STLINK, JLINK], "/dev/ttyACM1"),
        ("stm32f4-discovery", [STLINK, FTDI], "/dev/ttyACM1"),
    ],
)
def test_auto_finds_the_probe_of_the_board(
    board: str, ports: list[tuple[int, int, str, str]], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plug(monkeypatch, *ports)
    assert _ports.find(boards.load(board)).device == device


def test_auto_names_what_it_found_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    board = boards.load("nucleo-f446")
    _plug(monkeypatch, MODEM)
    with pytest.raises(LinkError, match="not connected") as none:
        _ports.find(board)
    assert "HUAWEI 12d1:1506" in str(none.value)
    _plug(monkeypatch, STLINK, STLINK_V3)
    with pytest.raises(LinkError, match="several serial ports") as several:
        _ports.find(board)
    assert "/dev/ttyACM0" in str(several.value) and "/dev/ttyACM1" in str(several.value)
    _plug(monkeypatch)
    with pytest.raises(LinkError, match="not connected") as nothing:
        SerialRunner(SimpleNamespace(board=board), "auto").port  # type: ignore[arg-type] # noqa: B018
    assert "no USB serial port at all" in str(nothing.value)


def test_a_port_that_comes_back_under_another_name_is_known_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _plug(monkeypatch, STLINK)
    port = _ports.find(boards.load("nucleo-f446"))
    _plug(monkeypatch, FTDI)
    assert _ports.again(port) is None
    _plug(monkeypatch, FTDI, STLINK, first=3)
    assert _ports.again(port) == "/dev/ttyACM4"


# --------------------------------------------------------------- a board on a pseudo-terminal


class Desk:
    """Boards on pseudo-terminals: the host's firmware behind each, whose cable can be pulled, and which can be reset.

    The path is a link, so that a new terminal can take the old one's name, as a device file does.
    """

    def __init__(self, target: Target, path: Path) -> None:
        self.path = path
        self._target = target
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._disturbance: Callable[[], None] | None = None
        self.plugged = False
        self.plug()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def plug(self) -> None:
        """The cable goes in; it powers the board."""
        with self._lock:
            self._master, self._slave = pty.openpty()
            tty.setraw(self._slave)
            self._device = HostRunner(self._target)
            self._device.__enter__()
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(os.ttyname(self._slave))
            self.plugged = True

    def pull(self) -> None:
        """The cable comes out."""
        with self._lock:
            self.plugged = False
            self.path.unlink()
            os.close(self._slave)
            os.close(self._master)
            self._device.__exit__(None, None, None)

    def reset(self) -> None:
        """The reset button."""
        with self._lock:
            self._device.__exit__(None, None, None)
            self._device = HostRunner(self._target)
            self._device.__enter__()

    def say(self, data: bytes) -> None:
        """Bytes that the firmware did not send."""
        with self._lock:
            os.write(self._master, data)

    def disturb(self, act: Callable[[], None]) -> None:
        """Do that when the next bytes of the host arrive; they are lost to the device."""
        with self._lock:
            self._disturbance = act

    def _serve(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                if self.plugged:
                    with contextlib.suppress(OSError):  # the other side has closed its end
                        self._pass_on()
            time.sleep(0.0005)

    def _pass_on(self) -> None:
        if select.select([self._master], [], [], 0.001)[0]:
            data = os.read(self._master, 4096)
            if self._disturbance is not None:
                act, self._disturbance = self._disturbance, None
                act()
                return
            self._device.write(data, HANG_S)
        answer = self._device.read(0.001)
        if answer:
            os.write(self._master, answer)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(HANG_S)
        if self.plugged:
            self.pull()


@pytest.fixture
def desk(target: Target, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(target, tmp_path / "ttyACM0")
    yield made
    made.close()


def test_a_terminal_is_a_serial_port(target: Target, desk: Desk, clips: Clips) -> None:
    done = bench.run(target, SerialRunner(target, str(desk.path)), clips)
    assert [c.outputs for c in done.clips] == [mixed(c.load()) for c in clips.clips]


@pytest.mark.parametrize("what", ["reset", "garbage", "half a frame", "unplugged", "unplugged for a while"])
def test_what_happens_on_desks_costs_no_result(what: str, target: Target, desk: Desk, clips: Clips) -> None:
    runner = SerialRunner(target, str(desk.path), reopen_s=HANG_S)
    armed, happened = [], []

    def disturb(done: int, total: int) -> None:
        if done == 2 and not armed:
            armed.append(True)
            desk.disturb(act)

    def act() -> None:
        happened.append(True)
        if what == "reset":
            desk.reset()
        elif what == "garbage":
            desk.say(random.Random(1).randbytes(3000))
        elif what == "half a frame":
            desk.say(wire.encode(wire.Type.READY, body=bytes(10))[:9])
        else:
            desk.pull()
            time.sleep(1.5 if what.endswith("while") else 0.1)
            desk.plug()

    done = bench.run(target, runner, clips, progress=disturb)
    assert happened
    assert [c.outputs for c in done.clips] == [mixed(c.load()) for c in clips.clips]


def test_a_port_that_stays_away_leaves_a_run_that_goes_on(target: Target, desk: Desk, clips: Clips) -> None:
    def pull(done: int, total: int) -> None:
        if done == 3 and desk.plugged:
            desk.pull()

    with pytest.raises(LinkError, match="is gone") as gone:
        bench.run(target, SerialRunner(target, str(desk.path), reopen_s=0.5), clips, progress=pull)
    assert "goes on where this one stopped" in str(gone.value)
    desk.plug()
    done = bench.run(target, SerialRunner(target, str(desk.path)), clips)
    assert done.resumed == 3
    assert [c.outputs for c in done.clips] == [mixed(c.load()) for c in clips.clips]


def test_two_boards_at_once(target: Target, desk: Desk, clips: Clips, tmp_path: Path) -> None:
    other = Desk(target, tmp_path / "ttyACM1")
    try:
        results: dict[str, bench.RunResult] = {}

        def one(path: Path) -> None:
            results[path.name] = bench.run(target, SerialRunner(target, str(path)), clips)

        threads = [threading.Thread(target=one, args=(d.path,)) for d in (desk, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_S)
    finally:
        other.close()
    assert [c.outputs for c in results["ttyACM0"].clips] == [c.outputs for c in results["ttyACM1"].clips]
    kept = [p.name for p in target.folder.glob("bench-serial-*.jsonl")]
    assert any("ttyACM0" in name for name in kept) and any("ttyACM1" in name for name in kept)


def test_repetitions_are_compared_and_kept(target: Target, desk: Desk, clips: Clips) -> None:
    runner = SerialRunner(target, str(desk.path))
    done = bench.run(target, runner, clips, repeat=3, warm_up=2)
    assert all(len(c.repeats) == 3 for c in done.clips)
    assert done.resumed == 0
    assert journal.repeatability(target.folder) == "nothing counts here"


# --------------------------------------------------------------- other firmware

TALKERS = {
    "another firmware": (b"Hello from Zephyr!\r\nuart:~$ ", "not in this protocol"),
    "an older protocol": (
        wire.encode(wire.Type.IS_HELLO, request=1, body=bytes([0]) * 100),
        "another version of the protocol",
    ),
    "a newer protocol": (
        wire.encode(wire.Type.IS_HELLO, request=1, body=bytes([wire.PROTOCOL_VERSION + 1]) * 100),
        "another version of the protocol",
    ),
    "nothing": (b"", "does not answer"),
}


class Talker:
    """A link on which something says always the same."""

    def __init__(self, says: bytes, clock: Clock) -> None:
        self._says = says
        self._clock = clock

    def read(self, timeout_s: float) -> bytes:
        self._clock.now_s += min(timeout_s, 0.02)
        return self._says

    def write(self, data: bytes, timeout_s: float) -> None:
        pass


@pytest.mark.parametrize("case", TALKERS)
def test_what_answers_is_told(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    says, message = TALKERS[case]
    with pytest.raises(LinkError, match=message) as caught:
        Session(Talker(says, Clock(monkeypatch)), response_s=1.0).greet(1.2)
    if case == "another firmware":
        assert "Zephyr" in str(caught.value)


@pytest.mark.parametrize("case", ["another firmware", "an older protocol"])
def test_what_was_heard_at_the_first_rate_is_not_forgotten_at_the_second(
    case: str, target: Target, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    says, message = TALKERS[case]
    monkeypatch.setattr(bench, "_HELLO_S", 1.0)
    master, slave = pty.openpty()
    tty.setraw(slave)
    clock, board = Clock(monkeypatch), target.board.serial

    class Heard(SerialRunner):
        """Something talks at the first rate, whenever it is listened to; at the second nothing is heard."""

        def at(self, baud: int) -> Heard:
            return Heard(self.target, self.port, baud)

        def read(self, timeout_s: float) -> bytes:
            clock.now_s += timeout_s / 2
            if self.baud == board.fallback_baud:
                return super().read(0.0)
            os.write(master, says)
            return super().read(HANG_S)

    try:
        with pytest.raises(LinkError, match=message):
            bench.run(target, Heard(target, os.ttyname(slave)), clips)
    finally:
        os.close(master)
        os.close(slave)


# --------------------------------------------------------------- baud rates


class Lossy(SerialRunner):
    """A cable that damages one byte in a hundred at the higher rate."""

    rng = random.Random(5)
    rates: list[int] = []  # noqa: RUF012 - one list for all rates of one test

    def __enter__(self) -> Lossy:
        self.rates.append(self.baud)
        super().__enter__()
        return self

    def at(self, baud: int) -> Lossy:
        return Lossy(self.target, self.port, baud)

    def _damaged(self, data: bytes) -> bytes:
        if self.baud < 500_000:
            return data
        return bytes(b ^ 0x10 if self.rng.random() < 0.01 else b for b in data)

    def read(self, timeout_s: float) -> bytes:
        return self._damaged(super().read(timeout_s))


def test_a_cable_that_loses_bytes_is_used_at_the_lower_rate(
    target: Target, desk: Desk, tmp_path: Path
) -> None:
    array = np.random.default_rng(2).integers(-128, 128, (40, 1, ROWS, ROW_BYTES), dtype=np.int8)
    np.save(tmp_path / "many.npy", array)
    many = from_tensors(target.manifest, tmp_path / "many.npy", None)
    Lossy.rates.clear()
    done = bench.run(target, Lossy(target, str(desk.path)), many)
    assert [c.outputs for c in done.clips] == [mixed(c.load()) for c in many.clips]
    assert Lossy.rates == [921_600, 115_200]
    assert "115200 baud" in done.facts.detail


@needs_cross
@pytest.mark.parametrize("board", ["nucleo-f446", "nucleo-l476", "frdm-k64f"])
def test_the_firmware_follows_a_host_that_sends_slower(board: str, tmp_path: Path) -> None:
    """On the cycle model: bytes at another rate end in framing errors; the firmware then tries the board's other."""
    target = mixer_target(tmp_path, board)
    build_firmware(tmp_path, target.board, frontend=False)
    serial, core_hz = target.board.serial, target.board.clock.sysclk_hz
    with SimRunner(target) as link:
        port = link.machine.usarts[serial.usart]
        assert core_hz * 10 / port.frame_cycles() == pytest.approx(serial.baud, rel=0.02)
        port.line_frame_cycles = core_hz * 10 // serial.fallback_baud
        session = Session(link, response_s=HANG_S)
        tensor = random.Random(1).randbytes(ROWS * ROW_BYTES)
        assert session.greet(HANG_S).board == board
        assert core_hz * 10 / port.frame_cycles() == pytest.approx(serial.fallback_baud, rel=0.02)
        assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)
        assert session.statistics().line_errors >= 16


def test_names_of_ports_make_names_of_files(target: Target) -> None:
    label = SerialRunner(target, "socket://127.0.0.1:34567").label
    assert re.fullmatch(r"serial-[A-Za-z0-9-]+", label)


# --------------------------------------------------------------- two on one port, sockets, slow devices


def test_a_port_in_use_is_refused_at_once_and_free_again_afterwards(
    target: Target, desk: Desk, clips: Clips
) -> None:
    """The first keeps its port and its results; the second, of another export, reads and writes nothing."""

    class Second(SerialRunner):
        def read(self, timeout_s: float) -> bytes:
            raise AssertionError("it waits for an answer")

        write = _reopen = read  # type: ignore[assignment]

    with SerialRunner(target, str(desk.path)) as link:
        session = Session(link, response_s=HANG_S)
        assert session.greet(HANG_S).model == "mixer"
        with pytest.raises(LinkError, match="in use by another program") as caught:
            bench.run(target, Second(target, os.path.realpath(desk.path)), clips)
        assert caught.value.exit_status == 2
        tensor = clips.clips[0].load()
        assert session.run(tensor, Kind.TENSOR).outputs == mixed(tensor)
    assert len(bench.run(target, SerialRunner(target, str(desk.path)), clips).clips) == len(clips.clips)


@pytest.mark.parametrize(
    "address",
    [
        "socket://",
        "socket://127.0.0.1",
        "socket://127.0.0.1:",
        "socket://:34567",
        "socket://127.0.0.1:x",
        "socket://127.0.0.1:0",
        "socket://127.0.0.1:65536",
        "rfc2217://127.0.0.1",
    ],
)
def test_an_address_without_host_or_port_is_refused(address: str, target: Target) -> None:
    with pytest.raises(InputError, match="incomplete") as caught:
        SerialRunner(target, address)
    assert "://HOST:PORT" in str(caught.value) and address in str(caught.value)


def test_a_socket_is_opened_once_and_its_hints_are_of_sockets(
    target: Target, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of one client that is busy takes the connection and says nothing; then nobody listens any more."""
    answer_within(monkeypatch, 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=4) as door:
        address = f"socket://127.0.0.1:{door.getsockname()[1]}"
        with pytest.raises(LinkError, match="does not answer") as silent:
            bench.run(target, SerialRunner(target, address), clips)
        door.setblocking(False)
        door.accept()[0].close()
        with pytest.raises(BlockingIOError):
            door.accept()
    with pytest.raises(LinkError, match="cannot be opened") as closed:
        bench.run(target, SerialRunner(target, address), clips)
    for error in (silent, closed):
        assert "nother client may hold the connection" in str(error.value)
        assert "dialout" not in str(error.value) and "baud" not in str(error.value)


class Late(OnSimulatedTime):
    """A device that takes its time over every answer, and answers one question after the other."""

    delay_s = 0.45

    def __enter__(self) -> Late:
        self._line: list[tuple[float, bytes]] = []
        self._part = b""
        super().__enter__()
        return self

    def read(self, timeout_s: float) -> bytes:
        clock = self.clock
        until_s = clock.now_s + timeout_s
        while True:
            *whole, self._part = (self._part + super().read(0.002)).split(b"\0")
            for frame in (b"\0" + inner + b"\0" for inner in whole if inner):
                last_s = self._line[-1][0] if self._line else 0.0
                self._line.append((max(clock.now_s, last_s) + self.delay_s, frame))
            if self._line and self._line[0][0] <= clock.now_s:
                return self._line.pop(0)[1]
            if clock.now_s >= until_s:
                return b""


@needs_cross
def test_a_device_that_answers_late_is_told_as_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it ends: in silence, or with a clip that was begun too often."""
    monkeypatch.setattr(session_module, "_ASK_AGAIN_S", 0.3)
    target = mixer_target(tmp_path)
    build_firmware(tmp_path, target.board, frontend=False)
    late = Late(target)
    late.clock = Clock(monkeypatch)
    with late as link:
        session = Session(link, response_s=1.0)
        tensor = random.Random(1).randbytes(ROWS * ROW_BYTES)
        with pytest.raises(LinkError, match=r"up to [0-9]\.[0-9] s for an answer") as silent:
            while session.clips_run < 20:
                session.run(tensor, Kind.TENSOR)
        monkeypatch.setattr(session, "_run_once", _restarted)
        with pytest.raises(LinkError, match="could not be completed") as begun:
            session.run(tensor, Kind.TENSOR)
    assert re.search(r"5 attempts, \d+ damaged frames; up to \d\.\d s for an answer", str(begun.value))
    assert "every answer within 0.3 s" in str(begun.value)
    for caught in (silent, begun):
        assert "answers come too late" in str(caught.value)


def _restarted(data: bytes, kind: Kind) -> None:
    raise session_module._Restarted


@pytest.mark.parametrize("after", [0, 3])
def test_an_emulator_that_is_killed_says_whether_results_are_kept(
    after: int, target: Target, clips: Clips, tmp_path: Path
) -> None:
    here = dataclasses.replace(target, folder=Path(shutil.copytree(target.folder, tmp_path / "export")))
    runner = HostRunner(here)

    def kill(done: int, total: int) -> None:
        if done == after:
            runner._child.kill()

    with pytest.raises(LinkError, match="closed the link") as caught:
        bench.run(here, runner, clips, progress=kill)
    told = f"{after} of {len(clips.clips)} clips have their result: the same command goes on"
    assert (told in str(caught.value)) == (after > 0)
    assert ("goes on" in str(caught.value)) == (after > 0)
    assert bench.run(here, HostRunner(here), clips).resumed == after
