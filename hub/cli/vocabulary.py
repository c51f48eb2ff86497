"""Writes the pages of the words that rules and mappings are made of: `events.md`, `facts.md` and `names.md`.

They are made of the catalogue, the facts' shapes and the names that the code compiles expressions with.
`python -m hub.cli.vocabulary docs/reference` writes them; a test compares them with the files.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hub.app import SINK_ROOTS
from hub.events.catalogue import TYPES, Address, EventType, Field
from hub.events.catalogue.base import fields_of
from hub.events.facts import delta
from hub.ledger.facts import homes
from hub.routing import mapping, plan
from hub.routing.lint_expressions import ATTRIBUTES as IN_RULES
from hub.routing.lint_receivers import PROJECTED
from hub.routing.shapes import FACTS, LOCATING_FACTS, Choice, Shape, shape_of

NOTE = "<!-- Written by `python -m hub.cli.vocabulary docs/reference`; a test keeps it true. -->"

KINDS = {
    "text": "a text",
    "name": "a person's name",
    "kana": "a name in kana",
    "date": "a day, `YYYY-MM-DD`",
    "address": "an [address](#an-address)",
    "number": "the number of a person, a household or a paper: a text",
    "municipality": "six digits",
    "postal_code": "seven digits, with or without hyphen",
    "choice": "one of the texts listed",
    "flag": "true or false",
    "count": "a number",
    "list": "a list; of objects, where rows with `[]` follow",
    "json": "an object, or a list, of any JSON",
}

EVENTS = f"""# Events

{NOTE}

Every type of event, with the fields of its `data`. Fields that are not listed are refused at intake. On the wire a
type is `jp.lg.<city>.<type>.v<version>`; in a city's files and filters it is the short name. What rules see of an
event: [names](names.md); what an event says of a resident: [facts](facts.md). `hub schemas DIR` writes the same as
JSON Schemas.

