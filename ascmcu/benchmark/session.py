# SPDX-License-Identifier: Apache-2.0
"""A benchmark's conversation with a firmware: hello, clips, layers, statistics, over any runner's link.

The device says which byte it wants next (READY) and never takes another; the host sends that. Everything that
can be lost is asked for again by the side that misses it: the device after 250 ms of silence in an open clip,
or when a frame arrives damaged; the host when an answer stays away. A chunk is sent a second time only when the
device says that it lacks it, in answer to a question that was sent behind the chunk: so two copies are never under way,
and no more bytes than the device has room for. What was scored is proved by the CRC that the device returns over
all input bytes, so a clip is either right, repeated, or an error.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ascmcu.benchmark import starts, wire
from ascmcu.benchmark.wire import Cause, ErrorCode, Kind, Message, Type
from ascmcu.errors import LinkError

# Answers slower than this part of the device's time explain that none came.
_SILENCE_PART = 0.25
# An answer to a small request comes at once; asked again this often until the runner's patience ends.
_ASK_AGAIN_S = 1.0
_WRITE_S = 30.0
_NUDGE_PART = 0.4  # of the time that a device may stay silent
_CLIP_ATTEMPTS = 5
_BITES = 2  # of the watchdog in one clip, which then hangs for certain
_HEARD_BYTES = 256

M = TypeVar("M")


class Link(Protocol):
    """What a session needs of a runner (``ascmcu.runners.base.Runner``)."""

    def read(self, timeout_s: float) -> bytes:
        """At least one byte, or none after ``timeout_s``."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """All bytes, or LinkError."""


@dataclass
class Repairs:
    """What the host has had to mend since the session's begin."""

    bad_frames: int = 0
    asked_again: int = 0
    sent_again: int = 0
    clips_repeated: int = 0


class NoAnswer(LinkError):
    """Nothing that could be understood came back; another rate may do."""


class StepLost(LinkError):
    """A step of a network with states did not come to its end: those before it must be taken again."""


class _Restarted(Exception):
    """The device has started anew, or does not know the clip: it must be begun again."""


