"""Run profiles in TOML: what was run, where, and what it came to.

`schema` says what a profile holds; `reading` and `writing` move it to and from disk; `recorder`
makes one from a run's events; `store` keeps them; `comparison` judges two; `report` prints them.
Nothing is imported here, so that naming this package costs a command line nothing.
"""
