# SPDX-License-Identifier: Apache-2.0
"""Import a ``.tflite`` and run all passes."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ascmcu import passes
from ascmcu.codegen.frontend import frontend_cost
from ascmcu.data import model_kinds, model_labels
from ascmcu.errors import FeatureError, ModelError
from ascmcu.features import spec as feature_specs
from ascmcu.features import streaming, wakeword
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec, Spec
from ascmcu.features.wakeword import Detection
from ascmcu.frontends import paired_states, tflite
from ascmcu.ir.graph import Graph
from ascmcu.listening.decisions import Decisions
from ascmcu.listening.window import Listening
from ascmcu.paths import PathLike

RUN_MODEL = "model.tflite"


@dataclass(frozen=True)
class Compiled:
    """A model after all passes, with what its file says beside the graph.

    Attributes:
        name: the file's name without extension, or the run's; fit for a C comment and a file name.
        sha256: of the file, 64 hexadecimal digits.
        source: the graph as imported.
        graph: the graph after all passes.
        stages: the graph after the import and after every pass, by name.
        features: the feature specification, None where the network takes tensors.
        labels: the classes that the file names, in the order of the first output's values; empty where it names none.
        labels_source: what in the file names them.
        task: what it was trained for, as the file's metadata says; empty where it does not.
        notices: what was assumed, a sentence each.
        detection: when the wake word that the network is of counts as heard; None for other networks.
        features_in_graph: the features that the file begins with, and how many values of the front end's are equal.
        listening: how it hears audio without end; None for a network of clips, and of steps that nobody feeds.
        decisions: what it decides from its scores then, if anything.
        microphone: what it hears them through, where that is not the serial port.
    """

    name: str
    sha256: str
    source: Graph
    graph: Graph
    stages: tuple[tuple[str, Graph], ...]
    features: Spec | None
    labels: tuple[str, ...]
    labels_source: str = ""
    notices: tuple[str, ...] = ()
    detection: Detection | None = None
    features_in_graph: str = ""
    listening: Listening | None = None
    decisions: Decisions | None = None
    microphone: str = ""
    task: str = ""

    def __repr__(self) -> str:
        ends = (self.source.tensors[name] for name in (self.source.inputs[0], self.source.outputs[0]))
        entry, exit_ = (f"{x.dtype.numpy}{list(x.shape)}" for x in ends)
        heard = "" if self.features is None else ", with features"
        return f"Compiled({self.name!r}: {len(self.graph.nodes)} layers, {entry} → {exit_}{heard})"


def compile_model(
    model: PathLike, *, features: PathLike | Literal[False] | None = None, states: Sequence[str] = ()
) -> Compiled:
    """Import a ``.tflite`` and run all passes.

    Args:
        model: the file, the folder of a training run, or the JSON file of a microWakeWord model. Such a file beside the
            ``.tflite`` is read too.
        features: a feature specification (name or TOML file) instead of the one in the model; ``False`` compiles
            the network without front end.
        states: ``INPUT:OUTPUT`` by name or number: inputs that take what that output gave in the step before. Where
            none is named and there are several inputs, those that are named like a state are found.

    Raises:
        ModelError: the file is not a model, or it cannot be compiled.
        FeatureError: the feature specification is invalid, or does not fit the network's input.
    """
    given, model = Path(model), model_file(Path(model))
    word = wakeword.beside(model) if given == model else wakeword.of(given)
    loaded = tflite.load(model)
    data = loaded.data
    source, notices = _with_states(loaded.graph, states)
    notices = (*notices, *_other_signatures(data, model.name))
    embedded, labels, labels_source, task = _metadata(data, source, model.name)
    if embedded is None and word is not None:
        embedded = word.features
    in_graph = (
        ""
        if loaded.front is None
        else f"features in the graph: {loaded.front.words}; {loaded.front.evidence}"
    )
    if loaded.front is not None:
        embedded, notices = loaded.front.spec, (*notices, in_graph)
    spec = embedded if features is None else _named(features)
    stages = [("import", source), *passes.run(source, rows_pushed=spec is not None)]
    _check_outputs(stages[-1][1], model.name)
    name = re.sub(r"[^\w.\-]", "_", _title(model))
    compiled = Compiled(
        name, tflite.sha256(data), source, stages[-1][1], tuple(stages), spec, labels, labels_source,
        notices, None if word is None else word.detection, in_graph, task=task,
    )  # fmt: skip
    if spec is None:
        return compiled
    if len(source.data_inputs) > 1:
        raise FeatureError(
            "a network of several inputs takes tensors, not audio",
            where=compiled.name,
            found=", ".join(source.data_inputs),
            hint="export it without features: `--features none`",
        )
    spec = _in_rows(spec, compiled)
    _check_features(compiled, spec)
    return dataclasses.replace(compiled, features=spec, notices=(*compiled.notices, *_holding_the_clip(spec)))


def _holding_the_clip(spec: Spec) -> tuple[str, ...]:
    """What features cost that need the clip's last sample for their first row."""
    fields = streaming.changes(spec)
    if not fields or not isinstance(spec, FeatureSpec):
        return ()
    held = f"the features hold the clip ({', '.join(fields)}): {frontend_cost(spec).ram_bytes:,} bytes of RAM"
    streamed = streaming.counterpart(spec)
    if streamed is None:
        return (held,)
    others = ", ".join(f'{name} = "{value}"' for name, value in fields.items())
    return (f"{held}; a network trained with {others} would need {frontend_cost(streamed).ram_bytes:,}",)


