# SPDX-License-Identifier: Apache-2.0
"""Models whose scales are chosen against us: where the arithmetic that a kernel might use gives different integers.

``arithmetic`` holds what may compete (float32 or float64 products, one rounding or two, …) and how scales are drawn
close to a tie. ``elementwise``, ``reducing``, ``tables``, ``copying`` and ``floating`` hold a family of models per
operator. ``hunt`` draws until the candidates disagree on the model's own inputs, and runs the differential chain on
what it found.
"""
