# SPDX-License-Identifier: Apache-2.0
"""The packed product of convolutions and dense layers: SMLAD on weights packed two channels to a halfword.

Inputs are widened to int16 once. The weights of output channels 2i (``low``) and 2i + 1 (``high``) at a tap are stored
as the single number H = 256 · w_high + w_low, so that one word holds two channels at two taps:

    A = Σ x · H = 256 · Σ x · w_high + Σ x · w_low        (SMLAD on the word as it is)
    B = Σ x · w_low                                        (SMLAD on SXTB16 of the word: the low bytes, sign-extended)
    Σ x · w_high = (A − B) / 256

which is one extension for four products instead of two, and exact modulo 2³² while |Σ x · w_high| < 2²³: the bounds
of the accumulators say so for every channel, or the form is not taken.

Both sums then stand at 256 · acc, and one high-word multiply-accumulate and one saturating shift requantize them:

    y = SSAT((256 · acc · M) >> 32 + C, asr S)

The reference rounds twice: to 2^−e of an output unit, halves up, then to whole units, halves away from zero. So its
steps lie 2^−(e+1) early above zero and late below, which C holds (and, where outputs below the zero point show, twice
that is taken off again for negative sums: D, twice what C is beyond the ``base`` of all channels). M is then bounded by
every step of the channel and exact. Where no M of 31 bits meets all steps of a layer's channels, it gets 32 bits more,
F: the ``two_words`` form adds (256 · acc · F) >> 32 to the low word.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ascmcu.ir.types import Array, Tensor
from ascmcu.kernels import _packed_gemm_code as code
from ascmcu.kernels import _widen_code
from ascmcu.kernels._lowered import DEFAULT_TUNING, Tuning
from ascmcu.kernels._requant import Mask, exact_multipliers, exact_wide_multipliers
from ascmcu.kernels._saturating import Saturating
from ascmcu.m4.asm import MOST_OFFSET
from ascmcu.m4.listing import Listing
from ascmcu.ops._fixed import I64, wrap32
from ascmcu.ops._quant import Requantization

_GROUP = 4  # output channels that one pass computes
_EIGHT = 8  # of a long vector: twice as many
_GAIN = 256
_ONE_UNROLL = 4
_INT32_LIMIT = 1 << 31
_TURN_CYCLES, _COPIES_CYCLES, _THREE_COLUMNS = 4, 4, 12
# Pairs of taps fewer in the code beside a long requantization, for both must fit the instruction cache.
_LONG_FINISH = 2
# Constants in common save some words of each channel; code in common with other layers saves more.
_LEAST_COMMON = 64


@dataclass(frozen=True)
class GemmParams(Saturating):
    """Compile-time constants of the inner kernels.

    ``tap_pairs`` words of two taps make one pixel's vector; of two pixels, the loop runs ``blocks`` times over
    ``unroll`` of them, behind ``rest`` others, ``inside`` the code that requantizes or as a routine. ``pixel_bytes`` is
    the distance of neighbouring pixels' vectors, ``out_step`` of their outputs, ``channel_step`` of neighbouring
    channels' outputs. The first ``eights`` passes take eight channels each (dense
    layers), ``groups`` take four, and ``tail`` channels are left.

    Of the requantization's M, F and C (``ascmcu.kernels._requant``), ``two_words`` says that there is an F, ``signed``
    that D is taken off, and ``common`` which of them all channels have in common: "" none, "c" C, "mc" all.
    """

    tap_pairs: int
    unroll: int
    blocks: int
    rest: int
    inside: bool
    pixel_bytes: int
    out_step: int
    channel_step: int
    eights: int
    groups: int
    tail: int
    two_words: bool
    common: str

    @property
    def pixel_elements(self) -> int:
        """int16 elements from a pixel's vector to the next one's."""
        return self.pixel_bytes // 2

    @property
    def one_loop(self) -> code.Loop:
        """The taps of the code for one pixel."""
        unroll = self._one_unroll
        return code.Loop(unroll, self.tap_pairs // unroll > 1, self.tap_pairs % unroll)

    @property
    def _one_unroll(self) -> int:
        return min(self.tap_pairs, _ONE_UNROLL)

    @property
    def one_loop_bytes(self) -> int:
        """Bytes of a pixel's vector that its loop walks."""
        return self.tap_pairs // self._one_unroll * self._one_unroll * 4

    @property
    def group_words(self) -> int:
        """Words of one group of four channels: sums before the first tap, packed weights, each channel's constants."""
        return 2 * self.tap_pairs + _GROUP * (1 + len(self.columns))

    @property
    def header_words(self) -> int:
        """Constants of all channels, before the first group: M, F and C as far as they are common, or the base."""
        return 1 if self.signed else {"": 0, "c": 1, "mc": 3 if self.two_words else 2}[self.common]

    @property
    def columns(self) -> str:
        """What each channel has of its own."""
        return ("" if self.common == "mc" else "mf" if self.two_words else "m") + ("" if self.common else "c")

    @property
    def finish(self) -> code.Finish:
        """What the code behind the sums depends on."""
        return code.Finish(
            self.shift, self.signed, self.low, self.high, self.two_words, self.common, self.channel_step
        )

    @property
    def pair_loop(self) -> code.PairLoop:
        """The taps of the code for two pixels."""
        return code.PairLoop(self.unroll, self.blocks > 1, self.rest, self.pixel_bytes)

    @cached_property
    def sums(self) -> Listing | None:
        """The routine that sums two pixels, if there is one."""
        return None if self.inside else code.sums(self.pair_loop)

    @property
    def widening(self) -> Listing:
        """What widens the input four elements at a time."""
        return _widen_code.code()

    @property
    def common_level(self) -> int:
        """0 where channels have nothing in common, 1 C, 2 all."""
        return len(self.common)

    @property
    def first_group(self) -> int:
        """Where the first group of four begins."""
        return self.header_words + 2 * self.eights * self.group_words

    @property
    def last_channels(self) -> int:
        """The first of the channels behind the last whole group."""
        return _EIGHT * self.eights + _GROUP * self.groups

    @cached_property
    def eight(self) -> Pass:
        """One pixel, eight channels at a time, as far as they go."""
        words = 2 * self.eights * self.group_words
        call = Call(
            4 * self.tap_pairs,
            4 * words,
            self._behind(1, _EIGHT * self.eights),
            self.pixel_bytes,
            self.out_step,
        )
        return Pass("1x8", code.one_by_eight(self.finish), call, self.eights, _EIGHT, self.header_words, 0)

    @cached_property
    def two(self) -> Pass:
        """Two pixels, four channels at a time."""
        return self._fours("2x4", self._pair(self.out_step))

    @cached_property
    def alone(self) -> Pass:
        """The same for one pixel whose partner is made of whatever is there, and overwritten."""
        return self._fours("alone", self._pair(0))

    def beside(self, out_step: int) -> Pass:
        """The same for two pixels whose outputs are another distance apart."""
        return self._fours("beside", self._pair(out_step))

    def across(self, next_x: int, next_pixel: int) -> Pass:
        """The same for pairs that lie ``next_x`` bytes apart, their outputs ``next_pixel`` bytes."""
        behind = next_pixel - _GROUP * self.groups * self.channel_step
        return self._fours(
            "across", dataclasses.replace(self._pair(self.out_step), next_x=next_x, next_out=behind)
        )

    @cached_property
    def one(self) -> Pass:
        """One pixel, four channels at a time."""
        words, behind = self.groups * self.group_words, self._behind(1, _GROUP * self.groups)
        return self._fours(
            "1x4", Call(self.one_loop_bytes, 4 * words, behind, self.pixel_bytes, self.out_step)
        )

    @property
    def overlaps(self) -> bool:
        """Whether the last channels are those of a group that begins among the ones before: four of them again, so
        that nothing is stored which is not an output."""
        return self.tail > 0 and self.last_channels > 0

    @cached_property
    def last(self) -> Pass:
        """One pixel, the last channels: a group of its own that overlaps the one before, or one of which the first
        ``tail`` channels are kept."""
        call = Call(
            self.one_loop_bytes,
            4 * self.group_words,
            self._behind(1, _GROUP),
            self.pixel_bytes,
            self.out_step,
        )
        return self._last("tail", self._one_code, call)

    @cached_property
    def last_pair(self) -> Pass:
        """The same of two pixels."""
        behind, step = self._behind(2, _GROUP), 2 * self.pixel_bytes
        call = Call(4 * self.tap_pairs, 4 * self.group_words, behind, step, self.out_step, self._routine)
        return self._last("tails", self._two_code, call)

    def _last(self, form: str, listing: Listing, call: Call) -> Pass:
        weights = self.first_group + self.groups * self.group_words
        first = (self.last_channels + self.tail - _GROUP) * self.channel_step if self.overlaps else 0
        return Pass(form, listing, call, 1, _GROUP, weights, first)

    @property
    def last_bytes(self) -> int:
        """Bytes from the first to behind the last output of a group."""
        return (_GROUP - 1) * self.channel_step + 1

    @property
    def _one_code(self) -> Listing:
        return code.one_by_four(self.one_loop, self.finish)

    @property
    def _two_code(self) -> Listing:
        return code.two_by_four(self.finish, self.pair_loop if self.inside else None)

    @property
    def _routine(self) -> str:
        return "NULL" if self.sums is None else self.sums.name

    def _pair(self, out_step: int) -> Call:
        words, behind = self.groups * self.group_words, self._behind(2, _GROUP * self.groups)
        return Call(4 * self.tap_pairs, 4 * words, behind, 2 * self.pixel_bytes, out_step, self._routine)

    def _fours(self, form: str, call: Call) -> Pass:
        listing = self._one_code if form == "1x4" else self._two_code
        out = _EIGHT * self.eights * self.channel_step
        return Pass(form, listing, call, self.groups, _GROUP, self.first_group, out)

    def _behind(self, pixels: int, channels: int) -> int:
        """From behind the last of ``channels`` outputs to the next pixel's first."""
        return pixels * self.out_step - channels * self.channel_step


