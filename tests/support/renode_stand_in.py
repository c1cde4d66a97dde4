# SPDX-License-Identifier: Apache-2.0
"""Stands in for Renode: obeys the commands of our scripts and the keywords of our tests; the simulator is the machine.

As Renode does, it refuses what it does not know, opens the socket when told to, and delivers bytes without pacing. Run
as a program it takes ``--version`` and ``-e "include @script"`` and then waits at its prompt; imported by Robot
Framework it is a library.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import socket
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # behind an installed package

from ascmcu import boards  # noqa: E402
from ascmcu.codegen import renode  # noqa: E402
from ascmcu.runners.base import Target  # noqa: E402
from ascmcu.runners.sim import SimRunner  # noqa: E402
from ascmcu.sim.stm32 import BURST  # noqa: E402

VERSION = "Renode v1.16.1.0 (stand-in)"
NAP_S = 0.005


def _checker() -> Any:
    loader = importlib.machinery.SourceFileLoader("renode_check", str(ROOT / "tools" / "renode_check"))
    spec = importlib.util.spec_from_loader("renode_check", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["renode_check"] = module
    loader.exec_module(module)
    return module


class Refused(Exception):
    """What Renode prints behind "There was an error executing command"."""


class Emulation:
    """One machine, from ``mach create`` to ``start``."""

    def __init__(self) -> None:
        self.board: boards.Board | None = None
        self.elf: Path | None = None
        self.platform = ""
        self.terminals: dict[str, socket.socket] = {}
        self.connected = ""
        self.link: SimRunner | None = None
        self.origin = Path()
        self.over = threading.Event()

    def execute(self, command: str) -> None:
        """Obey one command of the monitor, or raise ``Refused``."""
        for pattern, method in _COMMANDS:
            match = re.fullmatch(pattern, command)
            if match:
                getattr(self, method)(*match.groups())
                return
        raise Refused("No such command or device")

    def _path(self, text: str) -> Path:
        text = text.replace("\\ ", " ").removeprefix("@").replace("$ORIGIN", str(self.origin))
        if not Path(text).is_file():
            raise Refused(f"Could not find file {text}")
        return Path(text)

    def create(self, name: str) -> None:
        self.board = boards.load(name)

    def load_platform(self, path: str) -> None:
        self.platform = self._path(path).read_text()
        problems = _checker().check_platform(self.platform)
        if problems:
            raise Refused(f"Error E00: {problems[0]}")

    def load_elf(self, path: str) -> None:
        if not self.platform:
            raise Refused("No platform")
        self.elf = self._path(path)

    def serve(self, port: str, name: str) -> None:
        self.terminals[name] = socket.create_server(("127.0.0.1", int(port)))

    def connect(self, port: str, name: str) -> None:
        self.check_port(port)
        if name not in self.terminals:
            raise Refused(f"No such terminal: {name}")
        self.connected = name

    def check_port(self, port: str) -> None:
        assert self.board is not None
        if port != renode._port(self.board)["name"]:
            raise Refused(f"sysbus.{port} is not the board's port")

    def start(self) -> None:
        if self.board is None or self.elf is None:
            raise Refused("Nothing is loaded")
        manifest: Any = None
        self.link = SimRunner(_Bare(self.elf, self.board, manifest, False), line=BURST).__enter__()
        if self.connected:
            threading.Thread(target=self._bridge, args=(self.terminals[self.connected],), daemon=True).start()

    def _bridge(self, door: socket.socket) -> None:
        assert self.link is not None
        client, _ = door.accept()
        with client:
            client.settimeout(NAP_S)
            while not self.over.is_set():
                try:
                    data = client.recv(65536)
                    if not data:
                        return
                    self.link.write(data, 1.0)
                except TimeoutError:
                    pass
                answer = self.link.read(NAP_S)
                if answer:
                    client.sendall(answer)

    def stop(self) -> None:
        self.over.set()
        for door in self.terminals.values():
            door.close()


class _Bare(Target):
    """A firmware without its export."""

    @property
    def elf(self) -> Path:
        return self.folder


_COMMANDS = (
    (r'mach create "([\w.-]+)"', "create"),
    (r"machine LoadPlatformDescription ((?:@|\$ORIGIN/)(?:\\ |\S)+)", "load_platform"),
    (r"sysbus LoadELF ((?:@|\$ORIGIN/)(?:\\ |\S)+)", "load_elf"),
    (r'emulation CreateServerSocketTerminal (\d+) "(\w+)" false', "serve"),
    (r"connector Connect sysbus\.(\w+) (\w+)", "connect"),
    (r"start", "start"),
)


class renode_stand_in:  # Robot Framework wants the library's class to be called like its file
    """The keywords of Renode that our tests use, by their signatures (``RenodeKeywords.cs``, ``UartKeywords.cs``)."""

    ROBOT_LIBRARY_SCOPE = "TEST"

    def __init__(self) -> None:
        self.emulation = Emulation()
        self.timeout_s = 0.0
        self.heard = b""

    def execute_command(self, *fragments: str) -> None:
        self.emulation.execute(" ".join(fragments))

    def start_emulation(self) -> None:
        self.emulation.start()

    def create_terminal_tester(self, uart: str, timeout: float = 8.0, binaryMode: bool = False) -> int:
        self.emulation.check_port(uart.removeprefix("sysbus."))
        if not binaryMode:
            raise AssertionError("the protocol is no text")
        self.timeout_s = timeout
        return 0

    def wait_for_bytes_on_uart(self, content: str) -> None:
        link, wanted = self.emulation.link, bytes.fromhex(content)
        assert link is not None
        machine = link.machine
        deadline = (
            machine.engine.cycles + self.timeout_s * machine.layout.clock_hz
        )  # virtual time, as Renode's
        while wanted not in self.heard:
            self.heard += link.read(0.1)
            if machine.idle or machine.engine.cycles > deadline:
                raise AssertionError(f"Terminal tester failed!\n\nFull report:\n{self.heard.hex(' ')}")

    def reset_emulation(self) -> None:
        self.emulation.stop()
        self.emulation = Emulation()
        self.heard = b""


def robot(path: Path, results: Path) -> Any:
    """Run a test file as ``renode-test`` does: keywords and set-up come from outside the file. Robot's result."""
    from robot.api import TestSuite

    suite = TestSuite.from_file_system(str(path))
    suite.resource.imports.create(type="Library", name=str(Path(__file__).resolve()))
    for test in suite.tests:
        test.setup.config(name="Reset Emulation")
        test.teardown.config(name="Reset Emulation")
    results.mkdir(parents=True, exist_ok=True)
    return suite.run(console="none", output=str(results / "robot_output.xml"), log=None, report=None)


def main(arguments: list[str]) -> int:
    """As ``renode`` on the command line, or as ``renode-test`` behind ``--robot``."""
    if arguments[:1] == ["--robot"]:
        assert arguments[2] == "-r", arguments
        return int(robot(Path(arguments[1]), Path(arguments[3])).return_code)
    if "--version" in arguments:
        print(VERSION)
        return 0
    assert arguments[:4] == ["--console", "--disable-xwt", "--plain", "-e"], arguments
    named = re.fullmatch(r"include @((?:\\ |[^\s;])+)", arguments[4])
    assert named, arguments
    script = Path(named[1].replace("\\ ", " "))
    emulation = Emulation()
    emulation.origin = script.parent
    for line in script.read_text().splitlines():
        if line and not line.startswith("#"):
            try:
                emulation.execute(line)
            except Refused as error:
                print(f"There was an error executing command '{line}': \n{error}", flush=True)
                break
    print("(monitor) ", end="", flush=True)
    sys.stdin.read()  # the end of its input ends it
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
