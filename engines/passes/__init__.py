"""Passes after the measurement: each asks one more thing of a loaded engine, by itself."""
