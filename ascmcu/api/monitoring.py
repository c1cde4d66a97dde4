# SPDX-License-Identifier: Apache-2.0
"""What a firmware with a microphone tells of every hop: a board, or the simulator with a recording as its sound."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import boards, extras
from ascmcu.benchmark import clips, wire
from ascmcu.benchmark.run import check_firmware, connect
from ascmcu.boards import Board
from ascmcu.data import audio
from ascmcu.errors import InputError, LinkError, ToolError
from ascmcu.features import spec as specs
from ascmcu.listening.decisions import Event
from ascmcu.paths import PathLike
from ascmcu.runners.base import Target
from ascmcu.runners.host import HostRunner
from ascmcu.runners.serial import SerialRunner
from ascmcu.sim import layout
from ascmcu.sim.faults import GuestFault
from ascmcu.sim.image import Image
from ascmcu.sim.machine import Machine
from ascmcu.sim.receiver import Receiver
from ascmcu.toolchain.manifest import Manifest

_HEAD = struct.Struct("<IIIIB")
_EVENT = struct.Struct("<HIi")
# Simulated seconds between looks at what the firmware sent.
_SLICE_S = 0.05
# A board that says nothing for so long is not there.
_SILENCE_HOPS, _SILENCE_S = 3, 2.0


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
        rate_hz: samples a second that its clock gave.
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


Tell = Callable[[HeardHop, npt.NDArray[np.int16] | None], None]


def _quiet(hop: HeardHop, sound: npt.NDArray[np.int16] | None) -> None:
    """Say nothing."""


def listen_on_sim(
    folder: PathLike, recording: PathLike | npt.NDArray[np.int16], tell: Tell = _quiet
) -> Listened:
    """Let ``listen.elf`` hear a recording at its rate, in simulated time.

    Args:
        folder: an export with ``--microphone``.
        recording: a file, or int16 samples at the front end's rate.
        tell: called with every hop and the samples that came in it.

    Raises:
        InputError: the export has no microphone.
        DataError: the recording cannot be read.
        LinkError: the firmware crashed, or says what cannot be understood.
    """
    folder = Path(folder)
    manifest, spec = with_microphone(folder)
    board = boards.of_export(folder, manifest.board)
    pcm = recording if isinstance(recording, np.ndarray) else audio.whole_pcm(Path(recording), spec)[:, 0]
    machine, microphone = _machine(folder / "listen.elf", board)
    microphone.hear(manifest.microphone, pcm, spec.sample_rate_hz)
    before = machine.slept_cycles
    parts = clips.steps(len(pcm), spec)
    hops = []
    for hop in _told(machine, microphone, len(pcm)):
        if hop.hop < len(parts):  # the next one would hold silence behind the recording
            tell(hop, pcm[slice(*parts[hop.hop])])
            hops.append(hop)
    machine.keep_blocks()
    numerator, denominator = microphone.rate_hz
    frames = microphone.frames_per_sample
    return Listened(
        tuple(hops),
        microphone.taken * denominator / numerator,
        numerator / denominator / frames,
        microphone.taken // frames,
        -(-microphone.missed // frames),
        (machine.slept_cycles - before) / max(machine.engine.cycles, 1),
    )


def listen_on_serial(
    folder: PathLike,
    port: str,
    *,
    baud: int | None = None,
    seconds: float | None = None,
    tell: Tell = _quiet,
) -> tuple[HeardHop, ...]:
    """Read what a board with ``listen.elf`` says.

    Args:
        folder: an export with ``--microphone``.
        port: as ``bench`` takes it.
        baud: instead of the board's.
        seconds: until so much sound was heard; None: until an interruption (``KeyboardInterrupt``).
        tell: called with every hop; a board sends no sound.

    Returns:
        the hops, in order; the first one need not be the first since the board started.

    Raises:
        InputError: the export has no microphone.
        LinkError: the port cannot be opened, nothing comes, the firmware crashed, or it is not this export's.
    """
    folder = Path(folder)
    manifest, _ = with_microphone(folder)
    assert manifest.listening is not None
    target = Target(folder, boards.of_export(folder, manifest.board), manifest, frontend=True)
    wanted = None if seconds is None else max(1, round(seconds / manifest.listening.hop_s))
    hops: list[HeardHop] = []
    with SerialRunner(target, port, baud) as link, contextlib.suppress(KeyboardInterrupt):
        decoder = wire.Decoder()
        while wanted is None or len(hops) < wanted:
            data = link.read(_SILENCE_HOPS * manifest.listening.hop_s + _SILENCE_S)
            if not data:
                raise LinkError(
                    "the board says nothing",
                    where=link.port,
                    expected=f"a frame every {manifest.listening.hop_text}",
                    hint="does listen.elf run on it, from this export?",
                )
            frames = decoder.feed(data)
            for hop in map(_hop, frames if wanted is None else frames[: wanted - len(hops)]):
                _check_scores(hop, manifest)
                tell(hop, None)
                hops.append(hop)
    return tuple(hops)


def listen_live(
    folder: PathLike, *, seconds: float | None = None, tell: Tell = _quiet
) -> tuple[HeardHop, ...]:
    """Let the network run on this machine, on the sound of its microphone.

    Args:
        folder: an export with ``--microphone``.
        seconds: until so much sound was heard; None: until an interruption (``KeyboardInterrupt``).
        tell: called with every hop and the samples that came in it.

    Returns:
        the hops. Their cycles are 0. Where the system lost sound, it does not say how much: a hop is counted.

    Raises:
        InputError: the export has no microphone.
        ToolError: sounddevice is missing, or finds no microphone of the rate.
        LinkError: the network's program failed.
    """
    folder = Path(folder)
    manifest, spec = with_microphone(folder)
    assert manifest.listening is not None
    devices = extras.load("sounddevice", "microphone", "this machine's microphone needs sounddevice")
    target = Target(folder, boards.of_export(folder, manifest.board), manifest, frontend=True)
    wanted = None if seconds is None else max(1, round(seconds / manifest.listening.hop_s))
    hops: list[HeardHop] = []
    lost = 0
    with connect(HostRunner(target)) as (_, session), contextlib.suppress(KeyboardInterrupt):
        check_firmware(session.hello, target)
        with _opened(devices, spec) as stream:
            while wanted is None or len(hops) < wanted:
                sound, overflowed = stream.read(spec.step_samples if hops else spec.clip_samples)
                lost += spec.step_samples if overflowed else 0
                pcm = np.ascontiguousarray(sound, "<i2")
                result = session.run(pcm.tobytes(), wire.Kind.AUDIO, continues=bool(hops))
                scores = clips.outputs(manifest, result.outputs)[0].tobytes()
                hop = HeardHop(len(hops), lost, stream.read_available, 0, tuple(result.events), scores)
                tell(hop, pcm[:, 0])
                hops.append(hop)
    return tuple(hops)


def _opened(devices: ModuleType, spec: specs.Spec) -> Any:
    """The default microphone's stream.

    Raises:
        ToolError: there is none, or it does not give this rate.
    """
    rate_hz, channels = spec.sample_rate_hz, spec.audio_channels
    try:
        return devices.InputStream(samplerate=rate_hz, channels=channels, dtype="int16")
    except (devices.PortAudioError, ValueError) as error:
        raise ToolError(
            "no microphone can be opened",
            expected=f"int16 at {rate_hz} Hz, {channels} channel(s)",
            found=str(error),
        ) from error


def _check_scores(hop: HeardHop, manifest: Manifest) -> None:
    expected = manifest.outputs[0].row_bytes
    if len(hop.scores) != expected:
        raise LinkError(
            "the board runs another firmware",
            expected=f"{expected} bytes of scores",
            found=len(hop.scores),
            hint="flash this export's listen.hex",
        )


def with_microphone(folder: Path) -> tuple[Manifest, specs.Spec]:
    """The manifest and the front end of an export with ``--microphone``.

    Raises:
        InputError: it is none.
    """
    manifest = Manifest.load(folder)
    if not manifest.microphone or manifest.features is None:
        raise InputError(
            "this export has no microphone", where=str(folder), hint="export with --microphone i2s or pdm"
        )
    return manifest, specs.from_dict(manifest.features)


def _machine(elf: Path, board: Board) -> tuple[Machine, Receiver]:
    machine = Machine(Image(elf), layout.of_board(board))
    microphone = next((d for d in machine.devices if isinstance(d, Receiver)), None)
    if microphone is None:
        raise InputError("the simulator has no microphone for this board", where=board.name)
    microphone.source_hz = board.clock.source_hz
    return machine, microphone


def _told(machine: Machine, microphone: Receiver, samples: int) -> Iterator[HeardHop]:
    """What comes of the firmware until it has heard all samples."""
    decoder = wire.Decoder()
    port = machine.usarts[machine.layout.console]
    while microphone.taken < samples * microphone.frames_per_sample:
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
