# SPDX-License-Identifier: Apache-2.0
"""Decisions: the reference against what its rules mean, and the generated C against the reference, event by event."""

from __future__ import annotations

import ctypes
import random
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ascmcu import tables
from ascmcu.codegen.listen import render_decisions
from ascmcu.errors import InputError
from ascmcu.listening import decisions
from ascmcu.listening.decisions import Decider, Decisions, DecisionSpec, Event
from tests.support.host_model import FLAGS

LABELS = ("yes", "no", "silence")
LOUD = 1 << 40


def _decisions(text: dict[str, object], dtype: str = "int8", **other: object) -> Decisions:
    spec = tables.build(DecisionSpec, text, "decisions.toml")
    given: dict[str, object] = {
        "labels": LABELS, "classes": 3, "dtype": dtype, "scale": 1 / 256, "zero_point": -128 if dtype == "int8" else 0,
        "hop_s": 0.1, "hop_values": 1600, "warmup_hops": 0,
    }  # fmt: skip
    return decisions.integers(spec, **{**given, **other})  # type: ignore[arg-type]


def _scores(*values: float) -> list[npt.NDArray[np.int8]]:
    """Hops in which the first class has this score."""
    return [np.array([round(value * 256) - 128, -128, -128], np.int8) for value in values]


def _run(
    made: Decisions, hops: list[npt.NDArray[np.int8]], energies: list[int] | None = None
) -> list[list[Event]]:
    decider = Decider(made)
    return [decider(x, e) for x, e in zip(hops, energies or [LOUD] * len(hops), strict=True)]


def _when(found: list[list[Event]]) -> list[int]:
    return [hop for hop, events in enumerate(found) if events]


