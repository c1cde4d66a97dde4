# SPDX-License-Identifier: Apache-2.0
"""The result of a benchmark, as scripts read it: ``ascmcu bench --json`` and everything that is rendered from it.

``bench.schema.json`` beside this file says the same to programs in other languages; a test holds the two together.
Keys are added without a new version, and readers ignore those that they do not know; whatever changes or goes makes
a new version.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu import tables
from ascmcu.benchmark.counts import Counts
from ascmcu.benchmark.wire import ClockState
from ascmcu.data.anomalies import Anomalies
from ascmcu.data.found import Intake
from ascmcu.data.tagging import Tagging
from ascmcu.errors import InputError
from ascmcu.ir.figures import Figures
from ascmcu.results import cards
from ascmcu.results.limits import LimitReport
from ascmcu.results.words import digits
from ascmcu.runners.base import CountKind

SCHEMA = "ascmcu.bench"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CountSummary(Counts):
    """Counts per clip over all clips (``counts.over_clips``), and the extremes of the network's."""

    network_min: int
    network_max: int


@dataclass(frozen=True)
class LayerCount:
    """One layer: mean count per clip, None where nothing counts.

    ``flash_bytes`` is its constants and the kernels that carry its number (a kernel that several layers share is
    counted with the first); ``buffer_bytes`` the activations that it brings into being. ``predicted_cycles`` are those
    of ``kernel`` in an inference at the wait states of the measurement; None where the prediction was for others.
    """

    name: str
    op: str
    output_shape: tuple[int, ...]
    macs: int
    parameters: int
    weights_bytes: int
    flash_bytes: int
    buffer_bytes: int
    count: int | None
    kernel: str = ""
    predicted_cycles: int | None = None

    @property
    def off(self) -> float | None:
        """Predicted against measured cycles, as a fraction of these; None where one is missing."""
        if self.predicted_cycles is None or not self.count:
            return None
        return self.predicted_cycles / self.count - 1


@dataclass(frozen=True)
class Symbol:
    """A function or constant in flash. ``part`` is the key of ``flash_bytes`` that it belongs to; ``layer`` is the
    index of its layer, None where it belongs to none."""

    name: str
    part: str
    layer: int | None
    size_bytes: int


@dataclass(frozen=True)
class Energy:
    """An estimate for one clip: cycles × measured current per MHz × supply, lowest and highest.

    The core alone; ``source`` says who measured the current on what. ``idle_ua_low`` and ``idle_ua_high`` are drawn
    between clips, None where nobody has measured that.
    """

    microjoules_low: float
    microjoules_high: float
    ua_per_mhz_low: float
    ua_per_mhz_high: float
    supply_mv: int
    source: str
    idle_ua_low: float | None = None
    idle_ua_high: float | None = None
    idle_source: str = ""

    def of(self, cycles: float) -> tuple[float, float]:
        """Lowest and highest energy of so many cycles, in µJ: µA/MHz is pC per cycle, times mV that is 1e-15 J."""
        per_cycle = self.supply_mv * 1e-9
        return cycles * self.ua_per_mhz_low * per_cycle, cycles * self.ua_per_mhz_high * per_cycle

    def figure(self) -> tuple[str, str]:
        """The range in digits, and its unit: µJ or mJ."""
        per, unit = (1e3, "mJ") if self.microjoules_low >= 1e3 else (1.0, "µJ")
        low, high = (digits(uj / per) for uj in (self.microjoules_low, self.microjoules_high))
        return (low if low == high else f"{low}–{high}"), unit

    def basis(self) -> str:
        """What the range is made of."""
        low, high = self.ua_per_mhz_low, self.ua_per_mhz_high
        current = f"{low:g}" if low == high else f"{low:g}–{high:g}"
        return f"cycles × {current} µA/MHz at {self.supply_mv / 1000:g} V, core alone ({self.source})"


