# SPDX-License-Identifier: Apache-2.0
"""A part of the data set as training sees it."""

from __future__ import annotations

from dataclasses import dataclass

from ascmcu.data.datasets import Dataset
from ascmcu.train.examples import Examples


@dataclass(frozen=True)
class Part:
    """Recordings with their normalized features in the network's layout."""

    dataset: Dataset
    examples: Examples
