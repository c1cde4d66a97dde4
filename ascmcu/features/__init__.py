"""The audio front end: one ``FeatureSpec``, executed by librosa here and by generated C on the device."""

from ascmcu.features.spec import FeatureSpec, load, names

__all__ = ["FeatureSpec", "load", "names"]
