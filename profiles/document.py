"""A title, a table and what must be said about it: laid out as terminal text or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from profiles.gathering import gathered, told_once
from profiles.table import (
    Colour,
    Column,
    fitting,
    markdown_lines,
    markdown_text,
    painted,
    text_lines,
)
from profiles.validation import one_line

INDENT = "  "
NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Note:
    """A line below the table: what happened and, if anything can be done, what."""

    text: str
    hint: str = ""
    colour: Colour = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What notes of one sentence share. Their colours may differ: that of the first is taken.

    What makes a baseline doubtful is told with the colour of each verdict that rests on it.
    """

    hint: str
    colour: Colour = field(compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table below the main one, under its own heading."""

    heading: str
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class Document:
    """What a report says, before it is laid out.

    `warnings` come first and loud; `notes` concern single rows, and one that is true of several of
    the `entries` is told once; `tables` follow them; what the columns' figures mean comes last. All
    text is made harmless on the way out: an engine's message may hold control characters.
    """

    title: Sequence[str]
    columns: Sequence[Column]
    warnings: Sequence[str] = ()
    notes: Sequence[Note] = ()
    sections: Sequence[tuple[str, Sequence[str]]] = ()
    tables: Sequence[Table] = ()
    entries: Sequence[str] = ()

    def to_text(self, width: int, *, colour: bool = False) -> str:
        """Lines of at most `width` columns, at least NARROWEST; ANSI colours only if asked for."""
        width = max(width, NARROWEST)
        columns = fitting(self.columns, width)
        more = [(table.heading, fitting(table.columns, width)) for table in self.tables]
        parts = [
            [line for text in self.title for line in _wrapped(text, width)],
            [
                painted(line, "bad", colour)
                for text in self.warnings
                for line in _wrapped(text, width)
            ],
            text_lines(columns, width, colour=colour),
            [line for note in self._notes() for line in _note_lines(note, width, colour)],
        ]
        for heading, inner in more:
            table = text_lines(inner, width, colour=colour)
            parts.append([*_wrapped(heading, width), *table])
        for heading, lines in self._sections():
            parts.append([heading, *(line for text in lines for line in _item(text, width))])
        shown = [column for inner in (columns, *(inner for _, inner in more)) for column in inner]
        parts.append(
            [
                painted(line, "faint", colour)
                for text in _column_notes(shown)
                for line in _wrapped(text, width)
            ]
        )
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def to_markdown(self) -> str:
        """The same for a pull request, with every column."""
        title, *rest = [markdown_text(one_line(text)) for text in self.title]
        parts = [[f"### {title}", "", *rest]]
        parts += [[f"> **{markdown_text(one_line(text))}**"] for text in self.warnings]
        columns = fitting(self.columns)
        parts.append(markdown_lines(columns))
        parts.append([_bullet(f"{note.text}; {note.hint}".rstrip("; ")) for note in self._notes()])
        for table in self.tables:
            inner = fitting(table.columns)
            parts.append([f"**{markdown_text(table.heading)}**", "", *markdown_lines(inner)])
            columns += inner
        for heading, lines in self._sections():
            parts.append([f"**{heading}**", "", *map(_bullet, lines)])
        meanings = [markdown_text(one_line(text)) for text in _column_notes(columns)]
        parts.append([f"<sub>{text}</sub>  " for text in meanings])
        return "\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _notes(self) -> list[Note]:
        said = [(note.text, _Kind(note.hint, note.colour)) for note in self.notes]
        told = gathered(said, self.entries)
        return [Note(text, kind.hint, kind.colour) for text, kind in told]

    def _sections(self) -> list[tuple[str, list[str]]]:
        return [(heading, told_once(lines, self.entries)) for heading, lines in self.sections]


def _column_notes(columns: Sequence[Column]) -> list[str]:
    return list(dict.fromkeys(note for column in columns for note in column.notes))


def _bullet(text: str) -> str:
    return f"- {markdown_text(one_line(text))}"


def _wrapped(text: str, width: int, first: str = "", later: str = INDENT) -> list[str]:
    return textwrap.wrap(
        one_line(text),
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
    )


def _item(text: str, width: int) -> list[str]:
    return _wrapped(text, width, INDENT, INDENT * 2)


def _note_lines(note: Note, width: int, colour: bool) -> list[str]:
    lines = [painted(line, note.colour, colour) for line in _wrapped(note.text, width)]
    return lines + (_item(note.hint, width) if note.hint else [])
