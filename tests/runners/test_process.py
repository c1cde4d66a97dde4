# SPDX-License-Identifier: Apache-2.0
"""The link to a child process: bytes go both ways at once."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ascmcu.runners._process import ProcessRunner
from ascmcu.runners.base import RunnerFacts

# A child that says far more than a socket holds before it reads a byte, then all it is told, then how much that was.
MANY_BYTES = 4_000_000
SAYS_FIRST = f"""
import os, sys
def told(count):
    got = 0
    while got < count:
        got += len(os.read(0, 65536))
    return got
said = 0
while said < {MANY_BYTES}:
    said += os.write(1, bytes(65536))
os.write(1, b"told %d" % told({MANY_BYTES}))
os.read(0, 1)
"""


class _Child(ProcessRunner):
    name = "child"

    @property
    def facts(self) -> RunnerFacts:
        return RunnerFacts(name="child", count_kind="none", detail="", response_s=600.0)

    def _command(self, scratch: Path) -> list[str]:
        return [sys.executable, "-c", SAYS_FIRST]


def test_a_child_that_speaks_before_it_listens_is_heard_while_it_is_told() -> None:
    with _Child(cast(Any, SimpleNamespace())) as link:
        link.write(bytes(MANY_BYTES), 600.0)
        heard = b""
        while not heard.endswith(b"told %d" % MANY_BYTES):
            more = link.read(600.0)
            assert more, "the child has fallen silent"
            heard += more
        assert len(heard) > MANY_BYTES
