# SPDX-License-Identifier: Apache-2.0
"""The generated front end, compiled for this machine and called in this process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import paths
from ascmcu.codegen.frontend import render_frontend
from ascmcu.errors import FeatureError
from ascmcu.features.pcm import Pcm, checked
from ascmcu.features.spec import Spec
from ascmcu.toolchain import cmsis_dsp
from ascmcu.toolchain.flags import LANGUAGE
from ascmcu.toolchain.gcc import compiler_version, find_tool, refused

_FLAGS = (*LANGUAGE, "-O2", "-fPIC")


class NativeFrontend:
    """One front end as a shared library. Its state is the library's: one clip at a time.

    Args:
        spec: a fitted spec.
        scale, zero_point, dtype: the network's input, as for ``render_frontend``.

    Raises:
        FeatureError: the spec is not fitted.
        ToolError, BuildError: no compiler, no CMSIS-DSP, or the compiler failed.
    """

    def __init__(
        self, spec: Spec, *, scale: float = 1.0, zero_point: int = 0, dtype: str = "float32"
    ) -> None:
        self.spec = spec
        self.dtype = dtype
        files = render_frontend(spec, scale, zero_point, dtype)
        library = ctypes.CDLL(str(_build(files, cmsis_dsp.needed_by(files["frontend.h"]))))
        library.frontend_feed.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        library.frontend_feed.restype = ctypes.c_size_t
        library.frontend_next.argtypes = (ctypes.c_void_p,)
        library.frontend_next.restype = ctypes.c_bool
        self._library = library

    def rows(self, pcm: Pcm, chunk: int = 1024) -> npt.NDArray[Any]:
        """The features of one clip, fed ``chunk`` sample frames at a time.

        Args:
            pcm: int16 (samples, channels); what it lacks to a clip is left to ``frontend_finish``.

        Returns:
            ``spec.shape`` in the network's input dtype: (time, band, channel). Of a spec that continues as many rows as
            the samples give.
        """
        self._library.frontend_reset()
        return self.further_rows(pcm, chunk) if self.spec.continues else self._clip(pcm, chunk)

    def further_rows(self, pcm: Pcm, chunk: int = 1024) -> npt.NDArray[Any]:
        """As ``rows``, of samples that follow those of the last call; for a spec that continues."""
        return np.array(self._fed(pcm, chunk), self.dtype).reshape(-1, *self.spec.shape[1:])

    def _clip(self, pcm: Pcm, chunk: int) -> npt.NDArray[Any]:
        found = self._fed(pcm, chunk)
        self._library.frontend_finish()
        found += self._due()
        rows = self.spec.shape[0]
        if len(found) != rows:
            what = "lost rows" if len(found) < rows else "made too many rows"
            raise FeatureError(f"the generated front end {what}", expected=rows, found=len(found))
        return np.array(found, self.dtype)

    def _fed(self, pcm: Pcm, chunk: int) -> list[npt.NDArray[Any]]:
        pcm = np.ascontiguousarray(checked(pcm, self.spec))
        found: list[npt.NDArray[Any]] = []
        at = 0
        while at < len(pcm):
            end = min(at + chunk, len(pcm))
            while at < end:
                at += self._library.frontend_feed(pcm[at:].ctypes.data, end - at)
                found += self._due()
        return found

    def _due(self) -> list[npt.NDArray[Any]]:
        """The rows that are due now; a front end that never ends is stopped at more than a chunk can hold."""
        found: list[npt.NDArray[Any]] = []
        row = np.empty(self.spec.shape[1:], self.dtype)
        while len(found) <= self.spec.shape[0] and self._library.frontend_next(row.ctypes.data):
            found.append(row.copy())
        return found


def _build(files: dict[str, str], with_dsp: bool) -> Path:
    """Compile once per text, compiler and CMSIS-DSP; the library lies in the user's cache."""
    gcc = find_tool("gcc", "gcc libc6-dev")
    dsp = cmsis_dsp.sources() if with_dsp else cmsis_dsp.NOTHING
    files = files | _kernels(files["frontend.c"])
    tools = "\0".join([dsp.version, compiler_version(gcc), *_FLAGS])
    includes = [f"-isystem{p}" for p in dsp.include_dirs]

    def compiled(prefix: str, text: str, arguments: Callable[[Path], list[str]]) -> Path:
        home = paths.cache() / "native"
        digest = hashlib.sha256("\0".join((text, tools)).encode()).hexdigest()
        target = home / f"{digest[:32]}-{prefix}"
        if not target.is_file():
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home, prefix=".") as scratch:
                made = Path(scratch) / "made"
                _run(
                    [gcc, *_FLAGS, *includes, *arguments(Path(scratch)), "-o", str(made)], Path("frontend.c")
                )
                os.replace(made, target)
        return target

    def frontend(scratch: Path) -> list[str]:
        for name, text in files.items():
            (scratch / name).write_text(text, encoding="utf-8")
        return ["-shared", "-Wl,-z,defs", str(scratch / "frontend.c"), *fft, "-lm"]

    fft = []
    if dsp.c_files:
        fft = [str(compiled("fft.o", "", lambda scratch: ["-r", "-nostdlib", *map(str, dsp.c_files)]))]
    return compiled("frontend.so", "\0".join(files.values()), frontend)


def _kernels(source: str) -> dict[str, str]:
    """The kernels' headers that a source includes, by name."""
    headers = (paths.firmware() / "kernels").glob("*.h")
    return {
        header.name: header.read_text(encoding="utf-8")
        for header in headers
        if f'#include "{header.name}"' in source
    }


def _run(command: list[str], source: Path) -> None:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise refused(command[0], source, done.stderr)