RULE = {"label": "yes", "on": 0.75, "off": 0.5}
ROWS: list[tuple[str, dict[str, object], list[float], list[int]]] = [
    ("a score at the threshold", {"event": [RULE]}, [0, 0.75, 0.9], [1]),
    ("just below it", {"event": [RULE]}, [0, 0.746, 0], []),
    ("hysteresis", {"event": [RULE]}, [0.8, 0.6, 0.8, 0.4, 0.8], [0, 4]),
    ("no hysteresis", {"event": [{"label": "yes", "on": 0.75}]}, [0.8, 0.6, 0.8], [0, 2]),
    ("a minimum of three hops", {"event": [{**RULE, "minimum_s": 0.3}]}, [0.8, 0.8, 0.1, 0.8, 0.8, 0.8], [5]),
    ("a rest of two hops", {"event": [{**RULE, "refractory_s": 0.2}]}, [0.8, 0, 0.8, 0.8, 0.8, 0.8], [0, 4]),
    ("a mean of two", {"event": [RULE], "smoothing": "mean", "windows": 2}, [0.8, 0.6, 0.8, 0.8], [3]),
    ("half the new one", {"event": [RULE], "smoothing": "exponential", "weight": 0.5}, [0.9, 0.9, 0.9], [2]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "scores", "when"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_the_rules_mean(spec: dict[str, object], scores: list[float], when: list[int]) -> None:
    assert _when(_run(_decisions(spec), _scores(*scores))) == when


def test_an_event_began_with_its_first_high_score() -> None:
    found = _run(_decisions({"event": [{**RULE, "minimum_s": 0.3}]}), _scores(0, 0.8, 0.85, 0.9))
    (event,) = found[3]
    assert (event.rule, event.start_hop) == (0, 1)
    assert _decisions({"event": [RULE]}).real(event.score) == pytest.approx(0.9, abs=1 / 256)


def test_a_gate_by_level() -> None:
    made = _decisions({"event": [RULE], "gate": {"level_dbfs": -40, "hold_s": 0.1}})
    loud, quiet = 1600 * 328**2, 1600 * 327**2  # 32,768 less 40 dB is 327.68
    hops = _scores(0.8, 0, 0.8, 0, 0.8, 0, 0.8)
    assert _when(_run(made, hops, [quiet, quiet, loud, quiet, quiet, loud, quiet])) == [2, 6]


def test_a_gate_by_another_network() -> None:
    """It is closed at first; opened before hop 2, it stays open for two hops, and the level has no part in it."""
    made = _decisions({"event": [RULE], "gate": {"model": True, "hold_s": 0.1}})
    decider, when = Decider(made), []
    for hop, x in enumerate(_scores(0.8, 0, 0.8, 0, 0.8, 0, 0.8)):
        if hop in (2, 6):
            decider.open_gate()
        when += [hop] * len(decider(x, LOUD if hop < 2 else 0))
    assert when == [2, 6]


def test_no_event_before_a_window_is_full() -> None:
    assert _when(_run(_decisions({"event": [RULE]}, warmup_hops=3), _scores(0.8, 0.8, 0.8, 0.8))) == [3]


@pytest.mark.parametrize(
    ("spec", "dtype", "message"),
    [
        ({"event": [{**RULE, "label": "yess"}]}, "int8", "no such class"),
        ({"event": [{**RULE, "label": "3"}]}, "int8", "no such class"),
        ({"event": [{**RULE, "off": 0.8}]}, "int8", "ends above where it begins"),
        ({"event": [RULE]}, "int32", "no decisions are made of such an output"),
        ({"event": [RULE], "smoothing": "median"}, "int8", "unknown value"),
        ({"event": [RULE], "windows": 65}, "int8", "out of range"),
        ({"event": [{**RULE, "on": 1e9, "off": 0}]}, "int8", "no score reaches"),
        ({"event": [{**RULE, "on": 1.0}]}, "int8", "at most 0.996094"),
        ({"event": [{**RULE, "on": 1.6}]}, "uint8", "no score reaches"),
        ({"event": [{**RULE, "on": 2.0}]}, "float32", "no score reaches"),
        ({"event": [{**RULE, "off": -1e9}]}, "int8", "beyond what the output can be"),
        ({"event": [{**RULE, "label": 3}]}, "int8", "yes, no, silence; or a number from 0 to 2"),
        ({"event": [{**RULE, "label": -1}]}, "int8", "no such class"),
        ({"event": [{**RULE, "label": 1.5}]}, "int8", "a string or an integer"),
        ({"event": [{**RULE, "label": True}]}, "int8", "a string or an integer"),
        (
            {"event": [RULE], "smoothing": "mean", "weight": 0.5},
            "int8",
            'expected: smoothing = "exponential"',
        ),
        ({"event": [RULE], "smoothing": "exponential", "windows": 2}, "int8", 'expected: smoothing = "mean"'),
        ({"event": [RULE], "windows": 2}, "int8", "no such key"),
        ({"event": [RULE], "gate": {"hold_s": 1.0}}, "int8", "found:    neither"),
        ({"event": [RULE], "gate": {"model": True, "level_dbfs": -40}}, "int8", "found:    both"),
    ],
)
def test_what_is_refused(spec: dict[str, object], dtype: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _decisions(spec, dtype)


@pytest.mark.parametrize("label", ["no", 1, "1"])
def test_a_class_by_its_name_or_number(label: str | int) -> None:
    rule = _decisions({"event": [{**RULE, "label": label}]}).rules[0]
    assert (rule.index, rule.label) == (1, "no")
    unnamed = {"event": [{**RULE, "label": 1}]}
    assert _decisions(unnamed, labels=()).rules[0].label == "1"


@pytest.mark.parametrize(
    ("event", "where"),
    [
        ({**RULE, "label": "yess"}, "my.toml, event[0], label"),
        ({**RULE, "off": 0.8}, "my.toml, event[0]"),
        ({**RULE, "on": 1.6}, "my.toml, event[0], on"),
    ],
)
def test_messages_name_the_file(event: dict[str, object], where: str) -> None:
    with pytest.raises(InputError) as caught:
        _decisions({"event": [event]}, file="my.toml")
    assert caught.value.where == where


def test_probabilities_in_float_end_at_one() -> None:
    event = {"event": [{**RULE, "on": 1.6}]}
    assert _decisions(event, "float32").rules[0].on > 0
    with pytest.raises(InputError, match="at most 1, "):
        _decisions(event, "float32", highest=1.0)


class _CEvent(ctypes.Structure):
    _fields_ = (
        ("start_hop", ctypes.c_uint32),
        ("score", ctypes.c_int32),
        ("rule", ctypes.c_uint16),
        ("class_index", ctypes.c_uint16),
    )


class _CDecider:
    """The generated C; it is compiled with the checks for undefined behaviour."""

    def __init__(self, made: Decisions, folder: Path) -> None:
        folder.mkdir()
        for name, text in render_decisions(made).items():
            (folder / name).write_text(text)
        sanitize = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
        source, library = folder / "decisions.c", folder / "decisions.so"
        command = ["gcc", *FLAGS, *sanitize, "-shared", "-fPIC", str(source), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self._c = ctypes.CDLL(str(library))
        self._c.decisions_take.restype = ctypes.c_size_t
        self._c.decisions_take.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
        self._events = (_CEvent * len(made.rules))()
        self._c.decisions_reset()

    def __call__(self, outputs: npt.NDArray[np.generic], energy: int) -> list[Event]:
        count = self._c.decisions_take(outputs.ctypes.data, energy, self._events)
        return [Event(e.rule, e.start_hop, e.score) for e in self._events[:count]]

    def open_gate(self) -> None:
        self._c.decisions_open_gate()


def _drawn(rng: random.Random) -> tuple[dict[str, object], str]:
    rules = []
    for _ in range(rng.randint(1, 4)):
        on = rng.uniform(0.1, 0.95)
        rule: dict[str, object] = {
            "label": rng.choice(LABELS),
            "on": on,
            "off": on - rng.choice((0.0, 0.05, 0.3)),
        }
        rules.append(
            {**rule, "minimum_s": rng.choice((0.0, 0.2, 0.5)), "refractory_s": rng.choice((0.0, 0.3, 1.0))}
        )
    spec: dict[str, object] = {"event": rules, "smoothing": rng.choice(("none", "mean", "exponential"))}
    windows, weight = rng.choice((1, 2, 5, 64)), rng.choice((1.0, 0.5, 0.1, 1 / 256))
    spec |= {"none": {}, "mean": {"windows": windows}, "exponential": {"weight": weight}}[
        str(spec["smoothing"])
    ]
    if rng.random() < 0.5:
        by: dict[str, object] = (
            {"level_dbfs": rng.uniform(-60, -10)} if rng.random() < 0.5 else {"model": True}
        )
        spec["gate"] = {**by, "hold_s": rng.choice((0.0, 0.5))}
    return spec, rng.choice(("int8", "uint8", "int16", "float32"))


def _outputs(rng: np.random.Generator, dtype: str, hops: int) -> npt.NDArray[np.generic]:
    """Scores that wander, so that events come and go, and the extremes of the type."""
    wandering = np.abs(np.cumsum(rng.normal(0, 0.15, (hops, len(LABELS))), axis=0)) % 1.2
    if dtype == "float32":
        found = wandering.astype(np.float32)
        found[::97] = rng.choice(np.array([np.nan, np.inf, -np.inf, -2, 2, 1e30], np.float32))
        return found
    limits = np.iinfo(dtype)
    span = int(limits.max) - int(limits.min) if dtype != "int16" else 256
    low = int(limits.min) if dtype != "int16" else 0
    found = np.clip(low + np.rint(wandering * span), limits.min, limits.max).astype(dtype)
    found[::97] = rng.choice(np.array([limits.min, limits.max], dtype))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_generated_c_decides_as_the_reference_does(seed: int, tmp_path: Path) -> None:
    spec, dtype = _drawn(random.Random(seed))
    made = _decisions(spec, dtype, warmup_hops=seed % 3)
    rng = np.random.default_rng(seed)
    hops = np.ascontiguousarray(_outputs(rng, dtype, 3000))
    energies = (1600 * 10 ** rng.uniform(0, 10, len(hops))).astype(np.uint64)
    reference, compiled = Decider(made), _CDecider(made, tmp_path / "c")
    total = 0
    for x, energy in zip(hops, energies.tolist(), strict=True):
        if made.gate_by_model and rng.random() < 0.1:
            reference.open_gate()
            compiled.open_gate()
        expected = reference(x, energy)
        assert compiled(x, energy) == expected
        total += len(expected)
    assert total > 0
