"""Writes docs/gallery.md: every screen of the app in its states, as the tests have seen them.

The pictures are the tests' own snapshots, so that none of them can be out of date. `make gallery`
draws them anew where a screen has changed, and then writes the page.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
SNAPSHOTS = Path("tests/tui/__snapshots__")

# Sections of captions and snapshots; the bench first, then what it opens.
GALLERY: dict[str, dict[str, str]] = {
    "The bench": {
        "at the start": "test_app_looks/test_bench[empty-120x40]",
        "at the start, 80×24": "test_app_looks/test_bench[empty-80x24]",
        "while a run goes": "test_app_looks/test_bench[running-120x40]",
        "while a run goes, 80×24": "test_app_looks/test_bench[running-80x24]",
        "after a run": "test_app_looks/test_bench[complete-120x40]",
        "after a run, 80×24": "test_app_looks/test_bench[complete-80x24]",
        "a run that was disturbed": "test_app_looks/test_bench[disturbed-120x40]",
        "engines that failed": "test_app_looks/test_bench[broken-120x40]",
        "light": "test_app_looks/test_bench_in_another_theme[infer-light]",
        "on a terminal of 16 colours": "test_app_looks/test_bench_in_another_theme[ansi-dark]",
        "with NO_COLOR": "test_app_looks/test_bench_without_colours[complete]",
        "a dialog with NO_COLOR": "test_app_looks/test_bench_without_colours[dialog]",
        "in ASCII": "test_app_looks/test_bench_in_ascii",
    },
    "Plots": {
        "percentile curve": "test_app_plots_looks/test_views_of_panel_5[curve-120x40]",
        "percentile curve, 80×24": "test_app_plots_looks/test_views_of_panel_5[curve-80x24]",
        "box plot, 80×24": "test_app_plots_looks/test_views_of_panel_5[boxes-80x24]",
        "speed-up, 80×24": "test_app_plots_looks/test_views_of_panel_5[speed-ups-80x24]",
        "last ten seconds": "test_app_plots_looks/test_the_last_seconds_on_a_log_axis[80x24]",
        "at 300×80": "test_app_plots_looks/test_views_on_a_large_screen",
    },
    "By turns": {
        "while it goes": "test_turns_looks/test_turns[going-120x40]",
        "after it": "test_turns_looks/test_turns[over-120x40]",
        "verdicts within the run": "test_turns_looks/test_verdicts_within_a_run[120x40]",
    },
    "Builds": {
        "engines that need one": "test_build_looks/test_engines_that_need_builds",
        "the dialog": "test_build_looks/test_build_dialog[120x40]",
        "builds that go and wait": "test_build_looks/test_builds[120x40]",
    },
    "History and comparisons": {
        "saved profiles": "test_history_looks/test_history[120x40]",
        "marked and sorted, 80×24": "test_history_looks/test_history_with_marks[80x24]",
        "filtered": "test_history_looks/test_filtered_history[120x40]",
        "nothing saved yet": "test_history_looks/test_empty_history[80x24]",
        "before a profile is deleted": "test_history_looks/test_history_dialogs[delete-120x40]",
        "before it is run again": "test_history_looks/test_history_dialogs[again-120x40]",
        "two runs": "test_history_looks/test_compare_two[120x40]",
        "several runs": "test_history_looks/test_compare_several[120x40]",
        "several runs, 80×24": "test_history_looks/test_compare_several[80x24]",
        "all of it in words": "test_history_looks/test_report_of_a_comparison[120x40]",
    },
    "Dialogs and details": {
        "precisions": "test_app_looks/test_dialogs[p]",
        "batch sizes": "test_app_looks/test_dialogs[n]",
        "how to measure": "test_app_looks/test_dialogs[i]",
        "an engine's options": "test_app_looks/test_dialogs[enter]",
        "saving": "test_pages_looks/test_pages[save-80x24]",
        "leaving in the middle of a run": "test_pages_looks/test_pages[leave-80x24]",
        "everything of one entry": "test_app_looks/test_details",
        "what disturbed it": "test_app_looks/test_details_of_what_disturbed_it[120x40]",
    },
    "The model": {
        "its blocks": "test_model_looks/test_model[folded-120x40]",
        "its blocks, 80×24": "test_model_looks/test_model[folded-80x24]",
        "one of them unfolded": "test_model_looks/test_model[unfolded-120x40]",
        "searched": "test_model_looks/test_model[searched-80x24]",
    },
    "Frontier": {
        "with a limit": "test_frontier_looks/test_frontier[with-limit-120x40]",
    },
    "Times by layer": {
        "of a model": "test_layers_looks/test_layers_of_a_model[120x40]",
        "while they are timed": "test_layers_looks/test_layers_while_they_are_timed",
    },
}


def page() -> str:
    """The text of docs/gallery.md; a snapshot that is not there is a KeyError with its name."""
    parts = ["# Gallery\n\nWhat the app draws, screen by screen; `make gallery` made this page.\n"]
    for title, pictures in GALLERY.items():
        parts.append(f"\n## {title}\n")
        for caption, name in pictures.items():
            path = SNAPSHOTS / f"{name}.svg"
            if not (ROOT / path).exists():
                raise KeyError(f"no snapshot {path}: run `make gallery`, or correct its name")
            parts.append(f"\n{caption}:\n\n![{title}, {caption}]({quote(f'../{path}')})\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
