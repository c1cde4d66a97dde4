# SPDX-License-Identifier: Apache-2.0
"""The LSTM's functions in C for each of the 65536 inputs, against the interpreter's tables."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ascmcu import paths
from ascmcu.ops import _fixed16

CODE = """
#include "lstm.h"
void logistic(int16_t *out) { for (int32_t x = -32768; x < 32768; ++x) { *out++ = (int16_t)lstm_logistic(x); } }
#define TANH(bits) \\
    void tanh##bits(int16_t *out) { for (int32_t x = -32768; x < 32768; ++x) { *out++ = (int16_t)lstm_tanh(x, bits); } }
TANH(0) TANH(1) TANH(2) TANH(3) TANH(4) TANH(5) TANH(6)
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder: Path = tmp_path_factory.mktemp("lstm")
    source, library = folder / "functions.c", folder / "functions.so"
    source.write_text(CODE)
    command = [
        "gcc",
        "-std=c11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsanitize=undefined",
        "-shared",
        "-fPIC",
    ]
    command += [
        "-fno-sanitize-recover=all",
        f"-I{paths.firmware() / 'kernels'}",
        str(source),
        "-o",
        str(library),
    ]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def _values(compiled: ctypes.CDLL, name: str) -> np.ndarray:
    found = np.zeros(1 << 16, np.int16)
    getattr(compiled, name)(found.ctypes.data_as(ctypes.c_void_p))
    return found


def test_logistic(compiled: ctypes.CDLL) -> None:
    np.testing.assert_array_equal(_values(compiled, "logistic"), _fixed16.logistic_table())


@pytest.mark.parametrize("bits", range(7))
def test_tanh(compiled: ctypes.CDLL, bits: int) -> None:
    np.testing.assert_array_equal(_values(compiled, f"tanh{bits}"), _fixed16.tanh_table(bits))
