# SPDX-License-Identifier: Apache-2.0
"""A compiled network that listens: its front end goes on from hop to hop, and its plans keep what windows share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from ascmcu.api.choices import Candidate, Schedule, Variant, better
from ascmcu.api.compiling import Compiled
from ascmcu.codegen.microphone import KINDS
from ascmcu.errors import InputError
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify
from ascmcu.kernels import DEFAULT_TUNING, Target
from ascmcu.listening import window
from ascmcu.listening.decisions import DecisionSpec, integers, load
from ascmcu.listening.sharing import indivisible
from ascmcu.listening.stepping import stepping, why_nothing, worth_keeping
from ascmcu.listening.window import Listening
from ascmcu.ops.conv2d_max_pool import Conv2DMaxPool
from ascmcu.ops.float_softmax import FloatSoftmax
from ascmcu.ops.logistic import Logistic
from ascmcu.ops.softmax import Softmax
from ascmcu.ops.wide_softmax import WideSoftmax
from ascmcu.passes.fuse_max_pool import parted
from ascmcu.paths import PathLike
from ascmcu.schedule import LAYERS, ROWS, make_plan, peak_bytes


def listening(
    compiled: Compiled,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    decisions: PathLike | DecisionSpec | None = None,
) -> Compiled:
    """The compiled network for audio without end.

    Args:
        compiled: with features.
        window_s: seconds that the network hears at once; the length of its clips.
        hop_s: seconds from the start of one window to that of the next. A network with states needs neither.
        decisions: what is decided from the scores: a specification, or its TOML file.

    Raises:
        InputError: no features, a window or hop that the network cannot have, or decisions that are none.
        FeatureError: a front end whose rows depend on the clip that they are in.
    """
    spec = compiled.features
    if spec is None:
        raise InputError(
            "only a network with a front end listens", where="--listen", hint="add --features SPEC.toml"
        )
    if compiled.graph.states:
        rows = compiled.graph.tensors[compiled.graph.inputs[0]].rows
        if not spec.continues:
            raise InputError("the front end does not go on from step to step", where="--listen")
        heard = window.of_steps(spec, rows, window_s, hop_s)
        return _deciding(dataclasses.replace(compiled, listening=heard), heard, decisions)
    heard = window.of_windows(spec, compiled.graph, window_s, hop_s)
    memory = window.memory_of(spec)
    notices = [
        f"the front end keeps {memory} from window to window: scores are those of its stream, not of a clip"
    ] * bool(memory)
    notices += filter(
        None,
        (
            window.other_length(heard, window_s),
            window.beyond_ends(spec),
            why_nothing(compiled.graph, heard.hop_rows, spec.hop_length / spec.sample_rate_hz),
        ),
    )
    made = dataclasses.replace(
        compiled,
        features=window.of_stream(spec).in_steps(heard.hop_rows),
        listening=heard,
        notices=(*compiled.notices, *notices),
    )
    return _deciding(made, heard, decisions)


def check_gate(compiled: Compiled, output: str) -> None:
    """Refuse a firmware whose gate nobody opens.

    Raises:
        InputError: a gate by another network, and no library.
    """
    decisions = compiled.decisions
    if decisions is not None and decisions.gate_by_model and output == "firmware":
        raise InputError(
            "a firmware has one network, so that nobody opens a gate by another one",
            where="--decisions, gate.model",
            expected="--format library, with which your program runs both networks",
            found="a firmware",
        )


def with_microphone(compiled: Compiled, microphone: str, output: str) -> Compiled:
    """The compiled network for a firmware with a microphone.

    Raises:
        InputError: it does not listen or decide, a library is wanted, or there is no such microphone.
    """
    if microphone not in KINDS:
        raise InputError(
            "no such microphone", where="--microphone", expected=", ".join(KINDS), found=microphone
        )
    if output != "firmware":
        raise InputError(
            "a microphone is for a firmware: with a library, your own code reads it",
            where="--microphone",
            expected="no --format, which builds a firmware",
            found=f"--format {output}",
            hint="leave --format out, or --microphone",
        )
    missing = [
        option
        for option, given in (("--listen", compiled.listening), ("--decisions FILE.toml", compiled.decisions))
        if given is None
    ]
    if missing:
        raise InputError(
            "a microphone is for a firmware that listens and decides",
            where="--microphone",
            hint=f"add {' and '.join(missing)}",
        )
    return dataclasses.replace(compiled, microphone=microphone)


def _deciding(compiled: Compiled, heard: Listening, given: PathLike | DecisionSpec | None) -> Compiled:
    if given is None:
        return compiled
    assert compiled.features is not None
    spec = given if isinstance(given, DecisionSpec) else load(Path(given))
    output = compiled.source.tensors[compiled.source.data_outputs[0]]
    made = integers(
        spec,
        labels=compiled.labels,
        classes=output.elements,
        dtype=str(output.dtype.numpy),
        scale=1.0 if output.quant is None else output.scale,
        zero_point=output.zero_point,
        hop_s=heard.hop_s,
        hop_values=heard.hop_samples * compiled.features.audio_channels,
        warmup_hops=heard.warmup_hops,
        highest=1.0 if _gives_probabilities(compiled.source) else None,
        file="" if isinstance(given, DecisionSpec) else str(given),
    )
    return dataclasses.replace(compiled, decisions=made)


def _gives_probabilities(graph: Graph) -> bool:
    """Whether no score is above 1, whatever the type of the output holds."""
    producer = next((n for n in graph.nodes if n.output == graph.data_outputs[0]), None)
    return producer is not None and isinstance(producer.op, FloatSoftmax | Logistic | Softmax | WideSoftmax)


def candidates(compiled: Compiled, schedule: Schedule, target: Target, ram_bytes: int) -> list[Candidate]:
    """The plans of a network that hears windows, best first: one that keeps rows of as many tensors as fit, and one
    that computes every window anew.

    Args:
        compiled: from ``listening``.
        schedule: as in ``choices.candidates``.
        target: what cycles are predicted for.
        ram_bytes: what activations may take.
    """
    assert compiled.listening is not None
    tuning = dataclasses.replace(DEFAULT_TUNING, target=target)
    modes = [mode for mode in (LAYERS, ROWS) if schedule in ("auto", mode)]
    hop = compiled.listening.hop_rows
    anew = _variant("listen", compiled.graph, hop, ())
    found = [Candidate(anew, make_plan(anew.graph, mode, tuning)) for mode in modes]
    graph = _shareable(compiled.graph, hop)
    for keep in _prefixes(worth_keeping(graph, hop)):
        variant = _variant("listen-shared", graph, hop, keep)
        fitting = [mode for mode in modes if peak_bytes(variant.graph, mode, tuning) <= ram_bytes]
        if fitting:
            found += [Candidate(variant, make_plan(variant.graph, mode, tuning)) for mode in fitting]
            break
    return better(found)


def _shareable(graph: Graph, hop_rows: int) -> Graph:
    """The graph with convolution and maximum apart where windows share rows of the one and not of the other."""
    while True:
        found = indivisible(graph, hop_rows)
        if found is None or not isinstance(found[0].op, Conv2DMaxPool):
            return graph
        graph = verify(parted(graph, found[0]), "listen")


def unkept(compiled: Compiled, kept: Sequence[str]) -> tuple[str, ...]:
    """A sentence where the chosen plan computes each window anew although windows share rows.

    Args:
        compiled: the network.
        kept: the tensors whose rows the plan keeps.
    """
    heard = compiled.listening
    if heard is None or heard.steps or kept or not worth_keeping(compiled.graph, heard.hop_rows):
        return ()
    return (
        "each window is computed anew: the rows that windows share do not fit into RAM, or keeping them is not "
        "predicted to be faster",
    )


def _prefixes(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The first tensors, from all of them on: a network's first maps hold most of its work."""
    return (names[:count] for count in range(len(names), 0, -1))


def _variant(name: str, graph: Graph, hop_rows: int, keep: Sequence[str]) -> Variant:
    made = verify(stepping(graph, hop_rows, keep), name)
    return Variant(name, made, tuple(range(len(graph.tensors[graph.inputs[0]].shape))))
