"""The child process that measures: standard library, NumPy and one framework, nothing else.

Its code also runs under CPython 3.10, so it imports none of the driver's typed records.
"""