@dataclass(frozen=True)
class ClipOutcome:
    """One clip. ``truth`` and ``predicted`` are indices into ``labels``; ``probabilities`` are empty without labels.

    ``input_sha256`` is of the bytes that were sent. ``tags`` are all right classes, of multi-label data; ``truth`` is
    then None. ``error`` is the mean squared error of a reconstruction; ``predicted`` is then an anomaly (1) where it
    reaches the threshold of ``Benchmark.anomalies``.
    """

    name: str
    device: str
    truth: int | None
    predicted: int
    probabilities: tuple[float, ...]
    counts: Counts
    input_sha256: str = ""
    tags: tuple[int, ...] | None = None
    error: float | None = None


@dataclass(frozen=True)
class Mistake:
    """The log-mel spectrogram of a wrong answer, the worst first.

    ``clip`` is an index into ``clip_results``. ``levels`` is Base64 of bytes (bands, frames), the lowest band first,
    from ``low_db`` (0) to ``high_db`` (255).
    """

    clip: int
    frames: int
    bands: int
    low_db: float
    high_db: float
    levels: str


@dataclass(frozen=True)
class Provenance:
    """Where and with what the numbers were made. ``repetitions``: how often every clip was run.

    ``build_sha256`` is what the firmware says of its build, ``inputs_sha256`` of all bytes that were sent.
    ``commit`` is ascmcu's, ``+`` for local changes; empty where it runs from a wheel.
    """

    measured_at: str
    machine: str
    tools: dict[str, str]
    repetitions: int
    firmware_sha256: str
    build_sha256: str = ""
    inputs_sha256: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Heard:
    """Where a wake word was heard: name of the recording → seconds from its begin, none where it was not."""

    word: str
    recordings: dict[str, tuple[float, ...]]

    @property
    def summary(self) -> str:
        """A sentence."""
        count = sum(bool(moments) for moments in self.recordings.values())
        return f"{self.word!r} is heard in {count} of {len(self.recordings)} recordings"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark with everything that its numbers depend on. ``bench.schema.json`` describes every field.

    ``accuracy`` to ``confusion`` (rows: truth, columns: prediction, in the order of ``labels``) are None without
    labelled clips; ``labels_source`` says where that order comes from. ``counts`` is None where the runner counts
    nothing; ``count_kind`` says what they are. ``notices`` is what the user was told.
    ``log_loss`` takes no probability for less than 1e-7. ``clip_seconds`` is None for tensors. ``recordings`` says
    how recordings became clips; None for tensors, and in results older than it. ``clips`` counts recordings, or the
    steps of a network with states: ``state_bytes`` live on from one to the next.
    ``predicted_cycles`` are the network's, as the export had them, where it predicted for these wait states.
    ``heard`` is None for a network that is of no wake word. ``tagging`` is None but for multi-label data, ``anomalies``
    but for a network that reconstructs its input and labelled recordings; accuracy and confusion are None for both.
    """

    model: str
    model_sha256: str
    board: str
    board_title: str
    runner: str
    runner_detail: str
    clock_hz: int
    wait_states: int
    clock_state: str
    clips: int
    resumed: int
    source: str
    clip_seconds: float | None
    labels: tuple[str, ...]
    accuracy: float | None
    macro_accuracy: float | None
    log_loss: float | None
    class_accuracy: dict[str, float | None] | None
    device_accuracy: dict[str, float] | None
    confusion: tuple[tuple[int, ...], ...] | None
    count_kind: CountKind
    counts: CountSummary | None
    energy: Energy | None
    layers: tuple[LayerCount, ...]
    network: Figures | None
    limits: tuple[LimitReport, ...]
    ram_bytes: dict[str, int]
    flash_bytes: dict[str, int]
    flash_symbols: tuple[Symbol, ...]
    board_ram_bytes: int
    board_flash_bytes: int
    schedule: str
    compiler: str
    flags: str
    tool_version: str
    link: dict[str, int]
    clip_results: tuple[ClipOutcome, ...]
    mistakes: tuple[Mistake, ...]
    provenance: Provenance
    labels_source: str = ""
    notices: tuple[str, ...] = ()
    recordings: Intake | None = None
    state_bytes: int = 0
    predicted_cycles: int | None = None
    heard: Heard | None = None
    tagging: Tagging | None = None
    anomalies: Anomalies | None = None

    def __repr__(self) -> str:
        facts = ", ".join(figure for _, figure in cards.headlines(self))
        return f"Benchmark({self.model!r} on {self.board}, {self.runner}: {facts})"

    def _repr_html_(self) -> str:
        return cards.of_benchmark(self).html()

    @property
    def off(self) -> float | None:
        """The network's predicted against its measured cycles, as a fraction of these; None where one is missing."""
        if self.predicted_cycles is None or self.counts is None or not self.counts.network:
            return None
        return self.predicted_cycles / self.counts.network - 1

    @property
    def run_title(self) -> str:
        """What one inference takes: a clip, or a step of a network with states."""
        return "step" if self.state_bytes else "clip"

    @property
    def tool(self) -> str:
        """ascmcu's version, and its commit where it ran from a checkout."""
        commit = f" ({self.provenance.commit})" if self.provenance.commit else ""
        return f"ascmcu {self.tool_version}{commit}"

    @property
    def count_title(self) -> str:
        """What is counted, for people."""
        return "counts of unknown kind" if self.count_kind == "counts" else self.count_kind

    @property
    def long(self) -> str:
        """What was done with recordings longer than the clip; empty where nobody says."""
        return self.recordings.long if self.recordings else ""

    @property
    def macs(self) -> int:
        """Multiply–accumulates of one inference as compiled."""
        return sum(layer.macs for layer in self.layers)

    @property
    def seconds(self) -> float | None:
        """Mean time of one clip, front end and network; None where the counts are not cycles of a known clock."""
        if self.counts is None or self.count_kind != "cycles" or not self.clock_hz:
            return None
        return (self.counts.network + self.counts.frontend) / self.clock_hz

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; counts stand under ``cycles`` or ``instructions``, or under ``counts`` where nobody knows."""
        plain = {"schema": SCHEMA, "version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        for name in ("counts", "count_kind", "layers"):
            del plain[name]
        if self.counts is not None:
            plain[self.count_kind] = dataclasses.asdict(self.counts)
        plain["clip_results"] = [
            {**{k: v for k, v in clip.items() if k != "counts"}, **clip["counts"]}
            for clip in plain["clip_results"]
        ]
        plain["layers"] = [
            {
                (self.count_kind if k == "count" else k): v
                for k, v in dataclasses.asdict(x).items()
                if v is not None
            }
            for x in self.layers
        ]
        return plain

    def to_json(self) -> str:
        """The text of a result file: one line per clip and layer, so that it can be read and compared."""
        return _text(self.to_dict()) + "\n"

    @staticmethod
    def from_dict(raw: Mapping[str, Any], where: str) -> Benchmark:
        """What ``to_dict`` wrote.

        Args:
            raw: parsed JSON.
            where: its file, for messages.

        Raises:
            InputError: no result of a benchmark, one of another version, or one that lacks something.
        """
        if not isinstance(raw, Mapping) or raw.get("schema") != SCHEMA:
            raise InputError(
                "not a benchmark result",
                where=where,
                expected=f'"schema": "{SCHEMA}"',
                hint="`ascmcu bench` writes one beside the export, `ascmcu bench --json` prints it",
            )
        if raw.get("version") != SCHEMA_VERSION:
            raise InputError(
                "the result was written by another version of ascmcu",
                where=where,
                expected=f"version {SCHEMA_VERSION}",
                found=raw.get("version"),
                hint="run the benchmark again",
            )
        kind = next((k for k in ("cycles", "instructions", "counts") if k in raw), "none")
        layers = raw.get("layers")
        if isinstance(layers, list):
            layers = [{**x, "count": x.get(kind)} if isinstance(x, Mapping) else x for x in layers]
        plain = {**raw, "count_kind": kind, "counts": raw.get(kind), "layers": layers}
        if isinstance(raw.get("clip_results"), list):
            plain["clip_results"] = [
                {**x, "counts": x} if isinstance(x, Mapping) else x for x in raw["clip_results"]
            ]
        if isinstance(raw.get("energy"), Mapping) and "microjoules" in raw["energy"]:
            plain["energy"] = None  # an earlier form, made of a data sheet's current: half of what code draws
        benchmark: Benchmark = _convert(Benchmark, plain, where)
        _check(benchmark, where)
        return benchmark


def _check(b: Benchmark, where: str) -> None:
    """What pages and budgets rely on beyond the types."""
    for name, sizes in (("ram_bytes", b.ram_bytes), ("flash_bytes", b.flash_bytes)):
        if "total" not in sizes:
            raise InputError("the result is damaged", where=f"{where}, {name}", expected="total")
    layers, labels = len(b.layers), len(b.labels)
    if any(s.layer is not None and not 0 <= s.layer < layers for s in b.flash_symbols):
        raise InputError(
            "the result is damaged", where=f"{where}, flash_symbols", expected=f"layers of {layers}"
        )
    if b.confusion is not None and any(len(row) != labels for row in (b.confusion, *b.confusion)):
        raise InputError(
            "the result is damaged", where=f"{where}, confusion", expected=f"{labels} × {labels}"
        )


def load(path: Path) -> Benchmark:
    """Read a result file.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        raw = tables.load_json(path)
    except InputError as error:
        error.what, error.hint = "not a readable result", "`ascmcu bench` writes one beside the export"
        raise
    return Benchmark.from_dict(raw, str(path))


