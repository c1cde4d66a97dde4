# SPDX-License-Identifier: Apache-2.0
"""The kind of a firmware's counts: cycles of a core, instructions of an emulator, or unknown.

A runner of ours says what its machine counts. A serial port does not: behind ``socket://`` or a pseudo-terminal may be
a board or an emulator. The firmware therefore runs two loops of as many instructions at its start, and says what its
counter makes of them (``wire.Probe``). Equal figures are no core's: its divider takes 2 to 12 cycles, and a taken
branch at least 2 (Cortex-M4 TRM, table 3-1).
"""

from __future__ import annotations

from ascmcu.benchmark.wire import Counter, Hello, Probe
from ascmcu.errors import LinkError
from ascmcu.runners.base import CountKind, RunnerFacts

# QEMU's timer is read at the ends of translated blocks: a few instructions early or late.
_SAME = 0.03
_DIVISIONS_SLOWER = 1.5


def counts_instructions(probe: Probe) -> bool:
    """Whether either loop took as many counts as it has instructions."""
    counts = (probe.additions, probe.divisions)
    return probe.instructions > 0 and all(
        abs(count - probe.instructions) <= _SAME * probe.instructions for count in counts
    )


def times_like_a_core(probe: Probe) -> bool:
    """Whether an addition and a division take different times, and both take some."""
    return (
        probe.additions > (1 + _SAME) * probe.instructions
        and probe.divisions > _DIVISIONS_SLOWER * probe.additions
    )


def kind_of(hello: Hello, facts: RunnerFacts, asked: CountKind | None = None) -> CountKind:
    """What the counts of this run are called.

    Args:
        hello: of the firmware.
        facts: of the runner; its ``count_kind`` is a claim that the probe must bear out.
        asked: ``cycles`` or ``instructions`` if the user vouches for it.

    Raises:
        LinkError: the probe contradicts the user.
    """
    if hello.counter is Counter.NONE or facts.count_kind == "none":
        return "none"
    core = hello.counter is Counter.DWT and times_like_a_core(hello.probe)
    instructions = counts_instructions(hello.probe)
    if asked is not None:
        if (asked == "cycles" and not core) or (asked == "instructions" and not instructions):
            raise LinkError(
                f"the device does not count {asked}",
                where=facts.detail,
                expected="its cycle counter slower over divisions than over additions"
                if asked == "cycles"
                else f"{hello.probe.instructions} counts for {hello.probe.instructions} instructions",
                found=f"{hello.probe.additions} counts for {hello.probe.instructions} instructions with additions, "
                f"{hello.probe.divisions} with divisions, by {_COUNTERS[hello.counter]}",
                hint="omit --counts to have their kind detected",
            )
        return asked
    if facts.count_kind == "instructions" or instructions:
        return "instructions"
    return "cycles" if facts.count_kind == "cycles" and core else "counts"


_COUNTERS = {Counter.NONE: "nothing", Counter.DWT: "the core's cycle counter", Counter.TIMER: "a timer"}
