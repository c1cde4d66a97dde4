# SPDX-License-Identifier: Apache-2.0
"""Hops of a firmware with a microphone: in figures for people, on a page, and kept as files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu import boards, paths
from ascmcu.api.live import LivePage
from ascmcu.api.monitoring import HeardHop, with_microphone
from ascmcu.boards import Board
from ascmcu.errors import InputError
from ascmcu.features.spec import Spec
from ascmcu.listening.decisions import Decisions
from ascmcu.listening.heard import Recorder
from ascmcu.listening.window import Listening
from ascmcu.results import live
from ascmcu.results.live import Shown
from ascmcu.toolchain.manifest import Manifest


@dataclass
class Showing:
    """What is shown of one export's hops.

    Attributes:
        manifest, board, spec: of the export.
        source: what it hears, in words.
        recorder: what keeps it, if anything.
    """

    manifest: Manifest
    board: Board
    spec: Spec
    source: str
    recorder: Recorder | None = None
    _page: LivePage | None = field(default=None, repr=False)

    @staticmethod
    def of(folder: Path, *, source: str, record: Path | None = None) -> Showing:
        """Of an export with ``--microphone``.

        Raises:
            InputError: it is none, or the folder for what is heard holds something.
        """
        manifest, spec = with_microphone(folder)
        assert manifest.listening is not None
        recorder = None
        if record is not None:
            paths.check_folder(record)
            if record.exists() and (not record.is_dir() or any(record.iterdir())):
                raise InputError(
                    "the folder for what is heard holds something",
                    where=str(record),
                    hint="name a new one with --record",
                )
            recorder = Recorder(record, spec.sample_rate_hz, manifest.listening.window_s)
        return Showing(manifest, boards.of_export(folder, manifest.board), spec, source, recorder)

    @property
    def listening(self) -> Listening:
        """Window and hop."""
        assert self.manifest.listening is not None
        return self.manifest.listening

    @property
    def decisions(self) -> Decisions:
        """The rules."""
        assert self.manifest.decisions is not None
        return self.manifest.decisions

    def end_s(self, hop: int) -> float:
        """The end of a hop, in seconds from the first sample."""
        return self.spec.clip_samples / self.spec.sample_rate_hz + hop * self.listening.hop_s

    def load(self, cycles: int) -> float:
        """The part of a hop's time that so many cycles are."""
        return cycles / (self.board.clock.sysclk_hz * self.listening.hop_s)

    def duty(self, slept: float) -> str:
        """How much of its time the core is awake, and the energy of that where the chip's current was measured."""
        awake = f"the core is awake for {100 * (1 - slept):.1f} % of a hop of {self.listening.hop_text}"
        measured = self.board.chip.power.measured
        if measured is None:
            return awake
        cycles = (1 - slept) * self.listening.hop_s * self.board.clock.sysclk_hz
        low, high = (cycles * ua * measured.supply_mv * 1e-9 for ua in measured.ua_per_mhz)
        return f"{awake}: {low:,.0f}–{high:,.0f} µJ ({measured})"

    def take(self, hop: HeardHop, sound: npt.NDArray[np.int16] | None) -> Shown:
        """One more hop."""
        seconds = self.end_s(hop.hop)
        names = self.decisions.rules
        if self.recorder is not None:
            begins = [
                (self.end_s(e.start_hop) - self.listening.hop_s, seconds, names[e.rule].label)
                for e in hop.events
            ]
            self.recorder.take(sound, begins)
        outputs = np.frombuffer(hop.scores, np.dtype(self.manifest.outputs[0].dtype).newbyteorder("<"))
        shown = Shown(
            hop.hop, round(seconds, 3), None if sound is None else round(live.level_dbfs(sound), 1),
            () if sound is None else live.columns(sound, self.spec.sample_rate_hz),
            live.scores(outputs, self.decisions),
            tuple((names[e.rule].label, self.decisions.real(e.score)) for e in hop.events),
            self.load(hop.busy_cycles), hop.waiting_samples, hop.lost_samples,
        )  # fmt: skip
        if self._page is not None:
            self._page.tell(shown)
        return shown

    def save(self) -> tuple[Path, ...]:
        """Write what was kept; the files that are not clips."""
        if self.recorder is None:
            return ()
        return tuple(path for path in self.recorder.save() if path.parent == self.recorder.folder)

    @contextlib.contextmanager
    def served(self, port: int) -> Iterator[str]:
        """A page of it on this machine while this lasts; its address."""
        html = live.page(
            self.manifest.model, self.board.name, self.source, self.decisions, self.listening.hop_s,
            self.listening.window_s,
        )  # fmt: skip
        with LivePage(html, port) as self._page:
            yield self._page.url
        self._page = None

    def ended(self) -> None:
        """No more hops come."""
        if self._page is not None:
            self._page.end()