A field marked *locates* tells where a person is: it is left out for [protected residents](city-folder.md#protection)
where `protected` says so, and so is what a rule computes from it.

| kind | is |
|---|---|
{{kinds}}

| type | 種別 | meaning | version |
|---|---|---|---|
{{types}}

## An address

{{address}}
"""

FACTS_PAGE = f"""# Facts

{NOTE}

What the hub knows of a resident from the events that stand: `facts` just before the event, `after` with it. Facts hold
from the day an event takes effect (`effective_on`); a later report of an earlier day is put in its place. What is not
known is absent, and makes an expression [unknown](expressions.md#values-and-paths), unless `has(…)` asks for it.

`facts.insurance`, `facts.benefits` and `facts.contracts` are maps, always there though maybe empty. **X** is what the
events' field says: `facts.insurance.kokuho` after `insurance.enrolled` with the `scheme` `kokuho`; a name with a sign
is written in brackets, `facts.benefits["jido-teate"].active`. An entry stays after its end, with `active` false.

| fact | kind | locates | set by | made false, or taken away, by |
|---|---|---|---|---|
{{rows}}

An address has the parts of [the events' addresses](events.md#an-address): `facts.resident.address.town`. Events of
other types say nothing that is kept as a fact. `facts.household` is what is known now, not on the event's day, of
those who have the resident's household number: `members` are the numbers of its residents, `size` counts them, `head`
is the one of them who was named last as `head`, `new_head`, or by the relationship. `facts.protected` follows the
events above alone; the list of `protection.list` is asked when something is sent.

The same names stand in `given: {{{{facts: …}}}}` of [rule tests](rules.md#rule-tests).
"""


class Place(NamedTuple):
    """Where expressions stand, and the names they may use there."""

    where: str
    roots: Collection[str]


PLACES = {
    "rules": Place("a rule's `when`, and `send: {name: …}`", plan.ROOTS),
    "rows": Place(
        "`publishes`: `subject`, `id`, `sequence`, `local_id`, `defaults`, `map`, `when`, `cancels`, `corrects`; of a"
        " source: `identity`, `id` and `verify` of `identify`",
        mapping.ROOTS,
    ),
    "differences": Place(
        "the same of a full extract (`mode: snapshot`), but for its `subject` and `sequence`", mapping.DIFFERENCE_ROOTS
    ),
    "keys": Place("of a full extract: `key`, `subject`, `sequence`", mapping.ROOTS),
    "as_of": Place("of a full extract: `as_of`", mapping.ROOTS | {"batch"}),
    "sinks": Place(
        "at a receiver: `columns`, `key`, `on_cancel`, `name`, and whatever else [its adapter](adapters.md) calls an"
        " expression, also in `{…}`; a layout's `value`; a source's `reconcile`",
        SINK_ROOTS,
    ),
    "answers": Place("`acknowledged`: `match`, `taken`, `error`, `warning`", mapping.ROOTS),
    "files": Place("`acknowledged`: `about`", {"file"}),
}

NAMES = {
    "event": "the event's attributes: see below",
    "data": "the fields of the [event](events.md); where something is sent, those of the rule's `send`",
    "subject": "the resident's number, a text",
    "facts": "what is known of the resident just before the event: [facts](facts.md)",
    "after": "the same, with the event applied",
    "delivery": "`delivery.key`, `delivery.no` and `delivery.action`: see below",
    "batch": "where something is sent: `batch.no` and `batch.date`; of a full extract: `batch.name`, `batch.date` and"
    " `batch.as_of`: see below",
    "row": 'a row of the source, or of the answer: its columns by their names, `row.氏名` or `row["世帯 番号"]`; cells'
    " are texts, of a database or of JSON also numbers, true and false, lists and maps",
    "was": "the row as it was known before; of a new row nothing",
    "changed": 'the list of the columns that differ: `"住所" in changed`',
    "change": "`new`, `changed` or `missing`",
    "file": "the file's name, without its folders",
}

ATTRIBUTES = {
    "id": "the event's id, unique in its system",
    "source": "`/systems/juki`: who reported it",
    "system": "`juki`: the same without `/systems/`",
    "type": "the short type: `resident.moved`",
    "version": "the version of the type, a number",
    "subject": "the resident's number",
    "time": "when it was reported or, in a file, read (RFC 3339): `date(event.time)` is its day in the city",
    "sequence": "the system's number of the change, where it gives one",
    "batchid": "the batch it came in, where it came in one",
    "specversion": "`1.0`",
    "deliverykey": "as `delivery.key`",
    "action": "as `delivery.action`, absent where it is `new`",
    "corrects": "the id of the event it corrects or cancels",
    "data": "as `data`",
}
DELIVERY = {
    "delivery.key": "`<source system>/<event id>:<system>.<receiver>:<n>`: the same whenever it is sent again",
    "delivery.no": "a number that grows with each delivery to the receiver",
    "delivery.action": "`new`, `correct`, `cancel` or `seed`",
    "batch.no": "a number that grows with each file, or call, to the receiver",
    "batch.date": "the day it is made, `YYYY-MM-DD` in the city; of a full extract the day it is of",
    "batch.name": "of a full extract: the file's name, without its folders (there alone in `as_of`)",
    "batch.as_of": "of a full extract: the moment it is of, `YYYYMMDDhhmmss` and maybe more digits",
}

NAMES_PAGE = f"""# Names in expressions

{NOTE}

What an [expression](expressions.md) may name depends on where it stands; `hub check` refuses any other name. A text
stands in quotes, in YAML so: `scheme: '"koki"'`.

| place | names |
|---|---|
{{places}}

| name | holds |
|---|---|
{{names}}

## `event`

Other attributes of a CloudEvent are not kept.

| attribute | holds | in rules | where it is sent |
|---|---|---|---|
{{attributes}}

## `delivery` and `batch`

| name | holds |
|---|---|
{{delivery}}
"""


def pages() -> dict[str, str]:
    """Return every page by its name."""
    return {"events.md": events(), "facts.md": facts(), "names.md": names()}


# --- events --------------------------------------------------------------------------------------------------------


def events() -> str:
    """Return the page of all types of events."""
    head = EVENTS.format(
        kinds=_lines(f"| {kind} | {said} |" for kind, said in KINDS.items()),
        types=_lines(
            f"| [`{each.name}`](#{each.name.replace('.', '')}) | {each.ja} | {each.en} | {each.version} |"
            for each in TYPES.values()
        ),
        address=_fields(fields_of(Address)),
    )
    return "\n".join([head, *(_type(each) for each in TYPES.values())])


def _type(each: EventType) -> str:
    said = inspect.getdoc(each.model) or ""
    return f"## {each.name}\n\n{each.ja}: {said}\n\n{_fields(each.fields)}\n"


def _fields(fields: Mapping[str, Field]) -> str:
    head = ["| field | 項目 | kind | required | locates | meaning |", "|---|---|---|---|---|---|"]
    return _lines([*head, *_rows(fields, "")])


def _rows(fields: Mapping[str, Field], before: str) -> Iterator[str]:
    for name, each in fields.items():
        shown = ", ".join(f"`{choice}`" for choice in each.choices) or each.kind
        said = each.en.replace("<", "&lt;")
        needed, locates = "" if each.optional else "yes", "yes" if each.locating else ""
        yield f"| `{before}{name}` | {each.ja} | {shown} | {needed} | {locates} | {said} |"
        if each.kind == "list":
            yield from _rows(each.fields, f"{before}{name}[].")


# --- facts ---------------------------------------------------------------------------------------------------------

Steps = tuple[str, ...]  # of a fact
ADDRESS = shape_of(fields_of(Address))


def facts() -> str:
    """Return the page of all facts."""
    set_by, ended_by = _changes()
    rows = (_fact(path, shape, set_by.get(path, ()), ended_by.get(path, ())) for path, shape in _paths(FACTS))
    return FACTS_PAGE.format(rows=_lines(rows))


def _fact(path: Steps, shape: Shape, set_by: Collection[str], ended_by: Collection[str]) -> str:
    kind = ", ".join(f"`{each}`" for each in shape.values) if isinstance(shape, Choice) else shape
    locates = "yes" if any(path[: len(place)] == place for place in LOCATING_FACTS) else ""
    by = " · ".join(f"`{name}`" for name in dict.fromkeys(set_by))
    ended = " · ".join(f"`{name}`" for name in dict.fromkeys(ended_by))
    return f"| `facts.{'.'.join(path)}` | {'address' if shape == ADDRESS else kind} | {locates} | {by} | {ended} |"


def _paths(shape: Shape, before: Steps = ()) -> Iterator[tuple[Steps, Shape]]:
    if shape == ADDRESS or not isinstance(shape, Mapping):
        yield before, shape
        return
    for name, below in shape.items():
        yield from _paths(below, (*before, "X" if name == "*" else name))


def _changes() -> tuple[dict[Steps, list[str]], dict[Steps, list[str]]]:
    """Return which types set each fact, and which take it away or end it: found by asking with every field given."""
    set_by: dict[Steps, list[str]] = {}
    ended_by: dict[Steps, list[str]] = {}
    for name, each in TYPES.items():
        whole = dict.fromkeys(each.fields, "X")
        for path, value in _said(delta(name, whole)):
            (ended_by if value is None or value is False else set_by).setdefault(path, []).append(name)
        bare = {field: "X" for field, about in each.fields.items() if not about.optional}
        for path, value in _said(delta(name, bare)):
            if value is None:
                ended_by.setdefault(path, []).append(name)
        for _, home, _ in homes(name, "1", whole):
            for path, _ in _paths(FACTS["household"], ("household",)):
                (set_by if home else ended_by).setdefault(path, []).append(name)
    return set_by, ended_by


def _said(said: Any, before: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    if not isinstance(said, Mapping):
        yield before, said
        return
    for name, below in said.items():
        yield from _said(below, (*before, name))


# --- names ---------------------------------------------------------------------------------------------------------


def names() -> str:
    """Return the page of what expressions may name."""
    return NAMES_PAGE.format(
        places=_lines(f"| {where} | {_listed(roots)} |" for where, roots in PLACES.values()),
        names=_lines(f"| `{name}` | {said} |" for name, said in NAMES.items()),
        attributes=_lines(
            f"| `event.{name}` | {said} | {_yes(name in IN_RULES)} | {_yes(name in (*PROJECTED, 'data'))} |"
            for name, said in ATTRIBUTES.items()
        ),
        delivery=_lines(f"| `{name}` | {said} |" for name, said in DELIVERY.items()),
    )


def _listed(roots: Collection[str]) -> str:
    return " ".join(f"`{name}`" for name in NAMES if name in roots)


def _yes(said: bool) -> str:
    return "yes" if said else ""


def _lines(lines: Any) -> str:
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Write every page into a folder."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
