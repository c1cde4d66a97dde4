# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4 simulator: any bare-metal ELF, with cycles.

``run(elf, between=("bench_begin", "bench_end")).cycles`` is the whole of it for a kernel under test.
"""

from ascmcu.sim.session import Result, run

__all__ = ["Result", "run"]
