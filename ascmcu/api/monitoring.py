# SPDX-License-Identifier: Apache-2.0
"""What a firmware with a microphone tells of every hop, on the simulator with a recording as its sound."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ascmcu import boards
from ascmcu.benchmark import clips, wire
from ascmcu.boards import Board
from ascmcu.data import audio
from ascmcu.errors import InputError, LinkError
from ascmcu.features import spec as specs
from ascmcu.listening.decisions import Event
from ascmcu.paths import PathLike
from ascmcu.sim import layout
from ascmcu.sim.faults import GuestFault
from ascmcu.sim.image import Image
from ascmcu.sim.machine import Machine
from ascmcu.sim.microphones import I2s
from ascmcu.toolchain.manifest import Manifest

_HEAD = struct.Struct("<IIIIB")
_EVENT = struct.Struct("<HIi")
# Simulated seconds between looks at what the firmware sent.
_SLICE_S = 0.05


@dataclass(frozen=True)
class HeardHop:
    """What the firmware says of one hop.

    Attributes:
        hop: its number from 0.
        lost_samples: since the start.
        waiting_samples: in its buffer when the hop was done.
        busy_cycles: of the core, in this hop.
        events: those that begin in it.
        scores: output 0, raw.
    """

    hop: int
    lost_samples: int
    waiting_samples: int
    busy_cycles: int
    events: tuple[Event, ...]
    scores: bytes


@dataclass(frozen=True)
class Listened:
    """A recording through the simulated microphone.

    Attributes:
        hops: what the firmware said, in order.
        seconds: of simulated time in which the microphone ran.
        rate_hz: frames a second that its clock gave.
        taken_samples: that the DMA took; ``missed_samples`` came while it did not run.
        slept: the part of the time that the core slept.
    """

    hops: tuple[HeardHop, ...]
    seconds: float
    rate_hz: float
    taken_samples: int
    missed_samples: int
    slept: float

    @property
    def lost_samples(self) -> int:
        """By the firmware, or before it."""
        return self.missed_samples + (self.hops[-1].lost_samples if self.hops else 0)


def listen_on_sim(
    folder: PathLike,
    recording: PathLike | npt.NDArray[np.int16],
    tell: Callable[[HeardHop], None] = lambda hop: None,
) -> Listened:
    """Let ``listen.elf`` hear a recording at its rate, in simulated time.

    Args:
        folder: an export with ``--microphone``.
        recording: a file, or int16 samples at the front end's rate.
        tell: called with every hop.

    Raises:
        InputError: the export has no microphone.
        DataError: the recording cannot be read.
        LinkError: the firmware crashed, or says what cannot be understood.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    if not manifest.microphone or manifest.features is None:
        raise InputError(
            "this export has no microphone", where=str(folder), hint="export with --microphone i2s"
        )
    board = boards.of_export(folder, manifest.board)
    if isinstance(recording, np.ndarray):
        pcm = recording
    else:
        pcm = audio.whole_pcm(Path(recording), specs.from_dict(manifest.features))[:, 0]
    machine, microphone = _machine(folder / "listen.elf", board, pcm)
    before = machine.slept_cycles
    wanted = len(clips.steps(len(pcm), specs.from_dict(manifest.features)))
    hops = []
    for hop in _told(machine, microphone, len(pcm)):
        if hop.hop < wanted:  # the next one would hold silence behind the recording
            tell(hop)
            hops.append(hop)
    machine.keep_blocks()
    numerator, denominator = microphone.rate_hz
    return Listened(
        tuple(hops),
        microphone.taken * denominator / numerator,
        numerator / denominator,
        microphone.taken,
        microphone.missed,
        (machine.slept_cycles - before) / max(machine.engine.cycles, 1),
    )


def _machine(elf: Path, board: Board, pcm: npt.NDArray[np.int16]) -> tuple[Machine, I2s]:
    machine = Machine(Image(elf), layout.of_board(board))
    microphone = next((d for d in machine.devices if isinstance(d, I2s)), None)
    if microphone is None:
        raise InputError("the simulator has no microphone for this board", where=board.name)
    microphone.source_hz, microphone.core_hz = board.clock.source_hz, machine.layout.clock_hz
    microphone.hear(pcm)
    return machine, microphone


def _told(machine: Machine, microphone: I2s, samples: int) -> Iterator[HeardHop]:
    """What comes of the firmware until it has heard all samples."""
    decoder = wire.Decoder()
    port = machine.usarts[machine.layout.console]
    while microphone.taken < samples:
        try:
            machine.run(machine.engine.cycles + round(_SLICE_S * machine.layout.clock_hz))
        except GuestFault as fault:
            raise LinkError("the firmware crashed", where=fault.where, details=str(fault)) from fault
        if machine.end is not None or machine.idle:
            raise LinkError("the firmware has ended", found=machine.idle or machine.end)
        data = bytes(port.sent)
        port.sent.clear()
        yield from (_hop(frame) for frame in decoder.feed(data))


def _hop(frame: wire.Frame) -> HeardHop:
    if frame.type != wire.HEARD:
        message = wire.parse(frame)
        raise LinkError("the firmware says something else", found=str(message))
    hop, lost, waiting, busy, count = _HEAD.unpack_from(frame.body)
    end = _HEAD.size + count * _EVENT.size
    events = tuple(Event(*fields) for fields in _EVENT.iter_unpack(frame.body[_HEAD.size : end]))
    return HeardHop(hop, lost, waiting, busy, events, frame.body[end:])
