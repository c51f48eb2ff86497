"""Writes the adapters' manual from the classes themselves: `adapters.md`, and a page for each in `adapters/`.

`python -m hub.adapters.reference docs/reference` writes them; a test compares them with the files.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hub.adapters import registry
from hub.adapters.contract import Adapter, AdapterSettings, Duration
from hub.adapters.places.object_storage import StorageSettings
from hub.adapters.places.sftp import SftpSettings
from hub.settings.secret import Secret

DURATION = get_args(Duration)[1]
PLAIN = {str: "text", float: "number", int: "number", bool: "true, false", Secret: "text"}
LOGINS: dict[str, type[AdapterSettings]] = {"sftp": SftpSettings, "s3": StorageSettings}

HEAD = """# Adapters

<!-- Written by `python -m hub.adapters.reference docs/reference`; a test keeps it true. -->

An adapter is a transport: it moves bytes and knows nothing of rules. What the columns mean is configuration. In
`systems/*.yaml` an adapter is named by `adapter:` under `sources`, `from` or `receives`; the settings below stand
beside it. Relative paths are from the city folder, missing folders are created, and `env:NAME` or `file:PATH` stands
for a secret.

| adapter | what it speaks | features |
|---|---|---|
{adapters}

`hub adapters show NAME` prints a page, of plug-ins too. A plug-in is a class registered under the entry-point group
`hub.adapters`: `hub adapters new` writes one, `hub adapters check` holds it to what it declares.

An *expression* is CEL and sees `event`, `data`, `subject`, `delivery` and `batch`. A *duration* is a number of seconds,
or a number and `s`, `m`, `h` or `d`: `30s`, `10m`, `26h`, `14d`.

What an adapter promises:

| feature | meaning |
|---|---|
| `source`, `sink` | it can be read from, written to |
| `idempotent` | a repeat of a delivery has no second effect, so the hub may send again when unsure |
| `prepared` | a batch is written in two steps, so that a crash between them is finished exactly once |
| `confirms` | the system can be asked afterwards whether a delivery took effect |
| `pulled` | the system fetches what is on offer; a delivery is done when it has acknowledged it |
| `batch` | the most deliveries one call takes |
"""

NOTE = "<!-- Written by `python -m hub.adapters.reference docs/reference`; a test keeps it true. -->\n\n"

PLACES = """## Places

The adapters of files (`csv`, `excel`, `fixed_width`, `jsonl`) read and write on any of these, with the same promises.
`path` says which it is.

| path | place |
|---|---|
| `in/juki/*.csv`, `out/kokuho/` | a folder of the city, or of a mounted share |
| `sftp://user@host:22/dir/*.csv` | an SFTP server; `/~/` is the user's home; log in with `sftp:` |
| `s3://bucket/prefix/*.csv` | an object storage that speaks S3; log in with `s3:` |
"""


def render() -> str:
    """Return the page of all that adapters have in common, with the list of them."""
    rows = [
        f"| [`{each.name}`](adapters/{each.name}.md) | {each.title['ja']} · {each.title['en']} | {features_of(each)} |"
        for each in map(registry.find, registry.own_names())
    ]
    parts = [HEAD.format(adapters="\n".join(rows)), PLACES]
    parts += [f"### `{name}`\n\n" + "\n".join(_settings(model)) for name, model in LOGINS.items()]
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """Return every page by its path from `docs/reference`: the common one, and one for each adapter of the hub's."""
    own = {f"adapters/{name}.md": NOTE + page_of(registry.find(name)) for name in registry.own_names()}
    return {"adapters.md": render(), **own}


def page_of(adapter: type[Adapter]) -> str:
    """Return one adapter's manual page."""
    lines = [
        f"# `{adapter.name}` {adapter.title['ja']} · {adapter.title['en']}",
        "",
        inspect.getdoc(adapter) or "",
        "",
    ]
    lines += [f"Features: {features_of(adapter)}.", ""]
    for side, model in (("Source", adapter.SourceSettings), ("Sink", adapter.SinkSettings)):
        if model is not None:
            lines += [f"## {side}", "", *_settings(model)]
    for name, model in _parts(adapter).items():
        lines += [f"## `{name}`", "", inspect.getdoc(model) or "", "", *_settings(model)]
    return "\n".join(lines)


def _parts(adapter: type[Adapter]) -> dict[str, type[AdapterSettings]]:
    """Return the settings that are mappings of settings of their own, by name; logins of places stand apart."""
    found: dict[str, type[AdapterSettings]] = {}
    open_ = [model for model in (adapter.SourceSettings, adapter.SinkSettings) if model is not None]
    while open_:
        model = open_.pop(0)
        for name, field in model.model_fields.items():
            inner = _model_in(field.annotation)
            if inner is not None and inner not in LOGINS.values() and inner not in found.values():
                found[name] = inner
                open_.append(inner)
    return found


def _model_in(annotation: Any) -> type[AdapterSettings] | None:
    if inspect.isclass(annotation) and issubclass(annotation, AdapterSettings):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def features_of(adapter: type[Adapter]) -> str:
    """Return what an adapter promises, in one line."""
    named = asdict(adapter.features)
    return ", ".join(f"`{name}`" if value is True else f"`{name}: {value}`" for name, value in named.items() if value)


def _settings(model: type[AdapterSettings]) -> list[str]:
    if not model.model_fields:
        return ["No settings.", ""]
    rows = [
        f"| `{name}` | {_kind(name, field)} | {_default(field)} | {field.description} |"
        for name, field in _ordered(model)
    ]
    return ["| setting | value | default | meaning |", "|---|---|---|---|", *rows, ""]


def _ordered(model: type[AdapterSettings]) -> list[tuple[str, FieldInfo]]:
    return list(model.model_fields.items())


def _shown(model: Any) -> str:
    return next(f"[login](../adapters.md#{name})" for name, login in LOGINS.items() if login is model)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default in (None, {}, []) or isinstance(field.default, AdapterSettings):
        return ""
    return f"`{field.default if isinstance(field.default, str) else orjson.dumps(field.default).decode()}`"


def _kind(name: str, field: FieldInfo) -> str:
    inner = _model_in(field.annotation)
    if inner is not None and inner not in LOGINS.values():
        return f"[mapping](#{name})"
    if DURATION in field.metadata:
        return "duration"
    return " or ".join(dict.fromkeys(_words(field.annotation)))


def _words(annotation: Any) -> list[str]:
    origin = get_origin(annotation)
    if origin is Literal:
        return [f"`{value}`" for value in get_args(annotation)]
    if origin in (dict, list):
        value = get_args(annotation)[-1]
        return [("name: " if origin is dict else "list of ") + ("expression" if value is Any else _words(value)[0])]
    if origin is Annotated:
        return (
            list(annotation.__metadata__)
            if "expression" in annotation.__metadata__
            else _words(get_args(annotation)[0])
        )
    if origin is not None:
        return [word for part in get_args(annotation) if part is not type(None) for word in _words(part)]
    return [_named(annotation)]


def _named(annotation: Any) -> str:
    if annotation in LOGINS.values():
        return _shown(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return PLAIN.get(annotation, "any")


def write(folder: Path) -> None:
    """Write every page below a folder; pages of adapters that are gone are removed."""
    (folder / "adapters").mkdir(exist_ok=True)
    written = pages()
    for path in (folder / "adapters").glob("*.md"):
        if f"adapters/{path.name}" not in written:
            path.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