def clock_warning(state: str) -> str | None:
    """A sentence for people when the device does not run on the clock that its board describes."""
    sentences = {
        ClockState.PLL_FROM_HSI.name.lower(): "the external oscillator is silent: the clock comes from the HSI",
        ClockState.HSI_ALONE.name.lower(): "the PLL did not start: the device runs on its 16 MHz HSI",
    }
    return sentences.get(state)


def _text(value: Any, depth: int = 0) -> str:
    """Indented JSON whose innermost objects and lists of numbers stand on one line."""
    inner = "  " * (depth + 1)
    if isinstance(value, dict) and depth < 1:
        items = [f"{inner}{json.dumps(k)}: {_text(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + "  " * depth + "}"
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict | list | tuple):
        return "[\n" + ",\n".join(f"{inner}{json.dumps(v)}" for v in value) + "\n" + "  " * depth + "]"
    return json.dumps(value)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` from JSON as the type ``hint``: dataclasses, tuples, dicts, optionals and plain values."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        return None if value is None else _convert(args[0], value, where)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if origin is typing.Literal and value in args:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {str(k): _convert(args[1], item, f"{where}, {k}") for k, item in value.items()}
    if hint is float and type(value) in (int, float):
        return float(value)
    if origin is None and type(value) is hint:
        return value
    raise InputError(
        "the result is damaged", where=where, expected=getattr(hint, "__name__", hint), found=repr(value)
    )


def _build(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise InputError("the result is damaged", where=where, expected="an object", found=repr(value))
    hints = typing.get_type_hints(kind)
    # What was added later has a default, and is not in older results.
    later = {f.name for f in dataclasses.fields(kind) if f.default is not dataclasses.MISSING}
    missing = [name for name in hints if name not in value and name not in later]
    if missing:
        raise InputError("the result is damaged", where=where, expected=", ".join(missing), found="nothing")
    given = {name: hint for name, hint in hints.items() if name in value}
    return kind(**{name: _convert(hint, value[name], f"{where}, {name}") for name, hint in given.items()})
