"""Measures the gateway in ratios taken in one run; see docs/architecture.md for what they are compared with."""
