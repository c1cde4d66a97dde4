# SPDX-License-Identifier: Apache-2.0
"""The audio front end: one specification, executed in Python here and by generated C on the device."""

from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec, Spec, load, names

__all__ = ["FeatureSpec", "MicroSpec", "PcmSpec", "Spec", "load", "names"]
