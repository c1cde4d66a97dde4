# SPDX-License-Identifier: Apache-2.0
"""Import a TensorFlow Lite flatbuffer as a Graph; damaged files give a DamagedError."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import ascmcu.ops
from ascmcu.errors import ModelError
from ascmcu.frontends import ingraph, survey
from ascmcu.frontends.flatbuffer import buffer_of, corruption, indices, root
from ascmcu.frontends.importer import Importer
from ascmcu.ir.graph import Graph
from ascmcu.ir.verify import verify

assert ascmcu.ops is not None  # importing it registers the ops


@dataclass(frozen=True)
class Loaded:
    """A ``.tflite`` file.

    Attributes:
        graph: the network; features of audio that the file begins with are not in it.
        data: the file's bytes.
        front: those features, and the specification that is equal to them; ``None`` where the file begins with the
            network.
    """

    graph: Graph
    data: bytes
    front: ingraph.Front | None


def load(path: Path) -> Loaded:
    """Read a ``.tflite`` file.

    Raises:
        ModelError: the file cannot be read or is not a model that can be compiled.
    """
    data = _read(path)
    front = front_end(data, path.name)
    if front is not None and front.alone:
        raise ModelError(
            "the file holds a front end and no network",
            where=path.name,
            found=front.words,
            hint=f"export the network with the features {front.known_as}, which are equal ({front.evidence})",
        )
    return Loaded(parse(data, path.name, front), data, front)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError("the model cannot be read", where=str(path), found=error.strerror) from error


def front_end(data: bytes, name: str) -> ingraph.Front | None:
    """The features of audio that a flatbuffer begins with.

    Raises:
        ModelError: it is no model, is corrupt, or begins with features that no specification is equal to.
    """
    model = root(data, name)
    with corruption(name):
        return ingraph.find(model, name)


def parse(data: bytes, name: str, front: ingraph.Front | None = None) -> Graph:
    """The graph of a flatbuffer, without the features that it begins with.

    Raises:
        ModelError: it is no model, is corrupt, or holds something that cannot be compiled.
    """
    model = root(data, name)
    with corruption(name):
        missing = survey.survey(model, frozenset() if front is None else front.operators).unsupported
        if missing:
            raise survey.refusal(missing, name)
        importer = Importer(model, data, name)
        graph = importer.run() if front is None else importer.run_behind(front.tensor, front.operators)
    return verify(graph, "import")


def read_survey(path: Path) -> tuple[survey.Survey, bytes]:
    """What a ``.tflite`` file consists of, compilable or not, and the file's bytes.

    Raises:
        ModelError: the file cannot be read, or is no TensorFlow Lite model (``DamagedError``).
    """
    data = _read(path)
    model = root(data, path.name)
    with corruption(path.name):
        return survey.survey(model), data


def signatures(data: bytes, name: str) -> tuple[str, ...]:
    """The names under which the file's networks can be called, that of the first subgraph first."""
    model = root(data, name)
    with corruption(name):
        return tuple(survey.signatures(model))


def metadata(data: bytes, name: str) -> dict[str, bytes]:
    """The model's metadata buffers by name."""
    model = root(data, name)
    with corruption(name):
        found = {}
        for i in indices(model.MetadataLength(), data):
            entry = model.Metadata(i)
            key = (entry.Name() or b"").decode("utf-8", "replace")
            content = buffer_of(model, entry.Buffer(), name)
            found[key] = b"" if content is None else content.tobytes()
        return found


def sha256(data: bytes) -> str:
    """The model's identity: SHA-256 over the whole file."""
    return hashlib.sha256(data).hexdigest()
