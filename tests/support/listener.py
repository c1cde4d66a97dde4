# SPDX-License-Identifier: Apache-2.0
"""A library that listens, compiled for this machine with the checks for undefined behaviour, and called from Python."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu.listening.decisions import Event
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.manifest import Manifest
from tests.support.host_model import FLAGS

HOP, ROW, FED, NOTHING = 3, 2, 1, 0
_SHIM = """
#include "listen.h"
struct decisions_event seen[64];
unsigned seen_count;
void listen_on_event(const struct decisions_event *event);
void listen_on_event(const struct decisions_event *event) { seen[seen_count++ % 64u] = *event; }
"""


class _Seen(ctypes.Structure):
    _fields_ = (
        ("start_hop", ctypes.c_uint32),
        ("score", ctypes.c_int32),
        ("rule", ctypes.c_uint16),
        ("class_index", ctypes.c_uint16),
    )


class Listener:
    """``listen.h`` of an export with ``--format library``.

    Args:
        folder: the export; it is given the shared library.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = Manifest.load(folder)
        (folder / "shim").mkdir(exist_ok=True)
        sources = sorted(folder.glob("*.c"))
        if self.manifest.decisions is not None:
            (folder / "shim" / "shim.c").write_text(_SHIM)
            sources.append(folder / "shim" / "shim.c")
        dsp = cmsis_dsp.sources()
        objects = []
        for source, warned in [*((s, True) for s in sources), *((Path(s), False) for s in dsp.c_files)]:
            made = folder / "shim" / f"{source.stem}.o"
            checks = ("-fsanitize=undefined", "-fno-sanitize-recover=all") if warned else ("-w",)
            includes = (f"-I{folder}", *(f"-isystem{p}" for p in dsp.include_dirs))
            _run("gcc", *FLAGS, "-O1", *checks, "-fPIC", *includes, "-c", str(source), "-o", str(made))
            objects.append(str(made))
        library = folder / "shim" / "listen.so"
        _run("gcc", "-shared", "-fsanitize=undefined", *objects, "-lm", "-o", str(library))
        self._c = ctypes.CDLL(str(library))
        self._c.listen_feed.restype = ctypes.c_size_t
        self._c.listen_feed.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self._c.model_output.restype = ctypes.c_void_p
        for name in ("listen_lost", "listen_hops", "listen_waiting"):
            getattr(self._c, name).restype = ctypes.c_uint32
        self.reset()

    def reset(self) -> None:
        """The audio begins."""
        self._c.listen_reset()

    def feed(self, pcm: npt.NDArray[np.int16]) -> int:
        """As an interrupt would; how many sample frames it took."""
        return int(self._c.listen_feed(pcm.ctypes.data, len(pcm)))

    def work(self) -> int:
        """One call, as in a main loop; what it did."""
        return int(self._c.listen_work())

    def scores(self) -> bytes:
        """Output 0."""
        return ctypes.string_at(self._c.model_output(0), self.manifest.outputs[0].row_bytes)

    def events(self) -> list[Event]:
        """Those since the last call."""
        count = ctypes.c_uint.in_dll(self._c, "seen_count")
        seen = (_Seen * 64).in_dll(self._c, "seen")
        found = [Event(e.rule, e.start_hop, e.score) for e in seen[: count.value]]
        count.value = 0
        return found

    @property
    def lost(self) -> int:
        """Sample frames."""
        return int(self._c.listen_lost())

    @property
    def waiting(self) -> int:
        """Sample frames."""
        return int(self._c.listen_waiting())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