@dataclass(frozen=True)
class Call:
    """What the calls of a pass never change: C's ``packed_gemm_call``, in its order."""

    loop_bytes: int
    weights_bytes: int
    next_out: int
    next_x: int
    out_step: int
    sums: str = "NULL"


@dataclass(frozen=True)
class Pass:
    """Pixels through the channels that a piece of code takes.

    ``form`` ends the names that the layer has for it. The pass begins at ``weights`` words of the layer's weights and
    ``out`` bytes behind the first channel's output, and takes ``groups`` groups of ``width`` channels.
    """

    form: str
    code: Listing
    call: Call
    groups: int
    width: int
    weights: int
    out: int


@dataclass(frozen=True)
class PackedGemm:
    """A layer in packed product: parameters, and one stream of int32 words in the order of their use: what all channels
    have in common, then group by group the sums before the first tap, the packed weights, each channel's constants."""

    params: GemmParams
    weights: Array

    @property
    def arrays(self) -> tuple[tuple[str, Array], ...]:
        """What goes to flash, by the names that the templates use."""
        return (("weights", self.weights),)


def pair_order(channels: int) -> Array:
    """The order in which SXTB16 leaves a pixel's channels: 0, 2, 1, 3 of each four; as they are otherwise."""
    order = np.arange(channels)
    if channels % 4 == 0:
        order = order.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1)
    return order


