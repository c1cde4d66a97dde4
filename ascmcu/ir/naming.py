# SPDX-License-Identifier: Apache-2.0
"""Names of tensors for people."""

from __future__ import annotations


def short(name: str) -> str:
    """A layer's own name out of a path that Keras wrote: ``net_1/block1_relu/Relu:30`` → ``block1_relu``."""
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 else name.partition(":")[0]
