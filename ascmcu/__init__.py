"""ascmcu: a trained audio classifier goes in, a benchmarked Cortex-M4 firmware comes out."""

__version__ = "0.1.0"
