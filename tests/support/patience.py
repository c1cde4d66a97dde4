# SPDX-License-Identifier: Apache-2.0
"""Waiting that no loaded machine cuts short, and a clock that only moves when the code under test waits."""

from __future__ import annotations

import dataclasses

import pytest

from ascmcu.benchmark import run as bench
from ascmcu.benchmark import session
from ascmcu.runners.base import RunnerFacts
from ascmcu.runners.serial import SerialRunner
from ascmcu.runners.sim import SimRunner

# Only a hang takes as long.
HANG_S = 600.0


def wait_for_hangs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device behind a serial port may stay silent as long as a hang lasts, also before its first word."""
    answer_within(monkeypatch, HANG_S)
    monkeypatch.setattr(bench, "_HELLO_S", HANG_S)


def answer_within(monkeypatch: pytest.MonkeyPatch, response_s: float) -> None:
    """What a device behind a serial port has to keep to from now on."""
    facts = SerialRunner.facts.fget
    assert facts is not None
    ask = facts

    def patient(self: SerialRunner) -> RunnerFacts:
        return dataclasses.replace(ask(self), response_s=response_s)

    monkeypatch.setattr(SerialRunner, "facts", property(patient))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the folders whose ``conftest`` imports it: a slow machine is no dead device."""
    wait_for_hangs_alone(monkeypatch)


class Clock:
    """Takes the place of ``time`` in a session: time passes where its link is read, and nowhere else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        monkeypatch.setattr(session, "time", self)

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self.now_s


class OnSimulatedTime(SimRunner):
    """The simulator, whose time is the session's: however slow the machine is, the conversation is the same."""

    clock: Clock

    def read(self, timeout_s: float) -> bytes:
        machine = self.machine
        before = machine.engine.cycles
        data = super().read(timeout_s)
        passed_s = (machine.engine.cycles - before) / machine.layout.clock_hz
        self.clock.now_s += passed_s if data else max(passed_s, timeout_s)
        return data
