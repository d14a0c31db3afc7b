"""The terminal app and the command line; knows `engines` (driver side) and `profiles`."""

__version__ = "0.1.0"