class Session:
    """One conversation. Not thread-safe; the link must be open.

    Args:
        link: the runner.
        response_s: how long the device may stay silent before the link counts as dead.
        seed: of the clip numbers, which tell late frames of an earlier conversation from this one's.
        silent_hint: what to look at when nothing answers, or something else does.
        place: names an address of the firmware, for messages.
        stood_at: where the program was when the watchdog last reset it; empty if the link cannot know.

    Attributes:
        heard: the last bytes that came, whatever they are; ``frames`` how many whole frames there were.
        repairs: what had to be mended.
        restarts: sentences about starts in the middle of a clip.
    """

    def __init__(
        self,
        link: Link,
        *,
        response_s: float,
        seed: int | None = None,
        silent_hint: str | None = None,
        place: starts.Place = starts.numbered,
        stood_at: Callable[[], str] = str,
    ) -> None:
        self._link = link
        self._response_s = response_s
        self._silent_hint = silent_hint
        self._place = place
        self._stood_at = stood_at
        self._slowest_s = 0.0  # answer to a question so far
        self._decoder = wire.Decoder()
        self._request = 0
        self._answers = 0  # the request that the last message about a clip answers
        self._clip = random.Random(seed).getrandbits(32)
        self._waiting: list[wire.Frame] = []
        self.heard = b""
        self.frames = 0
        self._hello: wire.Hello | None = None
        self.clips_run = 0
        self.repairs = Repairs()
        self.restarts: list[str] = []
        self._bites = 0  # of the watchdog, in the clip that is under way

    @property
    def hello(self) -> wire.Hello:
        """What the device says of itself; asked once.

        Raises:
            LinkError: nothing answers, or something that speaks another protocol.
        """
        return self._hello or self.greet(self._response_s)

    def greet(self, within_s: float) -> wire.Hello:
        """Ask the device who it is, anew.

        Raises:
            LinkError: nothing answers within ``within_s``, or something that speaks another protocol.
        """
        self._hello = self._ask(wire.Hello, Type.HELLO, within_s=within_s)
        return self._hello

    def run(self, data: bytes, kind: Kind, *, continues: bool = False) -> wire.Result:
        """Send one clip, return what the device computed from exactly these bytes.

        Args:
            data: the clip's bytes.
            kind: what they are.
            continues: the clip is the next step of a network with states, behind the one that ran last.

        Raises:
            StepLost: a step that continues must be taken again, with all of its clip before it.
            LinkError: the device stays silent, refuses the clip, faults, or the link cannot be mended.
        """
        self._bites = 0
        for _ in range(_CLIP_ATTEMPTS):
            self._clip = (self._clip + 1) & 0xFFFFFFFF
            try:
                result = self._run_once(data, kind | (wire.CONTINUES if continues else 0))
            except _Restarted:
                self.repairs.clips_repeated += 1
                if continues:
                    raise self._step_lost() from None
                continue
            if result.input_crc == zlib.crc32(data) and len(result.outputs) == self.hello.output_bytes:
                self.clips_run += 1
                return result
            self.repairs.clips_repeated += 1
            if continues:
                raise self._step_lost()
        raise self._no_end()

    def _step_lost(self) -> StepLost:
        return StepLost(
            "a step could not be brought to its end, and the network's states with it",
            found=f"{self._decoder.bad_frames} damaged frames{self._pace(_ASK_AGAIN_S)}",
            hint=self._hint(_ASK_AGAIN_S),
        )

    def _no_end(self) -> LinkError:
        """The error for a clip that was begun anew too often: bytes are lost, or answers come too late."""
        known = f"{self._decoder.bad_frames} damaged frames{self._pace(_ASK_AGAIN_S)}{self._last_start}"
        return LinkError(
            "a clip could not be completed",
            found=f"{_CLIP_ATTEMPTS} attempts, {known}",
            expected=f"an attempt without a loss, and every answer within {_ASK_AGAIN_S:.1f} s",
            hint=self._hint(_ASK_AGAIN_S),
        )

    @property
    def _last_start(self) -> str:
        """For messages: the last restart, if there was one."""
        return f"; {self.restarts[-1]}" if self.restarts else ""

    def _late(self, limit_s: float) -> bool:
        """Whether answers have come so late that the limit may pass for that reason."""
        return self._slowest_s > limit_s

    def _pace(self, limit_s: float) -> str:
        """For messages: how slow answers are, where that may be the reason."""
        return f"; up to {self._slowest_s:.1f} s for an answer" if self._late(limit_s) else ""

    def _hint(self, limit_s: float) -> str | None:
        if self._late(limit_s):
            return "answers come too late: the link delays the bytes, or an emulator or this machine is overloaded"
        return self._silent_hint

    @property
    def _silence_s(self) -> float:
        """Answers as late as this may explain that none came at all."""
        return _SILENCE_PART * self._response_s

    def layers(self, result: wire.Result) -> tuple[int, ...]:
        """The counts per layer of the clip that was just run.

        Raises:
            LinkError: the device has meanwhile begun another clip, or does not answer.
        """
        counts: list[int] = []
        while len(counts) < self.hello.layers:
            part = self._ask(wire.Layers, Type.LAYERS, body=wire.layers_body(len(counts)))
            if part.clip != result.clip or part.first != len(counts) or not part.counts:
                raise LinkError(
                    "the device's layer counts belong to another clip", expected=result.clip, found=part.clip
                )
            counts += part.counts
        return tuple(counts)

    def statistics(self) -> wire.Statistics:
        """The device's counters since its start."""
        return self._ask(wire.Statistics, Type.STATISTICS)

    # ------------------------------------------------------------------ one clip

    def _run_once(self, data: bytes, flags: int) -> wire.Result:
        window_bytes = self._window_bytes()
        message: Message = self._ask(
            wire.Ready, Type.BEGIN, flags=flags, body=wire.begin_body(self._clip, len(data))
        )
        # The byte the device wants next, how far we have sent, how far it ever came.
        wanted = sent = furthest = 0
        asking = False  # where the device stands, of a chunk that it may lack
        progress_s = time.monotonic()
        while not (isinstance(message, wire.Result) and message.clip == self._clip):
            self._check(message)
            if isinstance(message, wire.Ready) and message.clip == self._clip:
                if message.cause is not Cause.AGAIN:
                    wanted = max(wanted, message.offset)
                    sent = max(wanted, sent)
                    asking = asking and sent > wanted
                elif message.offset < sent and not (asking and self._answers == self._request):
                    self._ask_where(wanted)  # what it lacks may be under way
                    asking = True
                elif message.offset <= sent:
                    self.repairs.sent_again += message.offset < sent
                    wanted = sent = message.offset
                    asking = False
            while sent < len(data) and sent - wanted < window_bytes and not asking:
                self._send_chunk(data, sent)
                sent = min(len(data), sent + self.hello.chunk_bytes)
            if wanted > furthest:
                furthest, progress_s = wanted, time.monotonic()
            message = self._next(f"byte {wanted} of {len(data)} of a clip", progress_s, wanted)
        return message

    def _window_bytes(self) -> int:
        """Bytes of a clip that may be under way: whole chunks, as many as the device grants and has room for."""
        hello = self.hello
        room = hello.receive_bytes // wire.data_frame_bytes(hello.chunk_bytes)
        return min(hello.credits, room) * hello.chunk_bytes

    def _send_chunk(self, data: bytes, offset: int) -> None:
        chunk = data[offset : offset + self.hello.chunk_bytes]
        self._link.write(wire.encode(Type.DATA, body=wire.data_body(self._clip, offset, chunk)), _WRITE_S)

    def _ask_where(self, wanted: int) -> None:
        """Ask the device which byte it wants; its answer shows what has become of all that was sent before."""
        body = wire.data_body(self._clip, wanted, b"")
        self._link.write(wire.encode(Type.DATA, 0, self._new_request(), body), _WRITE_S)

    def _check(self, message: Message) -> None:
        if isinstance(message, wire.Hello):
            if message.identity != self.hello.identity:
                raise LinkError(
                    "the device has restarted with another firmware",
                    expected=f"{self.hello.model} for {self.hello.board}, build {self.hello.build_sha256[:12]}",
                    found=f"{message.model} for {message.board}, build {message.build_sha256[:12]}",
                )
            if message.timing != self.hello.timing:
                raise LinkError(
                    "the device has restarted with another clock: its counts do not compare with the earlier ones",
                    expected=f"{self.hello.clock_hz} Hz, {self.hello.wait_states} wait states",
                    found=f"{message.clock_hz} Hz, {message.wait_states} wait states",
                    hint="reset the board and give the same command again; an oscillator may be failing",
                )
            self._look_at_start(message)
            raise _Restarted
        if isinstance(message, wire.Refusal) and message.clip == self._clip:
            if message.code == ErrorCode.NO_CLIP:
                raise _Restarted
            raise _refused(message)

    def _look_at_start(self, hello: wire.Hello) -> None:
        """Keep why the device started in the middle of a clip; end where trying again would end likewise.

        Raises:
            LinkError: it has faulted, and the message that said so is lost; or it hangs again and again.
        """
        if hello.last_fault is not None and hello.last_fault != self.hello.last_fault:
            raise starts.faulted(hello.last_fault, self._place)
        self.restarts.append(starts.restarted(hello))
        self._bites += hello.reset is wire.Reset.WATCHDOG
        if self._bites == _BITES:
            raise starts.hung(self._bites, self._stood_at())

    def _next(self, where: str, progress_s: float, wanted: int) -> Message:
        """The next message about a clip; silence, and talk without progress, are bounded.

        A device with a clip asks for what it misses after 250 ms. One that stays silent much longer computes, or
        has restarted without being heard: asked where it stands it then says that it knows no clip.
        """
        deadline_s = min(time.monotonic() + self._response_s, progress_s + 3 * self._response_s)
        for until_s in (min(deadline_s, time.monotonic() + _NUDGE_PART * self._response_s), deadline_s):
            for frame in self._frames(until_s):
                message = wire.parse(frame)
                if isinstance(message, wire.Fault):
                    raise starts.faulted(message, self._place)
                if isinstance(message, wire.Hello) and frame.request != 0:
                    continue  # a late answer; the unasked one says that the device has started
                self._answers = frame.request
                return message
            if until_s < deadline_s:
                self._ask_where(wanted)
        raise LinkError(
            "the device has stopped answering",
            where=where,
            found=f"no valid frame for {self._response_s:.0f} s{self._pace(self._silence_s)}",
            hint=self._hint(self._silence_s),
        )

    # ------------------------------------------------------------------ messages

    def _ask(
        self, kind: type[M], type_: Type, flags: int = 0, body: bytes = b"", within_s: float | None = None
    ) -> M:
        """Send a request until its answer is there; late answers to earlier requests are dropped."""
        request = self._new_request()
        patience_s = self._response_s if within_s is None else within_s
        began = time.monotonic()
        deadline = began + patience_s
        while True:
            self._link.write(wire.encode(type_, flags, request, body), _WRITE_S)
            again_s = min(deadline, time.monotonic() + _ASK_AGAIN_S)
            for frame in self._frames(again_s):
                message = wire.parse(frame)
                if isinstance(message, wire.Fault):
                    raise starts.faulted(message, self._place)
                if frame.request != request:
                    continue
                if isinstance(message, kind):
                    self._slowest_s = max(self._slowest_s, time.monotonic() - began)
                    return message
                if isinstance(message, wire.Refusal) and message.code != ErrorCode.BAD_FRAME:
                    if type_ is Type.BEGIN and message.code == ErrorCode.NO_CLIP:
                        raise _Restarted
                    raise _refused(message)
            if time.monotonic() >= deadline:
                if self.heard and not self.frames:
                    raise self._speaks_otherwise()
                raise NoAnswer(
                    "the device does not answer",
                    found=f"nothing to {type_.name} for {patience_s:.0f} s, "
                    f"{self._decoder.bad_frames} damaged frames{self._pace(self._silence_s)}",
                    hint=self._hint(self._silence_s),
                )
            if self.frames:  # before the first answer it may still be starting, which is nothing to mend
                self.repairs.asked_again += 1

    def _speaks_otherwise(self) -> NoAnswer:
        return NoAnswer(
            "something answers, but not in this protocol",
            found=f"{self.heard[:32]!r}",
            hint=self._silent_hint,
        )

    def _new_request(self) -> int:
        """A number that no answer under way can have; 0 is that of messages that nobody asked for."""
        self._request = self._request % 0xFFFF + 1
        return self._request

    def _frames(self, deadline_s: float) -> Iterator[wire.Frame]:
        """Frames as they come, those that wait first, until ``deadline_s``."""
        while True:
            while self._waiting:
                yield self._waiting.pop(0)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return
            data = self._link.read(left_s)
            self.heard = (self.heard + data)[-_HEARD_BYTES:]
            # Types below 0x80 are the host's own: a link that echoes is no reason to stop.
            found = [f for f in self._decoder.feed(data) if f.type >= 0x80]
            self._waiting += found
            self.frames += len(found)
            self.repairs.bad_frames = self._decoder.bad_frames


def _refused(message: wire.Refusal) -> LinkError:
    names = {code.value: code.name for code in ErrorCode}
    return LinkError(
        "the device reported an error",
        found=f"{names.get(message.code, message.code)}, detail {message.detail}",
    )
