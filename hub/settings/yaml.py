"""YAML 1.2 files read into plain values that remember where each key and value stands.

libyaml says what stands where; what a scalar means is decided here, as YAML 1.2 has it.
`read_yaml(path)` answers a `Node`: `node.value` is plain Python (dict, list, str, int, float, bool, None), `node.items`
the nodes of its parts, `node.place_of("subscribes", 0, "when")` the place of one of them. Keys are always text. Every
problem of a file that can be told apart is listed; a syntax error ends the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml import events as yaml_events

from hub.errors import ConfigurationError, Problem
from hub.settings.scalars import Refused, check_written, resolve
from hub.settings.wording import decode, plain_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

LOADER = getattr(yaml, "CLoader", yaml.Loader)  # where there is no libyaml its slower twin, of the same words
DEEPEST = 50  # levels of nesting
LARGEST = 200_000  # values of one file, aliases counted as often as they are used
TEXT_TAG = "tag:yaml.org,2002:str"
PLAIN_TAGS = frozenset({None, "!", TEXT_TAG, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(slots=True, eq=False)
class Node:
    """One value of a file, with its place and those of its parts.

    `line` and `column` are 1-based; `items` maps keys or indexes to nodes (empty for a scalar); `keys` maps
    the keys of a mapping to their own (line, column). `raw` is a scalar as it is written, without quotes.
    """

    file: str
    line: int
    column: int
    value: Any = None
    items: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    raw: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.place == other.place and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.place)

    @property
    def place(self) -> str:
        """Return `file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    def key_place(self, key: str) -> str:
        """Return the place of a key of this mapping, or of the mapping when the key is not written."""
        line, column = self.keys.get(key, (self.line, self.column))
        return f"{self.file}:{line}:{column}"

    def without(self, keys: Collection[str | int]) -> Node:
        """Return this mapping without some keys."""
        return self.only([key for key in self.items if key not in keys])

    def only(self, keys: Collection[str | int]) -> Node:
        """Return this mapping with only some of its keys."""
        items = {key: part for key, part in self.items.items() if key in keys}
        places = {key: place for key, place in self.keys.items() if key in keys}
        return Node(self.file, self.line, self.column, {key: part.value for key, part in items.items()}, items, places)

    def under(self, key: str) -> Node:
        """Return a mapping that holds this value under a key, for values with a short form."""
        return Node(self.file, self.line, self.column, {key: self.value}, {key: self})

    def place_of(self, *path: str | int) -> str:
        """Return the place of the value at the path, or of the nearest part of it that is written."""
        return self._nearest(path).place

    def written_at(self, *path: str | int) -> str:
        """Return the scalar at the path as it is written; "" where there is none."""
        return self._nearest(path).raw

    def _nearest(self, path: Sequence[str | int]) -> Node:
        node = self
        for step in path:
            if step not in node.items:
                break
            node = node.items[step]
        return node


def read_yaml(path: Path, *, folder: Path | None = None) -> Node:
    """Read one YAML file; raise `ConfigurationError` with every problem found.

    Places name the file relative to `folder` (the city's), or by its own name.
    """
    node, problems = scan_yaml(path, folder=folder)
    if problems or node is None:
        raise ConfigurationError(problems)
    return node


def scan_yaml(path: Path, *, folder: Path | None = None) -> tuple[Node | None, list[Problem]]:
    """Read as much of a file as makes sense, with its problems; the node is None after one that ends the file."""
    name = path.relative_to(folder).as_posix() if folder else path.name
    try:
        return scan_text(path.read_bytes(), name)
    except OSError as error:
        return None, [Problem(name, f"the file cannot be read: {error.strerror}", code="unreadable")]


def parse_yaml(raw: bytes | str, name: str) -> Node:
    """Read YAML text; `name` stands for the file in places. Raise `ConfigurationError` with every problem found."""
    node, problems = scan_text(raw, name)
    if problems or node is None:
        raise ConfigurationError(problems)
    return node


def scan_text(raw: bytes | str, name: str) -> tuple[Node | None, list[Problem]]:
    """Read as much of a text as makes sense, with its problems."""
    text, problem = decode(raw, name)
    if problem:
        return None, [problem]
    builder = Builder(name, text)
    return builder.build(), builder.problems


class Stop(Exception):  # noqa: N818 — never leaves this module
    """The rest of the file cannot be read; the problem is already noted."""


class Builder:
    """Builds the nodes of one file from the parser's events."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.total = 0
        self.events: Iterator[Any] = iter(())

    def build(self) -> Node | None:
        """Return the file's one document, or None with `problems` set."""
        self.events = yaml.parse(self.text, Loader=LOADER)
        try:
            node = self.document()
        except Stop:
            return None
        except yaml.MarkedYAMLError as error:
            self.problems.append(plain_words(error, self.name, self.text))
            return None
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            self.problems.append(Problem(f"{self.name}:1:1", f"this is not YAML: {error}", code="yaml"))
            return None
        return node

    def document(self) -> Node:
        """Read the only document."""
        next(self.events)  # the stream's start
        start = next(self.events)
        if isinstance(start, yaml_events.StreamEndEvent):
            self.stop(f"{self.name}:1:1", "the file is empty", "write its keys, or remove the file", code="empty")
        node = self.value(next(self.events), 0)
        next(self.events)  # the document's end
        after = next(self.events)
        if isinstance(after, yaml_events.DocumentStartEvent):
            self.stop(self.at(after), "a second document begins here", "keep one document a file: remove the `---`")
        return node

    def value(self, event: Any, depth: int) -> Node:
        """Read the value that the event begins."""
        if isinstance(event, yaml_events.AliasEvent):
            return self.alias(event)
        if depth > DEEPEST:
            self.stop(self.at(event), f"more than {DEEPEST} levels of nesting")
        self.check_tag(event)
        mark = event.start_mark
        node = Node(self.name, mark.line + 1, mark.column + 1)
        if isinstance(event, yaml_events.ScalarEvent):
            node.value, node.raw = self.scalar(event), event.value
        elif isinstance(event, yaml_events.SequenceStartEvent):
            self.sequence(node, depth)
        else:
            self.mapping(node, depth)
        self.count(node.place, 1)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def scalar(self, event: Any) -> Any:
        """Return the scalar's value: quoted and tagged ones are text, others by the core schema."""
        if event.style or event.tag in ("!", TEXT_TAG):
            return event.value
        try:
            return resolve(event.value)
        except Refused as refused:
            self.note(self.at(event), str(refused), refused.mend, code="scalar")
            return event.value

    def sequence(self, node: Node, depth: int) -> None:
        """Read the items of a list."""
        node.value = []
        while not isinstance(event := next(self.events), yaml_events.SequenceEndEvent):
            item = self.value(event, depth + 1)
            node.items[len(node.value)] = item
            node.value.append(item.value)
            node.size += item.size

    def mapping(self, node: Node, depth: int) -> None:
        """Read the keys and values of a mapping; a key said twice is a problem."""
        node.value = {}
        while not isinstance(event := next(self.events), yaml_events.MappingEndEvent):
            key = self.key(event)
            item = self.value(next(self.events), depth + 1)
            if key in node.value:
                first = node.keys[key][0]
                self.note(
                    self.at(event), f"the key `{key}` stands twice", f"it is already on line {first}", code="key-twice"
                )
                continue
            node.keys[key] = (event.start_mark.line + 1, event.start_mark.column + 1)
            node.items[key] = item
            node.value[key] = item.value
            node.size += item.size

    def key(self, event: Any) -> str:
        """Return a key as text, as it is written."""
        if not isinstance(event, yaml_events.ScalarEvent):
            self.stop(
                self.at(event), "a key must be plain text", "put a text that begins with a bracket or * in quotes"
            )
        self.check_tag(event)
        key = str(event.value)
        if not event.style:
            self.check_key(event, key)
        return key

    def check_key(self, event: Any, key: str) -> None:
        """Note what an unquoted key must not be."""
        if key == "<<":
            self.note(self.at(event), "`<<` (merge) is not part of YAML 1.2", "write the keys out")
        elif key in ("", "~"):
            self.note(self.at(event), "a value without a key", "write the key before the colon")
        else:
            try:
                check_written(key)
            except Refused as refused:
                self.note(self.at(event), str(refused), refused.mend, code="scalar")

    def alias(self, event: Any) -> Node:
        """Return the node an alias stands for."""
        node = self.anchors.get(event.anchor)
        if node is None:
            mend = "put a text that begins with * in quotes"
            self.stop(self.at(event), f"`*{event.anchor}` refers to nothing above it", mend, code="alias")
        self.count(self.at(event), node.size)
        return node

    def count(self, place: str, size: int) -> None:
        """Stop when the file, its aliases written out, would be too large (a few lines can stand for billions)."""
        self.total += size
        if self.total > LARGEST:
            self.stop(place, f"more than {LARGEST} values, aliases written out", "use fewer aliases", code="too-large")

    def check_tag(self, event: Any) -> None:
        """Note a tag of somebody's own."""
        if event.tag not in PLAIN_TAGS:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            self.note(
                self.at(event), f"the tag `{tag}` is not used here", "remove it, or put the text in quotes", code="tag"
            )

    def at(self, event: Any) -> str:
        """Return the place of an event."""
        return f"{self.name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"

    def note(self, place: str, message: str, mend: str = "", *, code: str = "yaml") -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(place, message, mend, code=code))

    def stop(self, place: str, message: str, mend: str = "", *, code: str = "yaml") -> NoReturn:
        """Note a problem after which the file makes no sense."""
        self.note(place, message, mend, code=code)
        raise Stop
