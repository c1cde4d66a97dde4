# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4 simulator: runs bare-metal ELF files and counts cycles.

``run(elf, between=("bench_begin", "bench_end")).cycles`` is the whole of it for a kernel under test.
"""

import os

from ascmcu import paths

# Numba keeps its code beside the package or in the home folder; neither need be writable.
os.environ.setdefault("NUMBA_CACHE_DIR", str(paths.cache() / "numba"))

from ascmcu.sim.session import Result, run

__all__ = ["Result", "run"]