def packed_gemm(
    weights: Array,
    bias: Array,
    x: Tensor,
    requant: Requantization,
    bounds: tuple[I64, I64],
    *,
    pixel_bytes: int,
    out_step: int,
    channel_step: int = 1,
    tuning: Tuning = DEFAULT_TUNING,
    eights: bool = False,
) -> PackedGemm | None:
    """The packed product of ``weights`` (channels, taps in kernel order, an even number), or ``None`` where it is not
    exact, or where the loop over taps could not reach the second pixel.

    Args:
        weights: int8 values centred on zero.
        bias: int32 per channel, still without the input's zero point.
        x: the input; its zero point is folded into the bias, so padded taps must hold the zero point.
        requant: accumulators to outputs.
        bounds: lowest and highest accumulator per channel, bias included.
        pixel_bytes: distance of neighbouring pixels' widened vectors.
        out_step: distance of neighbouring pixels' outputs.
        channel_step: distance of neighbouring channels' outputs.
        tuning: how long loops may be, and the shift to prefer.
        eights: take eight channels at a time as far as they go (one pixel at a time only).
    """
    channels, taps = weights.shape
    if x.dtype.integer_range[0] == 0:
        return None
    found = channel_constants(requant, bounds, tuning, two_words=True)
    if found is None:
        return None
    order = _order(channels)
    filled = _in_order(np.where(found.constant[:, np.newaxis], 0, weights.astype(np.int64)), order)
    packed = 256 * filled[1::2] + filled[0::2]
    if packed.min() < -(1 << 15) or packed.max() >= 1 << 15:
        return None
    most_code = tuning.unroll + tuning.unroll // 2 - (_LONG_FINISH if found.two_words else 0)
    unroll, blocks, rest = unrolling(taps // 2, most_code)
    if pixel_bytes + 4 * unroll > MOST_OFFSET:
        return None
    first = channels // _EIGHT if eights else 0
    params = GemmParams(
        tap_pairs=taps // 2,
        unroll=unroll,
        blocks=blocks,
        rest=rest,
        inside=taps // 2 <= tuning.inside,
        pixel_bytes=pixel_bytes,
        out_step=out_step,
        channel_step=channel_step,
        eights=first,
        groups=(channels - _EIGHT * first) // _GROUP,
        tail=channels % _GROUP,
        shift=found.shift,
        signed=found.signed,
        two_words=found.two_words,
        common=found.common,
        low=requant.low,
        high=requant.high,
    )
    start = np.where(found.constant, 0, bias - x.zero_point * weights.astype(np.int64).sum(axis=1))
    folded, own = _in_order(start, order), _in_order(found.own, order)
    split = _EIGHT * first
    words = [
        found.header,
        _groups(packed[: split // 2], folded[:split], own[:split], _EIGHT),
        _groups(packed[split // 2 :], folded[split:], own[split:], _GROUP),
    ]
    return PackedGemm(params, wrap32(np.concatenate(words)).astype(np.int32))


@dataclass(frozen=True)
class ChannelConstants:
    """M, perhaps F, C and perhaps D of every channel for one common shift, and what of them is ``common`` to all (see
    ``GemmParams``). ``base`` is C without the early steps. ``constant`` channels have one output whatever the input: C
    holds it, and their sums must be zero. In ``dense`` networks few channels have constants in common too."""

    shift: int
    signed: bool
    two_words: bool
    dense: bool
    base: int
    columns: Array  # (channels, 2 to 4)
    constant: Mask

    @property
    def common(self) -> str:
        """Which columns are the same in all rows."""
        same = np.all(self.columns == self.columns[:1], axis=0)
        few = len(self.columns) < _LEAST_COMMON and not self.dense
        return "" if self.signed or few or not same[-1] else "mc" if np.all(same) else "c"

    @property
    def header(self) -> I64:
        """The common columns, or the base that D is counted from."""
        if self.signed:
            return np.array([self.base], np.int64)
        taken = {"": slice(0, 0), "c": slice(-1, None), "mc": slice(None)}[self.common]
        header: I64 = self.columns[0, taken]
        return header

    @property
    def own(self) -> I64:
        """(channels, 0 to 3): the columns that are not common, and no D."""
        every = slice(0, -1) if self.signed else slice(None)
        taken = {"": every, "c": slice(0, -1), "mc": slice(0, 0)}[self.common]
        own: I64 = self.columns[:, taken]
        return own


def folded_bias(found: ChannelConstants, taps: Array, bias: Array, x: Tensor) -> I64:
    """256 times each channel's sum before its first tap, for ``taps`` (taps, channels) that are stored times 256: the
    bias less what the input's zero point adds. Zero for constant channels."""
    start: I64 = 256 * (bias.astype(np.int64) - x.zero_point * taps.astype(np.int64).sum(axis=0))
    start[found.constant] = 0
    return start


def unrolling(pairs: int, most: int) -> tuple[int, int, int]:
    """(pairs per loop turn, turns, pairs before the loop) for two pixels: the fewest cycles, then the least code, of
    which there are ``most`` pairs altogether. Twelve first, which kernels of three columns have in common, so that
    layers share code. Where none are before the loop, four copies are made."""
    if pairs <= most:
        return pairs, 1, 0
    if most >= _THREE_COLUMNS and pairs % _THREE_COLUMNS == 0:
        return _THREE_COLUMNS, pairs // _THREE_COLUMNS, 0
    found = []
    for unroll in range(1, most + 1):
        turns, rest = divmod(pairs, unroll)
        if turns > 1 and unroll + rest <= most:
            found.append((_TURN_CYCLES * turns + (0 if rest else _COPIES_CYCLES), unroll + rest, unroll))
    unroll = min(found)[-1]
    return unroll, pairs // unroll, pairs % unroll


def channel_constants(
    requant: Requantization,
    bounds: tuple[I64, I64],
    tuning: Tuning,
    *,
    two_words: bool = False,
    gain: int = _GAIN,
) -> ChannelConstants | None:
    """Channel constants at one shift for which all channels are exact, or ``None``; so too where accumulators may pass
    what ``gain`` times them has room for. With ``two_words`` F is there where M alone is not exact.

    Kernels are compared by what they make of a layer, in several layouts: results are kept.
    """
    columns = np.stack(bounds).astype(np.int64).tobytes()
    return _channel_constants(requant, columns, tuning.shift, tuning.dense, two_words, gain)


@functools.lru_cache(maxsize=1024)
def _channel_constants(
    requant: Requantization, columns_of_bounds: bytes, preferred: int, dense: bool, two_words: bool, gain: int
) -> ChannelConstants | None:
    lowest, highest = np.frombuffer(columns_of_bounds, np.int64).reshape(2, -1)
    bounds = lowest, highest
    constant = _constant(requant, bounds)
    low, high = (np.where(constant, 0, bound) for bound in bounds)
    if gain * low.min() <= -_INT32_LIMIT or gain * high.max() >= _INT32_LIMIT:
        return None
    signed = requant.low < requant.zero_point and not requant.once
    shifts = _shifts(np.array(requant.scales)[~constant] / gain, preferred)
    for with_f in (False, True) if two_words else (False,):
        for shift in shifts:
            columns = _columns(
                requant, (low, high), shift, constant, signed=signed, two_words=with_f, gain=gain
            )
            if columns is not None:
                last = 3 if with_f else 2
                columns[constant, : last - 1] = 1
                half = 1 << (shift - 1)
                columns[constant, last - 1] = (requant.apply(bounds[0])[constant] << shift) + half
                columns[constant, last:] = 0
                base = (requant.zero_point << shift) + half
                for kept in (columns, constant):
                    kept.setflags(write=False)
                return ChannelConstants(shift, signed, with_f, dense, base, columns, constant)
    return None


def _constant(requant: Requantization, bounds: tuple[I64, I64]) -> Mask:
    """Channels whose output is the same for every accumulator: it cannot move, or the clamp hides that it does."""
    # Beyond, the reference's result is no longer a monotone function of the accumulator.
    within = (bounds[0] >= -_INT32_LIMIT) & (bounds[1] < _INT32_LIMIT)
    within &= np.maximum(-bounds[0], bounds[1]) * np.array(requant.scales) < _INT32_LIMIT / 2
    first, last = (requant.apply(bound) for bound in bounds)
    constant: Mask = within & (first == last)
    return constant


def _shifts(scales: npt.NDArray[np.float64], preferred: int) -> list[int]:
    """The four finest shifts whose multipliers are below 2³¹, the one first that other layers have: layers with equal
    shifts share their code. ``scales`` are those of the sums, gain included."""
    largest = scales.max(initial=2.0**-38)
    finest = min(int(np.floor(-1 - np.log2(largest) - 1e-9)), 22)
    return sorted(range(max(finest - 3, 9), finest + 1), key=lambda shift: (shift != preferred, -shift))


def _columns(
    requant: Requantization,
    bounds: tuple[I64, I64],
    shift: int,
    constant: Mask,
    *,
    signed: bool,
    two_words: bool,
    gain: int,
) -> I64 | None:
    """Each channel's M, perhaps F, C and perhaps D, if all are exact with this shift."""
    early = np.zeros(len(requant.scales), np.int64)
    if not requant.once:
        right = np.where(constant, 0, -np.array(requant.shifts, np.int64))
        if right.min() < 0 or shift < right.max() + 1:
            return None
        early = np.where(right > 0, np.int64(1) << (shift - right - 1), 0)
    half = 1 << (shift - 1)
    offset, below = half + early, half - early if signed else half + early
    found = (
        exact_wide_multipliers(requant, bounds, gain=gain, shift=shift, offset=offset, offset_below=below)
        if two_words
        else _narrow(requant, bounds, shift, offset, below, constant, gain)
    )
    if found is None:
        return None
    columns = [*found, offset + (requant.zero_point << shift)]
    return np.stack([*columns, 2 * early] if signed else columns, axis=1)


def _narrow(
    requant: Requantization,
    bounds: tuple[I64, I64],
    shift: int,
    offset: I64,
    below: I64,
    constant: Mask,
    gain: int,
) -> tuple[I64] | None:
    """M alone: one for all channels where they have one scale, if there is one."""
    shifts = np.full(len(requant.scales), shift, np.int64)
    for shared in (True, False) if len(set(requant.scales)) == 1 else (False,):
        multipliers = exact_multipliers(
            requant, bounds, gain=gain, shift=shifts, offset=offset, offset_below=below, shared=shared
        )
        if not np.any(multipliers[~constant] == 0):
            return (multipliers,)
    return None


def _groups(packed: I64, bias: I64, own: I64, group: int) -> I64:
    """The words of all groups of ``group`` channels: B and A of each channel pair before the first tap, the weights by
    pairs of taps, then each channel's own constants.

    Args:
        packed: (channel pairs, taps).
        bias: (channels,).
        own: (channels, constants of each).
        group: channels.
    """
    groups, taps = 2 * len(packed) // group, packed.shape[1]
    low, high = bias[0::2], bias[1::2]
    start = np.stack([low, 256 * high + low], axis=1).reshape(groups, group)
    halves = packed.reshape(groups, group // 2, taps // 2, 2)
    words = (halves[..., 0] & 0xFFFF) | (halves[..., 1] << 16)
    weights = words.transpose(0, 2, 1).reshape(groups, group // 2 * (taps // 2))
    return np.concatenate([start, weights, own.reshape(groups, group * own.shape[1])], axis=1).reshape(-1)


def _order(channels: int) -> Array:
    """The channels of all groups. Those that fill none are in one with the last before them; where there are none
    before, channels that are not there (-1) fill it."""
    whole = channels // _GROUP * _GROUP
    if channels == whole:
        return np.arange(channels)
    if whole:
        return np.concatenate([np.arange(whole), np.arange(channels - _GROUP, channels)])
    return np.concatenate([np.arange(channels), np.full(_GROUP - channels, -1)])


def _in_order(values: I64, order: Array) -> I64:
    """Rows of channels in that order, zeros for those that are not there."""
    found: I64 = np.where((order >= 0).reshape(-1, *[1] * (values.ndim - 1)), values[order], 0)
    return found