def _in_rows(spec: Spec, compiled: Compiled) -> Spec:
    """The spec; samples are cut into the rows that the network takes, and into the steps of one with states."""
    rows = compiled.graph.tensors[compiled.graph.inputs[0]].rows
    if isinstance(spec, PcmSpec):
        return spec if spec.clip_samples % rows else spec.replace(rows=rows)
    return spec.in_steps(rows) if compiled.graph.states and spec.can_continue else spec


def _with_states(source: Graph, states: Sequence[str]) -> tuple[Graph, tuple[str, ...]]:
    """The network with the states that were named, or else found, and what is to be said of the found ones."""
    several = len(source.data_inputs) > 1
    pairs = (
        paired_states.chosen(source, states) if states else paired_states.inferred(source) if several else ()
    )
    graph = paired_states.with_states(source, pairs)
    told = [
        f"{entry} is state: it takes what output {exit_} gave in the step before"
        for entry, exit_ in (() if states else pairs)
    ]
    if len(graph.data_inputs) > 1:
        told.append(
            f"the network has {len(graph.data_inputs)} inputs: {', '.join(graph.data_inputs)}; "
            "`--state INPUT:OUTPUT` names one that takes what an output gave in the step before"
        )
    return graph, tuple(told)


def _other_signatures(data: bytes, name: str) -> tuple[str, ...]:
    """What is to be said of a file with several networks."""
    found = tflite.signatures(data, name)
    if len(found) < 2:
        return ()
    others = ", ".join(found[1:])
    return (f"the file has {len(found)} signatures: {found[0]} is compiled, {others} not",)


def _named(features: PathLike | Literal[False]) -> Spec | None:
    return None if features is False else feature_specs.load(str(features))


def model_file(path: Path) -> Path:
    """The ``.tflite`` that is meant: of a training run's folder its model, of a wake word's description what it names.

    Raises:
        ModelError: a folder without one, or a model in another form, with the step that converts it.
    """
    if path.is_dir():
        inside = path / RUN_MODEL
        if not inside.is_file():
            raise ModelError(
                "the folder holds no model",
                where=str(path),
                expected=f"{RUN_MODEL}, as `ascmcu train` writes it",
                hint="name the .tflite file itself",
            )
        return inside
    if path.suffix.lower() == ".json" and path.is_file():
        return wakeword.load(path).model
    if path.is_file():
        model_kinds.refuse_others(path)
    return path


def _title(model: Path) -> str:
    """A run's name for its model; other files are called as they are."""
    is_run = model.name == RUN_MODEL and (model.parent / "recipe.json").is_file()
    return (model.resolve().parent.name if is_run else "") or model.stem


def _check_outputs(graph: Graph, where: str) -> None:
    """What the passes have worked out beforehand needs no firmware."""
    for name in graph.data_outputs:
        tensor = graph.tensors[name]
        if tensor.is_const:
            raise ModelError(
                "an output does not depend on the input",
                where=f"{where}: {tensor.describe()}",
                expected="a tensor that an operator computes from the input",
                found="a constant",
                hint="leave it out of the model's outputs",
            )


def _metadata(data: bytes, source: Graph, name: str) -> tuple[Spec | None, tuple[str, ...], str, str]:
    """The feature specification and the class names that the file carries, what in it names the classes, the task."""
    buffers = tflite.metadata(data, name)
    values = source.tensors[source.outputs[0]].shape[-1:] or (1,)
    named, file = model_labels.in_file(data, buffers.get(model_labels.BUFFER), values[0])
    origin = f"the model's label file {file}" if file else ""
    raw = buffers.get("ascmcu")
    if raw is None:
        return None, named, origin, ""
    try:
        content = json.loads(raw)
        labels = tuple(str(label) for label in content["labels"])
        features, task = content["features"], str(content.get("task", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("the model's ascmcu metadata is unreadable", where=name, found=error) from error
    spec = None if features is None else feature_specs.from_dict(features)
    return (spec, labels, "the model's metadata", task) if labels else (spec, named, origin, task)


def _check_features(compiled: Compiled, spec: Spec) -> None:
    """Refuse features that the network does not take.

    Raises:
        FeatureError: it does not; the hint names shipped specifications that it takes.
    """
    if _takes(compiled, spec):
        return
    time, mel, channels = spec.shape
    shipped = ((name, feature_specs.load(name)) for name in feature_specs.names())
    fitting = [name for name, other in shipped if _takes(compiled, _in_rows(other, compiled))]
    hint = f"of those that ascmcu ships, by their shape: {', '.join(fitting)}" if fitting else None
    raise FeatureError(
        "the features do not have the shape of the network's input",
        where=compiled.name,
        expected=f"input {list(spec.input_shape)} for {time} frames of {mel} bands and {channels} channel(s)",
        found=f"input {list(compiled.source.tensors[compiled.source.inputs[0]].shape)}",
        hint=hint or "check clip length, hop_length, n_mels, deltas and layout",
    )


def _takes(compiled: Compiled, spec: Spec) -> bool:
    """Whether the network takes the features as they are, or as a vector or without a channel axis: the same bytes."""
    shape = compiled.source.tensors[compiled.source.inputs[0]].shape
    if shape == spec.input_shape:
        return True
    time, mel, channels = spec.shape
    pushed = compiled.graph.tensors[compiled.graph.inputs[0]]
    return (
        math.prod(shape) == math.prod(spec.input_shape)
        and spec.layout == "time_mel"
        and pushed.rows == time
        and pushed.elements == time * mel * channels
    )
