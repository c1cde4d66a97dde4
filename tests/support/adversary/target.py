# SPDX-License-Identifier: Apache-2.0
"""A sample of each family as Cortex-M4 code, on QEMU and on the cycle model."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ascmcu import passes
from ascmcu.frontends import tflite
from ascmcu.schedule import LAYERS, ROWS
from tests.support import chain, on_target
from tests.support.adversary import hunt
from tests.support.adversary.families import Family
from tests.support.litert import Reference
from tests.support.on_target import Network

MACHINES = {"qemu": on_target.on_qemu, "sim": on_target.on_sim}


def sample(
    pairs: Sequence[tuple[Family, str]], each: int, seed: int
) -> tuple[list[str], list[Network], list[list[bytes]]]:
    """Names, networks with one input and integer results, and LiteRT's bytes."""
    names, networks, expected = [], [], []
    for family, dtype in pairs:
        found = 0
        for trial in itertools.islice(hunt.trials(family, dtype, seed, Counter()), 6 * each):
            if found == each or hunt.refusal(trial) is not None:
                continue
            graph = passes.optimize(tflite.parse(trial.data, family.name))
            if len(graph.inputs) != 1 or not graph.nodes or trial.tolerance:
                continue
            found += 1
            reference = Reference(trial.data, trial.resolver)
            shaped = [chain.shaped(graph, x)[0] for x in trial.sets]
            names.append(f"{family.name} {dtype}")
            networks.append(Network(graph, (LAYERS, ROWS)[len(networks) % 2], shaped))
            expected.append(
                [b"".join(np.ascontiguousarray(y).tobytes() for y in reference(x)) for x in trial.sets]
            )
    return names, networks, expected


def different(
    folder: Path, pairs: Sequence[tuple[Family, str]], each: int, seed: int
) -> dict[str, tuple[int, list[str]]]:
    """Per machine how many networks ran, and the names of those whose bytes differ."""
    names, networks, expected = sample(pairs, each, seed)
    elf = on_target.build(folder, networks)
    found = {machine: run(elf, networks) for machine, run in MACHINES.items()}
    return {
        machine: (len(names), [n for n, a, b in zip(names, expected, results, strict=True) if a != b])
        for machine, results in found.items()
    }
