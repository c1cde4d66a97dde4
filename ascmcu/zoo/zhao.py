# SPDX-License-Identifier: Apache-2.0
"""One-branch Mobnet of Zhao (Maxvision), DCASE 2021, task 1a: all mel bands in one branch, two classifiers.

Input (mel, time, channels), published (128, 423, 3). The report gives the size, 116 KB in half precision, and
no widths; ``alpha`` 0.85 gives 59,797 parameters, 116.8 KiB.
"""

from __future__ import annotations

import keras

from ascmcu.zoo import mobnet


def build(
    shape: tuple[int, ...],
    classes: int,
    *,
    groups: int = 3,
    alpha: float = 0.85,
    units: int = mobnet.UNITS,
    head_filters: int = 48,
    dropout: float = 0.3,
    weight_decay: float = 1e-3,
) -> keras.Model:
    """A network (mel, time, channels) → probabilities (classes,) and, unless ``groups`` is 0, (groups,).

    Args:
        shape: input shape without the batch.
        classes: of the first classifier: the scenes.
        groups: of the second: indoor, outdoor, transportation. 0 leaves it out.
        alpha: scales the widths of the stages.
        units: inverted residuals in each stage.
        head_filters: width of the common part of the head.
        dropout: rate within the head.
        weight_decay: L2 of the head's convolutions.
    """
    inputs = keras.Input(shape, name="features")
    x = mobnet.trunk(mobnet.branch(inputs, alpha, units, "mel"), head_filters, dropout, weight_decay)
    outputs = [mobnet.classifier(x, classes, weight_decay, "scene")]
    if groups:
        outputs.append(mobnet.classifier(x, groups, weight_decay, "group"))
    return keras.Model(inputs, outputs if groups else outputs[0], name="zhao")
