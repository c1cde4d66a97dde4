# SPDX-License-Identifier: Apache-2.0
"""Average precision, AUC and partial AUC equal scikit-learn's, also where scores are equal; thresholds are the best."""

from __future__ import annotations

import numpy as np
import pytest

from ascmcu.data import anomalies, ranking, tagging

metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("levels", [2, 5, 10**9])
@pytest.mark.parametrize("clips", [2, 7, 40])
def test_equal_to_scikit_learn(clips: int, levels: int) -> None:
    rng = np.random.default_rng(clips + levels)
    for _ in range(6):
        truth = rng.integers(2, size=clips)
        truth[:2] = (0, 1)
        scores = (rng.integers(levels, size=clips) + 0.3 * levels * truth) / levels
        assert ranking.average_precision(truth, scores) == pytest.approx(
            metrics.average_precision_score(truth, scores), abs=1e-12
        )
        assert ranking.roc_auc(truth, scores) == pytest.approx(
            metrics.roc_auc_score(truth, scores), abs=1e-12
        )
        assert ranking.partial_auc(truth, scores) == pytest.approx(
            metrics.roc_auc_score(truth, scores, max_fpr=0.1), abs=1e-12
        )
        best = ranking.best_threshold(truth, scores)
        assert best is not None
        all_of_them = [metrics.f1_score(truth, scores >= at) for at in np.unique(scores)]
        assert best.f1 == pytest.approx(max(all_of_them), abs=1e-12)
        assert best.f1 == pytest.approx(metrics.f1_score(truth, scores >= best.value), abs=1e-12)
        assert best.precision == pytest.approx(
            metrics.precision_score(truth, scores >= best.value), abs=1e-12
        )
        assert best.recall == pytest.approx(metrics.recall_score(truth, scores >= best.value), abs=1e-12)


def test_what_is_missing_has_no_figure() -> None:
    scores = np.array([0.1, 0.2, 0.3])
    none, every = np.zeros(3, int), np.ones(3, int)
    assert ranking.average_precision(none, scores) is None
    assert ranking.best_threshold(none, scores) is None
    assert ranking.roc_auc(every, scores) is None and ranking.partial_auc(none, scores) is None
    told = tagging.score(("a", "b"), np.stack([none, every], axis=1), np.stack([scores, scores], axis=1))
    assert told is not None and told.mean_average_precision == 1.0 and told.mean_auc is None
    assert told.by_class["a"].average_precision is None
    assert tagging.score(("a",), none[:, None], scores[:, None]) is None
    assert anomalies.score(none, scores, ["", "", ""]) is None


def test_machines_are_judged_one_by_one() -> None:
    """Errors of a loud machine may lie above all of a quiet one: within each machine the ranks are right."""
    anomalous = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    errors = np.array([1.0, 2, 3, 4, 10, 20, 15, 40])
    told = anomalies.score(anomalous, errors, ["fan"] * 4 + ["pump"] * 4)
    assert told is not None
    assert told.by_machine["fan"].auc == 1.0 and told.by_machine["pump"].auc == 0.75
    assert told.auc == 0.875
    parts = [1.0, 0.75, told.by_machine["fan"].partial_auc, told.by_machine["pump"].partial_auc]
    assert told.harmonic_mean == pytest.approx(4 / sum(1 / part for part in parts if part))
    assert (told.by_machine["fan"].normal, told.by_machine["fan"].anomalous) == (2, 2)
