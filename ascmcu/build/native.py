"""The generated front end, compiled for this machine and called in this process."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import paths
from ascmcu.build import cmsis_dsp
from ascmcu.build.gcc import compiler_version, find_tool
from ascmcu.codegen.frontend import render_frontend
from ascmcu.errors import BuildError, FeatureError
from ascmcu.features.pcm import Pcm, fit_clip
from ascmcu.features.spec import FeatureSpec

_FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-Wl,-z,defs")


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
        self, spec: FeatureSpec, *, scale: float = 1.0, zero_point: int = 0, dtype: str = "float32"
    ) -> None:
        self.spec = spec
        self.dtype = dtype
        library = ctypes.CDLL(str(_build(render_frontend(spec, scale, zero_point, dtype), spec.n_fft)))
        library.frontend_feed.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        library.frontend_feed.restype = ctypes.c_size_t
        library.frontend_next.argtypes = (ctypes.c_void_p,)
        library.frontend_next.restype = ctypes.c_bool
        self._library = library

    def rows(self, pcm: Pcm, chunk: int = 1024) -> npt.NDArray[Any]:
        """The features of one clip, fed ``chunk`` sample frames at a time.

        Args:
            pcm: int16 (samples, channels), at most a clip; what it lacks is left to ``frontend_finish``.

        Returns:
            ``spec.shape`` in the network's input dtype: (time, band, channel).
        """
        pcm = np.ascontiguousarray(fit_clip(pcm, self.spec)[: len(pcm)])
        out = np.zeros(self.spec.shape, self.dtype)
        self._library.frontend_reset()
        count = 0
        at = 0
        while at < len(pcm):
            end = min(at + chunk, len(pcm))
            while at < end:
                at += self._library.frontend_feed(pcm[at:].ctypes.data, end - at)
                count = self._take(out, count)
        self._library.frontend_finish()
        count = self._take(out, count)
        if count != len(out):
            raise FeatureError("the generated front end lost rows", expected=len(out), found=count)
        return out

    def _take(self, out: npt.NDArray[Any], count: int) -> int:
        row = np.empty(out.shape[1:], out.dtype)
        while self._library.frontend_next(row.ctypes.data):
            if count == len(out):
                raise FeatureError("the generated front end made too many rows", expected=len(out))
            out[count] = row
            count += 1
        return count


def _build(files: dict[str, str], n_fft: int) -> Path:
    """Compile once per text, compiler and CMSIS-DSP; the library lies in the user's cache."""
    gcc = find_tool("gcc", "gcc libc6-dev")
    dsp = cmsis_dsp.sources(n_fft)
    identity = "\0".join([*files.values(), dsp.version, compiler_version(gcc), *_FLAGS])
    home = paths.cache() / "native"
    library = home / f"frontend-{hashlib.sha256(identity.encode()).hexdigest()[:32]}.so"
    if library.is_file():
        return library
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".") as scratch:
        for name, text in files.items():
            (Path(scratch) / name).write_text(text)
        made = Path(scratch) / "frontend.so"
        includes = [f"-isystem{p}" for p in dsp.include_dirs]
        command = [
            gcc,
            *_FLAGS,
            *includes,
            f"{scratch}/frontend.c",
            *map(str, dsp.c_files),
            "-lm",
            "-o",
            str(made),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BuildError("compiling the front end failed", where="frontend.c", details=done.stderr)
        os.replace(made, library)
    return library
