# SPDX-License-Identifier: Apache-2.0
"""The graph of a functional Keras model: who feeds whom, each layer used once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from ascmcu.errors import ModelError


@dataclass(frozen=True)
class LayerGraph:
    """Layers (and bare operations) by name in order of execution, and the names on both sides of each."""

    layers: dict[str, Any]
    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]

    @property
    def order(self) -> tuple[str, ...]:
        """The names."""
        return tuple(self.layers)

    def only_consumer(self, name: str) -> str | None:
        """The one layer that reads this one, if there is just one."""
        found = self.after[name]
        return found[0] if len(found) == 1 else None


def of(model: keras.Model) -> LayerGraph:
    """The graph of ``model``.

    Raises:
        ModelError: it is not functional, contains another model, or uses a layer twice.
    """
    if not hasattr(model, "operations") or not isinstance(model, keras.Model) or not model._nodes:
        raise ModelError("the model is not a functional Keras model", found=type(model).__name__)
    inside = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    before: dict[str, tuple[str, ...]] = {}
    after: dict[str, list[str]] = {operation.name: [] for operation in model.operations}
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            raise ModelError("a nested model cannot be flattened", where=operation.name)
        nodes = [node for node in operation._inbound_nodes if id(node) in inside]
        if len(nodes) != 1:
            raise ModelError("a layer is used more than once", where=operation.name, found=len(nodes))
        sources = [tensor._keras_history.operation.name for tensor in nodes[0].input_tensors]
        before[operation.name] = tuple(sources)
        for source in sources:
            after[source].append(operation.name)
    found = {operation.name: operation for operation in model.operations}
    return LayerGraph(found, before, {name: tuple(users) for name, users in after.items()})
