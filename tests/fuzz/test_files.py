# SPDX-License-Identifier: Apache-2.0
"""Broken files, a bounded number; ``tools/fuzz_files`` runs more of them."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os

import pytest

from tests.support import mutations

COUNT = int(os.environ.get("ASCMCU_FUZZ_FILES", "1200"))


def test_originals_compile() -> None:
    originals = mutations.seeds()
    assert len(originals) >= 3
    for original in originals:
        mutations.compiled(original)


@pytest.mark.parametrize("number", [1, 2])
def test_mutated_files_end_in_a_plan_or_an_error_of_ours(number: int) -> None:
    # A process of its own: the memory limit stays in force, and other tests need more.
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        verdicts = pool.submit(mutations.run, number, COUNT, mutations.seeds()).result()
    assert not verdicts.failures, verdicts.failures[0]
    # The mutations reach deep: some still compile, and refusals are of many kinds.
    assert verdicts.counts["compiled"] > COUNT // 20
    assert len(verdicts.counts) > 20
