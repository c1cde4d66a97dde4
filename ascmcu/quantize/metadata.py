# SPDX-License-Identifier: Apache-2.0
"""The ``ascmcu`` metadata of a ``.tflite``: its feature specification, its labels, and what it was trained for.

TensorFlow Lite's schema keeps named buffers beside the graph (``Model.metadata``); interpreters skip them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from ascmcu.errors import ModelError
from ascmcu.features import spec as specs
from ascmcu.features.spec import Learned

NAME = "ascmcu"
VERSION = 1


def embedded(model: bytes, features: Learned | None, labels: Sequence[str], task: str = "") -> bytes:
    """The model with this metadata; what it had under the name is replaced.

    Args:
        task: what it was trained for, as a recipe's ``[training]`` has it; empty where that is not known.

    Raises:
        ModelError: the bytes are no ``.tflite``.
    """
    spec = None if features is None else features.to_dict()
    content: dict[str, Any] = {"version": VERSION, "features": spec, "labels": list(labels)}
    content |= {"task": task} if task else {}
    tree = _parse(model)
    buffer = schema.BufferT()
    buffer.data = list(json.dumps(content, separators=(",", ":")).encode())
    tree.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = NAME
    entry.buffer = len(tree.buffers) - 1
    tree.metadata = [other for other in tree.metadata or [] if _name(other) != NAME] + [entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))


def read(model: bytes) -> tuple[Learned | None, tuple[str, ...]] | None:
    """The specification and labels in a model; None without them.

    Raises:
        ModelError: the bytes are no ``.tflite``, or the metadata is of another version.
        FeatureError: the specification cannot be.
    """
    content = _content(model)
    if content is None:
        return None
    features = content["features"]
    spec = None if features is None else specs.learned(specs.from_dict(features), NAME)
    return spec, tuple(content["labels"])


def task(model: bytes) -> str:
    """What the model was trained for; empty where it does not say.

    Raises:
        ModelError: the bytes are no ``.tflite``, or the metadata is of another version.
    """
    return str((_content(model) or {}).get("task", ""))


def _content(model: bytes) -> dict[str, Any] | None:
    raw = buffer(model, NAME)
    if raw is None:
        return None
    content: dict[str, Any] = json.loads(raw)
    if content.get("version") != VERSION:
        raise ModelError(
            "the model's metadata is of another version", expected=VERSION, found=content.get("version")
        )
    return content


def buffer(model: bytes, name: str) -> bytes | None:
    """A metadata buffer of the model; None without it.

    Raises:
        ModelError: the bytes are no ``.tflite``.
    """
    tree = _parse(model)
    found = [tree.buffers[entry.buffer].data for entry in tree.metadata or [] if _name(entry) == name]
    return None if not found or found[0] is None else bytes(found[0])


def _parse(model: bytes) -> schema.ModelT:
    if model[4:8] != b"TFL3":
        raise ModelError("not a .tflite file", expected="file identifier TFL3", found=repr(model[4:8]))
    return object_tree(model)


def object_tree(model: bytes) -> schema.ModelT:
    """The flatbuffer as objects, with buffers that lie behind it in the file (schema.fbs: offset > 1) taken in.

    Raises:
        ModelError: it is cut off or damaged.
    """
    try:
        tree = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
        for buffer in tree.buffers:
            if buffer.offset > 1:
                buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
    except Exception as error:  # whatever an offset that leads astray makes of itself
        raise ModelError(
            "the model file is truncated or corrupt", found=str(error), hint="copy or convert the model again"
        ) from error
    return tree


def _name(entry: schema.MetadataT) -> str:
    return entry.name.decode() if isinstance(entry.name, bytes) else str(entry.name)
