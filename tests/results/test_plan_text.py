# SPDX-License-Identifier: Apache-2.0
"""Measured cycles beside the predicted ones in ``plan.txt``."""

from __future__ import annotations

from ascmcu.results import plan_text

PLAN = """schedule rows: 1 bytes

layer  op       kernel  predicted cycles
0      conv2d   packed  1000
12     softmax  c       50

offset  bytes
0       4
"""


def test_measured_cycles_stand_in_the_plan_and_are_replaced() -> None:
    once = plan_text.with_measured(PLAN, {0: (1100, -0.0909), 12: (50, None)}, "sim, 5 wait states, 2 clips")
    assert (
        once
        == """schedule rows: 1 bytes

layer  op       kernel  predicted cycles  measured cycles  predicted is off by
0      conv2d   packed  1000              1100             -9.1 %
12     softmax  c       50                50
measured cycles: sim, 5 wait states, 2 clips

offset  bytes
0       4
"""
    )
    again = plan_text.with_measured(once, {0: (1000, 0.0)}, "a board")
    assert (
        again
        == """schedule rows: 1 bytes

layer  op       kernel  predicted cycles  measured cycles  predicted is off by
0      conv2d   packed  1000              1000             +0.0 %
12     softmax  c       50
measured cycles: a board

offset  bytes
0       4
"""
    )


def test_a_table_at_the_end_and_none_at_all() -> None:
    short = "layer  op  predicted cycles\n3      a   7"
    assert plan_text.with_measured(short, {3: (8, 0.5)}, "sim").splitlines()[1] == (
        "3      a   7                 8                +50.0 %"
    )
    assert plan_text.with_measured("no table\n", {}, "sim") == "no table\n"
