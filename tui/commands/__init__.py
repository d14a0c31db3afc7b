"""One file a subcommand; each is imported only when it is the one that was asked for.

A command returns its exit code and raises `InferTuiError` for anything the user can mend.
Standard output carries data only; what a person should know on the way goes to standard error.
"""
