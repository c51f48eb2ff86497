"""`sources` and `publishes` of a system: where its reports come from, and how rows become events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.settings.characters import read_characters
from hub.settings.models import Case, Guard, Publication, Source, Verify
from hub.settings.reader import Reader, meant
from hub.settings.shapes import Shape, count_range, duration, expression, mapped, one_or_more, percent, truth, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.settings.yaml import Node

SHORT_FORM = ("event", "when", "map", "cancels", "corrects", "ignore")  # a publication that is its own only case
ENTRY = "an entry of `publishes`"
SOURCE_SHAPES: dict[str, Shape] = {
    "adapter": word,
    "every": duration,
    "identity": expression,
    "key": expression,
    "compare": one_or_more(word),
    "shares_state_with": word,
    "as_of": expression,
    "reconcile": mapped(expression),
    "typed": truth,
}
GUARD_SHAPES: dict[str, Shape] = {"rows": count_range, "change": percent}
VERIFY_SHAPES: dict[str, Shape] = {"id": expression, "system": word, "verify": mapped(expression)}
PUBLICATION_SHAPES: dict[str, Shape] = {
    "subject": expression,
    "id": expression,
    "sequence": expression,
    "local_id": expression,
    "defaults": mapped(expression),
    "otherwise": word,
}
CASE_SHAPES: dict[str, Shape] = {
    "event": word,
    "when": expression,
    "map": mapped(expression),
    "cancels": mapped(expression),
    "corrects": mapped(expression),
    "ignore": word,
}


class PublishingReader:
    """Reads what a system publishes; `sources` grows by one for each inline `from:`."""

    def __init__(self, reader: Reader, system: Node) -> None:
        self.reader = reader
        self.sources: dict[str, Source | None] = {}
        written = system.items.get("sources")
        for name, node in reader.named(written, "`sources`").items():
            place = written.key_place(name) if written else node.place
            reader.name(name, place, "source")
            self.sources[name] = self.source(name, node, place)
        entries = reader.entries(system.items.get("publishes"), "`publishes`")
        self.publications = [self.publication(node) for node in entries]
        self.check_shared_state()

    def source(self, name: str, node: Node, place: str) -> Source | None:
        """Return a source, or None with the problems noted."""
        if not self.reader.mapping(node, f"the source `{name}`"):
            return None
        apart = {
            "guard": self.reader.nested(Guard, node.items.get("guard"), GUARD_SHAPES),
            "identify": self.reader.nested(Verify, node.items.get("identify"), VERIFY_SHAPES),
            "text": read_characters(self.reader, node.items.get("text")),
        }
        what, shapes = f"the source `{name}`", SOURCE_SHAPES
        return self.reader.with_options(Source, node, what, shapes, apart, name=name, place=place)

    def publication(self, node: Node) -> Publication | None:
        """Return a publication, or None with the problems noted; the short form becomes one case."""
        if not self.reader.mapping(node, ENTRY):
            return None
        self.reader.known(node, ["from", "cases", *PUBLICATION_SHAPES, *SHORT_FORM], ENTRY)
        source = self.source_of(node)
        self.check_subject(node, source)
        head = node.only(PUBLICATION_SHAPES)
        return self.reader.build(
            Publication, head, ENTRY, PUBLICATION_SHAPES, source=source, cases=self.cases(node), written=node
        )

    def source_of(self, node: Node) -> str | None:
        """Return the name of the source a publication reads, making one of an inline `from:`."""
        written = node.items.get("from")
        if written is None or written.value is None:
            self.reader.note(node.place, f"{ENTRY} needs `from`", "write `from: {adapter: …}`", code="key-missing")
            return None
        if isinstance(written.value, dict):
            name = free_name(self.sources)
            self.sources[name] = self.source(name, written, written.place)
            return name
        if isinstance(written.value, list) or written.value not in self.sources:
            mend = meant(str(written.value), self.sources) if self.sources else "write `from: {adapter: …}`"
            self.reader.note(written.place, f"there is no source `{written.value}`", mend, code="source-unknown")
            return None
        return str(written.value)

    def cases(self, node: Node) -> tuple[Case, ...] | None:
        """Return the cases of a publication, or None with the problems noted."""
        short = [key for key in SHORT_FORM if key in node.items]
        if "cases" not in node.items:
            made = [self.case(node.only(short))]
        elif short:
            message = f"`{short[0]}` and `cases` stand side by side"
            self.reader.note(node.key_place(short[0]), message, "move it into the cases")
            return None
        else:
            made = [self.case(entry) for entry in self.reader.entries(node.items["cases"], "`cases`")]
            if not made:
                self.reader.note(node.key_place("cases"), "`cases` is empty", "write one, or use `event:`")
        return tuple(case for case in made if case) if made and all(made) else None

    def case(self, node: Node) -> Case | None:
        """Return one case, which makes an event or ignores the row, or None with the problems noted."""
        built = self.reader.build(Case, node, "a case", CASE_SHAPES)
        if built and (built.event is None) == (built.ignore is None):
            message = "a case makes an `event`, or says why to `ignore` the row"
            self.reader.note(node.place, message, "write one of the two")
            return None
        return built

    def check_subject(self, node: Node, name: str | None) -> None:
        """Note a missing subject: every event is about a resident, unless its source asks who it is."""
        source = self.sources.get(name or "")
        if "subject" not in node.items and source is not None and source.identify is None:
            mend = "write `subject: row.…` with the resident's number"
            self.reader.note(node.place, f"{ENTRY} needs `subject`", mend, code="key-missing")

    def check_shared_state(self) -> None:
        """Note a `shares_state_with` that names no other source of this system."""
        for name, source in self.sources.items():
            other = source.shares_state_with if source else None
            if source is None or other is None or (other != name and other in self.sources):
                continue
            mend = meant(other, [key for key in self.sources if key != name])
            place = source.place_of("shares_state_with")
            self.reader.note(place, f"there is no other source `{other}`", mend, code="source-unknown")


def free_name(taken: Iterable[str]) -> str:
    """Return `main`, or `main2`, `main3` … when that is taken."""
    taken = set(taken)
    name, number = "main", 1
    while name in taken:
        number += 1
        name = f"main{number}"
    return name
