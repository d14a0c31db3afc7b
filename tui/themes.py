"""The two themes of the app's own; Textual's built-in ones can be chosen as well."""

from __future__ import annotations

from textual.theme import Theme

INFER_DARK = Theme(
    name="infer-dark",
    primary="#5ab0f0",
    secondary="#8fa3bf",
    accent="#f0b45a",
    success="#6cc98a",
    warning="#f0b45a",
    error="#f47c7c",
    foreground="#d7dee8",
    background="#10141b",
    surface="#161c26",
    panel="#2a3444",
    dark=True,
)

INFER_LIGHT = Theme(
    name="infer-light",
    primary="#0b62a8",
    secondary="#4d6078",
    accent="#8f5a00",
    success="#1d7a3f",
    warning="#8f5a00",
    error="#b3261e",
    # Muted tones are mixed from it: those too have a contrast of 4.5 with the background.
    foreground="#030508",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#dcdfe4",
    dark=False,
)

THEMES = (INFER_DARK, INFER_LIGHT)
DEFAULT_THEME = INFER_DARK.name
