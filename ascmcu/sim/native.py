# SPDX-License-Identifier: Apache-2.0
"""What the native half of the simulator is written with: compiled by Numba, or run by Python where Numba is absent.

Both give the same counts; without Numba, which is large, the base install stays small and the simulator slow.
"""

from __future__ import annotations

from ascmcu import extras

try:
    from ascmcu.sim import jit as _half
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("numba", "llvmlite"):
        raise
    from ascmcu.sim import interpreted as _half  # type: ignore[no-redef]

inlined = _half.inlined
compiled = _half.compiled
callback = _half.callback
spread = _half.spread
words_at = _half.words_at
call_register = _half.call_register
call_stop = _half.call_stop
call_memory = _half.call_memory
call_read = _half.call_read
raise_kept = _half.raise_kept


def notices() -> tuple[str, ...]:
    """What a user should know of the simulator's speed."""
    if _half.FAST:
        return ()
    slow = "the simulator runs without Numba: the same cycles, but it takes about 2 s for a million of them"
    return (f"{slow}; to install it: {extras.install('fast')}",)
