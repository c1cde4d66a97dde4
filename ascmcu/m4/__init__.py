# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M4: instructions and their timing, which the simulator and the kernels have in common, and assembly as
typed Python (``asm``)."""
