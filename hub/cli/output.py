"""What goes to stdout: one JSON document, or tables for people. Everything else goes to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)
_titles: ContextVar[Callable[[], Mapping[str, str]]] = ContextVar("titles", default=dict)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
GAP = "  "  # between the columns of a table
PIPED_WIDTH = 160  # columns of a table that no terminal bounds


def document(value: Any) -> None:
    """Write one JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell a person how it goes, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def progress(text: str) -> None:
    """Tell a person on stderr, in their language as far as it is known, what a part of the hub says of how it goes."""
    from hub.cli.codes import in_words

    say(in_words("", text))


def line(text: str = "") -> None:
    """Write one line of an answer for people."""
    sys.stdout.write(text + "\n")


def flush() -> None:
    """Let what was written be seen now."""
    sys.stdout.flush()


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; where a terminal is too narrow for it, each row by itself. Elsewhere a row is a line.

    No value is folded or cut: an id or a command can be copied as it stands.
    """
    texts = [list(headers), *(["" if value is None else when(str(value)) for value in row] for row in rows)]
    widths = [max(_width(value) for value in column) for column in zip(*texts, strict=True)]
    bounded = sys.stdout.isatty() or os.environ.get("COLUMNS")
    room = shutil.get_terminal_size().columns if bounded else None
    if room is None or sum(widths) + len(GAP) * (len(widths) - 1) <= room:
        _aligned(texts, widths)
    else:
        _apart(texts, room)


def _aligned(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    """Write rows in columns, full-width characters counted twice."""
    for row in rows:
        padded = (value + " " * (width - _width(value)) for value, width in zip(row, widths, strict=True))
        line(GAP.join(padded).rstrip())


def _apart(rows: Sequence[Sequence[str]], room: int) -> None:
    """Write each row on as many lines as it takes: what there is of its values, by their names."""
    headers, *rest = rows
    for row in rest:
        written = ""
        for told in (f"{header}: {value}" for header, value in zip(headers, row, strict=True) if value):
            if written and _width(written) + len(GAP) + _width(told) > room:
                line(written)
                written = GAP + told
            else:
                written += (GAP if written else "") + told
        line(written)


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def console(*, stderr: bool = False) -> Console:
    """Return a console that knows whether a terminal bounds it."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def listing(headers: Sequence[str], rows: Sequence[Sequence[Any]], following: str | None) -> None:
    """Write a page of a list and how to go on."""
    from hub.cli.words import word

    if rows:
        table(headers, rows)
    else:
        line(word("list.empty"))
    if following is not None:
        line(word("list.more", cursor=following))


def fields(found: Mapping[str, Any], names: Iterable[str] | None = None) -> None:
    """Write what there is of the named values, or of all, one a line."""
    for name in found if names is None else names:
        value = found[name]
        if value in (None, "", {}, []):
            continue
        if isinstance(value, Mapping):
            line(f"{label(name)}:")
            _nested(value, "  ")
        elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            line(f"{label(name)}:")
            for each in value:
                _nested(each, "  - ")
        else:
            line(f"{label(name)}: {when(compact(value))}")


def _nested(values: Mapping[str, Any], before: str) -> None:
    """Write values one a line; of several lines only the first has what stands `before`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            line(f"{before}{name}:")
            _nested(value, " " * len(before) + "  ")
        else:
            line(f"{before}{name}: {compact(value)}")
        before = " " * len(before)


def label(name: str) -> str:
    """Return what one of the named values is called in the person's language; in English as in JSON."""
    return worded(f"field.{name}")


def data(type_: str, values: Mapping[str, Any]) -> None:
    """Write an event's data, a field a line, by the names that the person's language has for them."""
    from hub.cli.naming import field_name

    for name, value in values.items():
        line(f"  {field_name(type_, name)}: {compact(value)}")


def withheld(type_: str, found: Mapping[str, Any]) -> None:
    """Write, a field a line, what is not shown of something: its `withheld`."""
    from hub.cli.naming import field_name
    from hub.cli.words import word

    for name in found.get("withheld", ()):
        line(f"  {field_name(type_, name)}: {word('events.withheld')}")


def changes(changed: Mapping[str, Sequence[Any]]) -> None:
    """Write what changes, by name: what was before, and what is then."""
    from hub.cli.words import word

    for name, values in changed.items():
        was, is_ = (word("events.gone") if value is None else compact(value) for value in values)
        line(f"    {label(name) if name == 'raw' else name}: {was} → {is_}")


