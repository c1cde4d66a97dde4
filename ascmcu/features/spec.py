# SPDX-License-Identifier: Apache-2.0
"""``FeatureSpec``: the description of an audio front end, shared by training, export and firmware.

The order of the stages is fixed; each field says how one of them is done::

    PCM → channels → pre-emphasis → frames → window → FFT → magnitude or power → mel → log or PCEN → top_db → DCT → crop
        → normalization (before_deltas) → deltas → normalization (after_deltas) → stacked frames → features
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascmcu import tables
from ascmcu.errors import FeatureError, near
from ascmcu.features import checks
from ascmcu.features.base import ClipSpec
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcmspec import PcmSpec

SPECS = Path(__file__).resolve().parent / "specs"


@dataclass(frozen=True)
class FeatureSpec(ClipSpec):
    """How PCM becomes the network's input. Immutable; every constructor validates.

    Fields, in the order of the stages:
        sample_rate_hz: the rate the front end works at; recordings of another rate are resampled to it.
        clip_samples: sample frames of one clip at ``sample_rate_hz``.
        channels: ``mono`` | ``stereo`` (left, right) | ``mid_side`` ((l + r) / 2, (l - r) / 2), or ``3`` to ``8``:
            so many microphones, in the order of the recording's channels.
        resampler: how a host brings recordings to ``sample_rate_hz``: soxr with a quality, or as ``torchaudio`` does.
        amplitude: samples of ``full_scale`` are 1; or they count as they are, ±32768 (``int16``, Kaldi); or the largest
            sample of the clip is 1 (``clip_max``, TensorFlow's speech_commands and MLPerf). A clip without a positive
            sample stays as it is.
        pre_emphasis, pre_emphasis_scope, pre_emphasis_before: c in x[t] - c x[t - 1]; 0 for none. Over the ``clip`` the
            sample before the first is 0, or the last one of the clip (``clip_end``: NumPy's roll, Edge Impulse; the
            device then holds the clip); within each ``frame`` the sample before its first equals it (Kaldi).
        remove_dc: subtract the mean of each frame's window from it, before anything else (Kaldi).
        n_fft, win_length, hop_length: in samples; any length of FFT is possible. A window shorter than ``n_fft`` is
            centred in it, or stands at its ``start`` (``window_place``, TensorFlow): then frame t ends with its
            window, and only ``center = false`` is possible.
        frame_length: count the frames by so many samples, of which the first ``n_fft`` are heard (Edge Impulse); 0 to
            count them by what is heard.
        window, window_symmetric: a name from ``scipy.signal.get_window``, such as ``hann``, ``boxcar``, ``kaiser:8.6``
            (a parameter behind a colon), or ``povey``. Windows are periodic, or symmetric.
        center, pad_mode: frame t is centred on sample t × hop, the clip's ends padded by ``reflect`` or zeros
            (``constant``); without ``center`` frame t begins at sample t × hop.
        snip_edges: only frames that lie in the clip. False (Kaldi, without ``center``): frame t lies around sample
            (t + ½) × hop, and the clip is mirrored at its ends, its first and last sample included.
        power: 1 for the magnitude, 2 for the power spectrum.
        power_norm: divide the power by ``n_fft`` or ``win_length`` (a magnitude by its root).
        filters: ``mel``, or ``none``: the bins of the FFT themselves, the lowest ``n_mels`` of them.
        mel_corners: corners of the filters where they are (``exact``), or at the FFT ``bin`` below
            (n_fft + 1) f / sample_rate (speechpy, Edge Impulse).
        n_mels, fmin_hz, fmax_hz, mel_scale, mel_norm: triangular filters as in ``librosa.filters.mel``.
        mel_triangles: their sides are straight over frequency (``hz``, librosa) or over ``mel`` (TensorFlow).
        log, log_offset, log_floor: log(max(mel + offset, floor)); ``db`` is 10 log10 of a power and 20 log10
            of a magnitude; ``none`` leaves the logarithm out; ``pcen`` has an automatic gain for each band instead.
        pcen_scale, pcen_seconds, pcen_gain, pcen_bias, pcen_power, pcen_eps: ``librosa.pcen`` of mel × scale, with its
            names: M[t] = (1 - b) M[t - 1] + b mel[t], where b follows from the time constant and M[-1] = 1; then
            (mel / (eps + M)^gain + bias)^power - bias^power.
        db_reference: ``unit``, or ``clip_max``: the clip's largest value becomes 0 dB.
        top_db, top_db_mode, top_db_peak: with ``db``, values are raised to at least peak - ``top_db``, where
            peak is the largest value of the ``clip`` (librosa), of the frames so far (``running``), or the
            constant ``top_db_peak`` (``fixed``). ``None``: no limit.
        n_mfcc: coefficients kept of a DCT-II over the bands, or ``None``.
        dct_norm: ``ortho``, or ``tensorflow``: coefficient 0 is √2 larger.
        mfcc_first: coefficient 0 is the DCT's, or the logarithm of an energy: the sum of the power ``spectrum``
            (speechpy, Edge Impulse), or of the squares of the ``frame`` before pre-emphasis and window (Kaldi).
        lifter: L in the factor 1 + L / 2 sin(π n / L) of coefficient n (Kaldi); 0 for none.
        crop_frames: frames dropped at either end of the clip.
        deltas: highest order of regression coefficients appended as channels: [x, Δx, ΔΔx], each with all
            audio channels.
        delta_width: frames in one regression, odd.
        delta_edges: ``valid`` drops the frames that have no full neighbourhood (ΔΔ is Δ of Δ);
            ``replicate`` repeats the first and last (ΔΔ is Δ of Δ); ``nearest`` and ``interp`` are the modes
            of ``librosa.feature.delta``.
        normalization: ``none``; ``mean_std``: (x - mean) / std by band and channel; ``range``: ``range_low``…
            ``range_high`` to 0…1, cut off there with ``range_clip``, and rounded to multiples of 1 / ``range_steps``
            (below 1) where that is not 0; ``clip_zscore`` and ``clip_minmax`` take the figures from the clip itself,
            ``window_zscore`` from the ``normalization_window`` rows around each row, the clip mirrored at its ends
            (speechpy's cmvnw, Edge Impulse).
        normalization_stage: before the deltas (which then inherit the scale) or after them, on all channels.
        normalization_scope: a clip's figures are taken per ``channel`` or ``joint``\\ ly.
        normalization_ddof: 1 for an unbiased standard deviation in ``clip_zscore``.
        mean, std: one row per channel of the stage, one figure per band; empty until fitted.
        stack_frames, stack_step: so many frames after each other make one row of the network, band after band, and
            the next row begins ``stack_step`` frames later (0: after the last of them). 1 for rows as they are.
        layout: the network's input is (1, time, mel, channel) or (1, mel, time, channel).
        continues: as in ``ClipSpec``; only where a row needs nothing but its own frame and those before it. An export
            sets it for a network with states.
    """

    sample_rate_hz: int = 16000
    clip_samples: int = 16000
    channels: str = "mono"
    resampler: str = "soxr_hq"
    amplitude: str = "full_scale"
    pre_emphasis: float = 0.0
    pre_emphasis_scope: str = "clip"
    pre_emphasis_before: str = "zero"
    remove_dc: bool = False
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 512
    frame_length: int = 0
    window: str = "hann"
    window_symmetric: bool = False
    window_place: str = "center"
    center: bool = True
    pad_mode: str = "reflect"
    snip_edges: bool = True
    power: int = 2
    power_norm: str = "none"
    filters: str = "mel"
    n_mels: int = 64
    fmin_hz: float = 0.0
    fmax_hz: float = 8000.0
    mel_scale: str = "slaney"
    mel_norm: str = "slaney"
    mel_triangles: str = "hz"
    mel_corners: str = "exact"
    log: str = "ln"
    log_offset: float = 1e-8
    log_floor: float = 0.0
    pcen_scale: float = 2147483648.0
    pcen_seconds: float = 0.4
    pcen_gain: float = 0.98
    pcen_bias: float = 2.0
    pcen_power: float = 0.5
    pcen_eps: float = 1e-6
    db_reference: str = "unit"
    top_db: float | None = None
    top_db_mode: str = "clip"
    top_db_peak: float = 0.0
    n_mfcc: int | None = None
    dct_norm: str = "ortho"
    mfcc_first: str = "dct"
    lifter: float = 0.0
    crop_frames: int = 0
    deltas: int = 0
    delta_width: int = 5
    delta_edges: str = "valid"
    normalization: str = "none"
    normalization_stage: str = "after_deltas"
    normalization_scope: str = "channel"
    normalization_ddof: int = 0
    normalization_window: int = 101
    range_low: float = 0.0
    range_high: float = 1.0
    range_clip: bool = False
    range_steps: int = 0
    mean: tuple[tuple[float, ...], ...] = ()
    std: tuple[tuple[float, ...], ...] = ()
    stack_frames: int = 1
    stack_step: int = 0
    layout: str = "time_mel"
    continues: bool = False

    def __post_init__(self) -> None:
        checks.check(self)

    # ---- what follows from the fields

    @property
    def bands(self) -> int:
        """Values per frame and channel: mel bands, or MFCCs."""
        return self.n_mfcc or self.n_mels

    @property
    def mel_values(self) -> int:
        """Values of a frame and channel that the logarithm sees: the filters, and the energy where it counts."""
        return self.n_mels + (0 if self.mfcc_first == "dct" else 1)

    @property
    def bins(self) -> int:
        """Bins of the spectrum, from 0 to half the sample rate."""
        return self.n_fft // 2 + 1

    @property
    def frames(self) -> int:
        """STFT frames of one clip, before cropping and deltas."""
        if self.center:
            # librosa and torch pad n_fft // 2 samples at either end: an odd frame finds one less than its length.
            return 1 + (self.clip_samples - self.n_fft % 2) // self.hop_length
        if not self.snip_edges:
            return (self.clip_samples + self.hop_length // 2) // self.hop_length
        return 1 + (self.clip_samples - self.frame_samples) // self.hop_length

    @property
    def lead(self) -> int:
        """Samples by which frame t begins before sample t × hop."""
        if self.center:
            return self.n_fft // 2
        return 0 if self.snip_edges else self.span // 2 - self.hop_length // 2

    @property
    def frame_samples(self) -> int:
        """Samples by which frames that are not centred are counted; see ``ClipSpec``."""
        return max(self.span, self.frame_length)

    @property
    def can_continue(self) -> bool:
        """See ``ClipSpec``."""
        own = not self.center and self.snip_edges and not self.crop_frames and not self.needs_whole_clip
        return own and not self.deltas and self.stack_frames == 1 and self.layout == "time_mel"

    @property
    def span(self) -> int:
        """Samples from the first to the last of a frame."""
        return self.win_length if self.window_place == "start" else self.n_fft

    @property
    def is_logarithm(self) -> bool:
        """Whether the features are logarithms, up to a normalization."""
        return self.log in ("ln", "log10", "db")

    @property
    def static_frames(self) -> int:
        """Frames that the deltas see."""
        return self.frames - 2 * self.crop_frames

    @property
    def rows(self) -> int:
        """Rows along time, before they are stacked."""
        lost = 2 * (self.delta_width // 2) * self.deltas if self.delta_edges == "valid" else 0
        return self.static_frames - lost

    @property
    def output_channels(self) -> int:
        """Feature channels: audio channels, their deltas, their delta-deltas."""
        return self.audio_channels * (1 + self.deltas)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time rows, bands, channels) of one clip's features."""
        stacked = 1 + (self.rows - self.stack_frames) // (self.stack_step or self.stack_frames)
        return (stacked, self.stack_frames * self.bands, self.output_channels)

    @property
    def normalized_channels(self) -> int:
        """Channels that ``mean`` and ``std`` describe."""
        return self.audio_channels if self.normalization_stage == "before_deltas" else self.output_channels

    @property
    def is_fitted(self) -> bool:
        """Whether all constants are there (``mean_std`` needs its ``mean`` and ``std``)."""
        return self.normalization != "mean_std" or bool(self.mean)

    @property
    def takes_clip_peak(self) -> bool:
        """Whether decibels refer to the largest of all frames, those included that are dropped."""
        return self.db_reference == "clip_max" or (self.top_db is not None and self.top_db_mode == "clip")

    @property
    def needs_whole_clip(self) -> bool:
        """Whether the first row depends on the last sample: the device must then hold every frame."""
        return (
            self.normalization in ("clip_zscore", "clip_minmax", "window_zscore")
            or self.db_reference == "clip_max"
            or self.amplitude == "clip_max"
            or self.wraps
            or (self.top_db is not None and self.top_db_mode == "clip")
        )

    @property
    def wraps(self) -> bool:
        """Whether the clip's first sample is emphasised by its last one."""
        return self.pre_emphasis > 0 and self.pre_emphasis_before == "clip_end"

    # ---- other specs

    def unnormalized(self) -> FeatureSpec:
        """The same features before any normalization: what ``mean`` and ``std`` are fitted on."""
        return self.replace(normalization="none", mean=(), std=(), range_clip=False, range_steps=0)

    # ---- storage

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready fields; ``from_dict`` restores an equal spec."""
        fields = dataclasses.asdict(self)
        for name in ("mean", "std"):
            fields[name] = [list(row) for row in fields[name]]
        return fields

    def to_toml(self) -> str:
        """The fields that differ from the defaults, and the rate and length always, as TOML; ``load`` reads it."""
        always = ("sample_rate_hz", "clip_samples", "n_fft", "win_length", "hop_length", "fmax_hz")
        lines = [
            f"{field.name} = {_toml_value(getattr(self, field.name))}"
            for field in dataclasses.fields(self)
            if field.name in always or getattr(self, field.name) != field.default
        ]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], where: str | None = None) -> FeatureSpec:
        """A spec from plain fields; absent ones take their defaults.

        Args:
            fields: by name, as ``to_dict`` gives them. ``duration_s`` may stand for ``clip_samples``; ``fmax_hz`` and
                ``win_length`` follow from the sample rate and ``n_fft`` when absent.
            where: the file, for messages.

        Raises:
            FeatureError: an unknown field, a value of the wrong type or out of range; ``where`` is named.
        """
        if not isinstance(fields, Mapping):
            raise FeatureError("expected a table", where=where, found=repr(fields))
        try:
            return tables.build(cls, _derive(dict(fields)), "", FeatureError)
        except FeatureError as error:
            error.where = ", ".join(place for place in (where, error.where) if place) or None
            raise


Spec = FeatureSpec | MicroSpec | PcmSpec
# What networks are trained on, and quantized with.
Learned = FeatureSpec | MicroSpec | PcmSpec

# Specifications by what ``frontend`` says; without it, it is a ``FeatureSpec``.
_KINDS: dict[str, type[MicroSpec] | type[PcmSpec]] = {"micro": MicroSpec, "pcm": PcmSpec}


# Other names that users know specifications by: TensorFlow's name of the micro front end's library.
ALIASES = {"microfrontend": "microwakeword"}


def names() -> tuple[str, ...]:
    """The specs that ship with the package."""
    return tuple(sorted(path.stem for path in SPECS.glob("*.toml")))


def from_dict(fields: Mapping[str, Any], where: str | None = None) -> Spec:
    """A specification from plain fields: of the kind that ``frontend`` names, else a ``FeatureSpec``.

    Raises:
        FeatureError: an unknown field, a value of the wrong type or out of range; ``where`` is named.
    """
    if not isinstance(fields, Mapping):
        raise FeatureError("expected a table", where=where, found=repr(fields))
    try:
        return _kind(fields).from_dict(fields)
    except FeatureError as error:
        error.where = ", ".join(place for place in (where, error.where) if place) or None
        raise


def _kind(fields: Mapping[str, Any]) -> type[FeatureSpec] | type[MicroSpec] | type[PcmSpec]:
    if "frontend" not in fields:
        return FeatureSpec
    named = fields["frontend"]
    if not isinstance(named, str) or named not in _KINDS:
        raise FeatureError(
            "no such front end", where="frontend", expected=" | ".join(_KINDS), found=repr(named)
        )
    return _KINDS[named]


def load(name_or_path: str | Path) -> Spec:
    """A shipped spec by name, or a TOML file by path.

    Raises:
        FeatureError: neither; near matches are suggested.
    """
    text = ALIASES.get(str(name_or_path), str(name_or_path))
    path = SPECS / f"{text}.toml" if text in names() else Path(text)
    if path.suffix == ".toml" or path.exists():
        fields = _fields(path)
        if not fields:
            raise FeatureError("the feature specification is empty", where=str(path))
        return from_dict(fields, where=str(path))
    raise FeatureError(
        "no such feature specification",
        where=text,
        expected="a TOML file, or one of " + ", ".join(names()),
        hint=near(text, names(), 3),
    )


def _fields(path: Path) -> dict[str, Any]:
    try:
        return tables.load(path, FeatureError)
    except FeatureError as error:
        if path.is_file() and path.read_bytes()[:1] == b"{":
            error.hint = "this is JSON; `ascmcu features show NAME --toml` prints a specification as a file"
        raise


def load_log_mel(name_or_path: str | Path) -> FeatureSpec:
    """As ``load``, for what works with log-mel features alone.

    Raises:
        FeatureError: as ``load``, or a specification of another front end.
    """
    return log_mel(load(name_or_path), str(name_or_path))


def log_mel(spec: Spec, where: str) -> FeatureSpec:
    """The spec, if it is one of log-mel features.

    Raises:
        FeatureError: it is not.
    """
    if isinstance(spec, FeatureSpec):
        return spec
    raise FeatureError("this needs log-mel features", where=where, found=f'frontend = "{spec.frontend}"')


def learned(spec: Spec, where: str) -> Learned:
    """The spec as networks are trained on it; one of integers in the unit of training, which a network's own scale
    quantizes."""
    return spec.replace(mapping="scaled") if isinstance(spec, MicroSpec) else spec


def to_toml(spec: Spec) -> str:
    """A specification as a file that ``load`` reads."""
    if isinstance(spec, FeatureSpec):
        return spec.to_toml()
    fields = spec.to_dict().items()
    return "".join(f"{name} = {_toml_value(value)}\n" for name, value in fields if value is not None)


# ---- building from plain fields


def _toml_value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml_value(each) for each in value) + "]"
    return json.dumps(value)


def _derive(fields: dict[str, Any]) -> dict[str, Any]:
    rate = fields.get("sample_rate_hz", FeatureSpec.sample_rate_hz)
    duration = fields.pop("duration_s", None)
    if duration is not None:
        if "clip_samples" in fields:
            raise FeatureError(
                "clip_samples and duration_s exclude each other", where="duration_s", hint="give one of them"
            )
        if not _is_number(duration) or not _is_number(rate) or not math.isfinite(duration * rate):
            raise FeatureError("a duration is a number of seconds", where="duration_s", found=duration)
        fields["clip_samples"] = round(duration * rate)
    if _is_number(rate):
        fields.setdefault("fmax_hz", rate / 2)
    if "n_fft" in fields:
        fields.setdefault("win_length", fields["n_fft"])
    if fields.get("filters") == "none" and isinstance(fields.get("n_fft"), int):
        fields.setdefault("n_mels", fields["n_fft"] // 2 + 1)
    return fields


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
