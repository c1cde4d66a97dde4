# SPDX-License-Identifier: Apache-2.0
"""The audio front end: one specification, executed in Python here and by generated C on the device."""

from ascmcu.features.microspec import MicroSpec
from ascmcu.features.spec import FeatureSpec, Spec, load, names

__all__ = ["FeatureSpec", "MicroSpec", "Spec", "load", "names"]