def steps(mend: str, commands: Iterable[tuple[str, str]] = ()) -> None:
    """Write what a person may do next: in words, if there are any, and the commands `(what for, command)`."""
    from hub.cli.words import word

    told = [f"  {title}: {command}" for title, command in commands]
    if mend or told:
        line()
        line(f"{word('column.do')}: {mend}".rstrip())
        for each in told:
            line(each)


def place(system: str, name: str) -> str:
    """Return `system.name`, of a source or a receiver; one of the two where the other is empty."""
    return ".".join(filter(None, (system, name)))


def known(key: str) -> str:
    """Return a system, a source or a receiver with what people who read Japanese call its system: `juki.a（住基）`."""
    title = title_of(key.partition(".")[0])
    return f"{key}（{title}）" if title else key


def title_of(system: str) -> str:
    """Return what people who read Japanese call a system; nothing for others, or where it has no title."""
    from hub.cli.language import lang

    return _titles.get()().get(system, "") if lang() == "ja" else ""


def section(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table, or of what there is none of, its name."""
    from hub.cli.words import word

    if rows:
        table(headers, rows)
    else:
        line(f"{headers[0]}: {word('list.empty')}")


def compact(value: Any) -> str:
    """Return a value on one line: texts as they are, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def standing(kind: str, status: str) -> str:
    """Return the status of a quarantine entry, a batch, a job or the like in the person's language."""
    return worded(f"{kind}-state.{status}")


def state(status: str, reason: str | None = None) -> str:
    """Return a status, of an event or a delivery, with its reason in the person's language."""
    return worded(f"state.{status}") + (f": {why(reason)}" if reason else "")


def why(reason: str) -> str:
    """Return the reason of a status in the person's language."""
    return worded(f"reason.{reason}")


def stall(breaker: Mapping[str, Any] | None) -> str | None:
    """Return since when a breaker is open, and why."""
    from hub.cli.codes import listed
    from hub.cli.words import word

    if breaker is None:
        return None
    return word("system.breaker", since=when(breaker["since"]), code=listed(breaker.get("code") or "breaker"))


def trouble(source: Mapping[str, Any]) -> str | None:
    """Return why a source cannot be read, and which files beside its own nobody reads."""
    from hub.cli.codes import in_words

    found = [in_words(source["fault"]["code"], source["fault"]["message"])] if source["fault"] else []
    found += [unread(source["unread"])] if source["unread"] else []
    return "; ".join(found) or None


def unread(files: Mapping[str, Any]) -> str:
    """Return how many files nobody reads, with the names that are known."""
    from hub.cli.words import word

    names = [*files["names"], *(["…"] if files["count"] > len(files["names"]) else [])]
    return word("source.unread", count=files["count"], names=", ".join(names))


def worded(key: str) -> str:
    """Return the word of a key; of one that has none, as of what a newer hub has stored, what follows its kind."""
    from hub.cli.words import WORDS, word

    return word(key) if key in WORDS else key.partition(".")[2]


def waiting(name: str) -> str:
    """Return what `state` says of `status:reason`."""
    status, _, reason = name.partition(":")
    return state(status, reason)


@contextlib.contextmanager
def clock(zone: tzinfo) -> Iterator[None]:
    """Let times that people read be those of a zone while the block runs."""
    before = _zone.set(zone)
    try:
        yield
    finally:
        _zone.reset(before)


@contextlib.contextmanager
def titles(read: Callable[[], Mapping[str, str]]) -> Iterator[None]:
    """Let systems be called by these titles while the block runs; `read` gives them, and is asked once if at all."""
    before = _titles.set(cache(read))
    try:
        yield
    finally:
        _titles.reset(before)


def when(text: str) -> str:
    """Return a time as the city's clocks show it; any other text as it is."""
    if not _TIME.fullmatch(text):
        return text
    return datetime.fromisoformat(text).astimezone(_zone.get()).isoformat(" ", "seconds")


@contextlib.contextmanager
def counter(title: str) -> Iterator[Callable[[int], None]]:
    """Give a function that adds to a count shown on stderr while the block runs; silent where no terminal looks."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(title + " {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda count: progress.advance(task, count)
