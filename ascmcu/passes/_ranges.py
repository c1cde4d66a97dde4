# SPDX-License-Identifier: Apache-2.0
"""What each channel of each tensor can be, as its op tells from its inputs. The bounds hold for every element of the
channel and every input of the network, borders included; a channel whose bounds meet is a constant."""

from __future__ import annotations

from ascmcu.ir.graph import Graph
from ascmcu.ir.ranges import Range, full_range


def channel_ranges(graph: Graph) -> dict[str, Range]:
    """The range of every 8-bit tensor that is computed."""
    found = {name: full_range(graph.tensors[name]) for name in graph.inputs}
    for node in graph.nodes:
        inputs, output = graph.input_tensors(node), graph.output_tensor(node)
        sources = [None if t is None else found.get(t.name) for t in inputs]
        made = node.op.channel_range(sources, inputs, output) if output.dtype.size_bytes == 1 else None
        found[node.output] = made if made is not None else full_range(output)
    return found
