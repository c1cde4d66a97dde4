# SPDX-License-Identifier: Apache-2.0
"""Robot Framework keywords for the test that an export brings for Renode (``Library    ascmcu.api.robot``)."""

from __future__ import annotations

import socket
from pathlib import Path

from ascmcu import boards
from ascmcu.benchmark import golden
from ascmcu.benchmark.run import check_firmware
from ascmcu.benchmark.session import Session
from ascmcu.benchmark.starts import Names
from ascmcu.runners.base import Target
from ascmcu.runners.serial import SerialRunner
from ascmcu.toolchain.manifest import Manifest

_RESPONSE_S = 60.0


def free_port() -> int:
    """A TCP port of this machine that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def golden_answer_should_be_right(folder: str, port: int) -> None:
    """Send the golden input of the export in ``folder`` to the firmware behind a TCP ``port``; compare the outputs.

    Raises:
        LinkError: another firmware answers, nothing does, or the outputs are not those of the reference.
    """
    manifest = Manifest.load(Path(folder))
    target = Target(
        Path(folder), boards.of_export(Path(folder), manifest.board), manifest, manifest.features is not None
    )
    wanted = golden.golden(target.folder, manifest)
    with SerialRunner(target, f"socket://127.0.0.1:{port}") as link:
        facts = link.facts
        session = Session(link, response_s=_RESPONSE_S, silent_hint=facts.silent_hint, place=Names(target))
        check_firmware(session.hello, target)
        golden.check(session, manifest, wanted)
