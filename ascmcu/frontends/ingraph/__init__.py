# SPDX-License-Identifier: Apache-2.0
"""Front ends inside a ``.tflite``: what of its operators make features of audio, and the specification equal to them.

``find`` reads the operators behind the audio input, derives a specification, and runs both. What is equal is taken out
of the network, and the generated front end computes it.
"""

from ascmcu.frontends.ingraph.finding import Front, find

__all__ = ["Front", "find"]
