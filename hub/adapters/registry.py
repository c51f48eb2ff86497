"""Finds adapters by the entry-point group `hub.adapters`, checks their settings, opens sources and sinks.

Nothing is loaded before it is asked for. A plug-in may bring any name, a reserved one too; a package that is not
installed is found where it stands (`hub.adapters.loose`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hub.adapters import loose
from hub.adapters.beside import Looking
from hub.adapters.characters import Characters, is_unicode
from hub.adapters.contract import Adapter, AdapterSettings, PreparedSink, Sink, Site, Source
from hub.adapters.text import TextSink, TextSource
from hub.errors import ConfigurationError, Problem
from hub.settings.gaiji import Glyphs, glyphs
from hub.settings.layouts import Layout, layout_name
from hub.settings.models import Unmappable
from hub.settings.refusing import refusal, said

GROUP = "hub.adapters"
CASES = "hub.conformance"  # the group of what adapters are tried on
PLACES = {"sftp": "sftp://user@host/dir/", "object_storage": "s3://bucket/prefix/", "s3": "s3://bucket/prefix/"}
ELSEWHERE = frozenset({"sftp", "s3", "trigger", "settle"})  # settings that are about other places, and other writers

Place = str | Callable[..., str]  # a place, or a function of the setting's path such as `receiver.place_of`


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in (*entry_points(group=GROUP), *loose.entries(GROUP))}


def cases(name: str) -> Sequence[Any]:
    """Return what makes the cases an adapter is tried on by the conformance kit, none if it names none."""
    found = [entry for entry in (*entry_points(group=CASES), *loose.entries(CASES)) if entry.name == name]
    return tuple(_load(found[-1])) if found else ()


def known(reference: str) -> list[str]:
    """Return the adapters that are meant: the one of that name, or those of the package in that folder."""
    if "/" not in reference and reference in _entries():
        return [reference]
    folder = Path(reference)
    if "/" not in reference and not (folder / loose.FILE).is_file():
        return [reference]
    _entries.cache_clear()
    return loose.add(folder)


def _load(entry: EntryPoint) -> Any:
    """Load what an entry point names. Raises `ConfigurationError` for a package that cannot be loaded."""
    try:
        return entry.load()
    except Exception as error:
        message = f"the adapter `{entry.name}` cannot be loaded: {type(error).__name__}: {error}"
        mend = f"mend its package, or take it out ({entry.value})"
        raise _problem(_raised_at(error) or entry.value, (), message, mend) from error


def _raised_at(error: Exception) -> str:
    """Return file and line of what a package could not do while it was loaded, nothing when it is not there."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [each for each in frames if not each.filename.startswith("<") and "importlib" not in each.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def names() -> list[str]:
    """Return the names of all adapters that are installed, sorted."""
    return sorted(_entries())


def own_names() -> list[str]:
    """Return the names of the adapters that come with the hub, sorted."""
    return sorted(name for name, entry in _entries().items() if entry.value.startswith("hub."))


def find(name: str, *, place: Place = "") -> type[Adapter]:
    """Return the adapter of that name; raises `ConfigurationError` for an unknown one."""
    entry = _entries().get(name)
    if entry is not None:
        adapter: type[Adapter] = _load(entry)
        return adapter
    if name in PLACES:
        message = f"`{name}` is a place, not an adapter: any adapter of files reads and writes there"
        raise _problem(place, ("adapter",), message, f"name the format, such as csv, and write `path: {PLACES[name]}`")
    raise _problem(place, ("adapter",), f"there is no adapter `{name}`", _mend(name, names()))


def settings(
    name: str,
    side: str,
    options: Mapping[str, Any],
    *,
    place: Place = "",
    layouts: Mapping[str, Layout] | None = None,
) -> AdapterSettings:
    """Check a source's or sink's options (`side` is `source` or `sink`) against its adapter's settings.

    With `layouts`, those of the city by file name, a `layout` must be one of them. Raises `ConfigurationError` listing
    every problem.
    """
    adapter = find(name, place=place)
    model = adapter.SourceSettings if side == "source" else adapter.SinkSettings
    if model is None:
        raise _problem(place, ("adapter",), f"the adapter `{name}` has no {side}", f"use one of: {_listed(side)}")
    given = dict(options)
    if given.get("after") == "move" and "after" not in model.model_fields:
        del given["after"]  # the default of every source, without meaning where nothing can be moved
    try:
        return model.model_validate(given, context={"layouts": layouts})
    except ValidationError as error:
        by_path: dict[tuple[Any, ...], list[ErrorDetails]] = {}
        for found in error.errors():
            by_path.setdefault(_path(found, given), []).append(found)
        problems = [_describe(found, path, name, model, place) for path, found in by_path.items()]
        raise ConfigurationError(problems) from None


def reads_files(name: str) -> bool:
    """Say whether an adapter's source reads files, each read once; another gives all it has each time."""
    model = find(name).SourceSettings
    return model is not None and "after" in model.model_fields


def looking(key: str, name: str, options: Mapping[str, Any], *, read: bool) -> Looking | None:
    """Return where a source looks for files on this machine, None where it looks for none or elsewhere."""
    model, path = find(name).SourceSettings, options.get("path")
    if model is None or "leaves" not in model.model_fields or not isinstance(path, str) or "://" in path:
        return None
    trigger, leaves = options.get("trigger"), options.get("leaves") or ()
    return Looking(key, path, trigger if isinstance(trigger, str) else None, tuple(map(str, leaves)), read)


def open_source(name: str, options: Mapping[str, Any], site: Site, *, place: Place = "") -> Source:
    """Open a source by its adapter's name and options (with `after`, what happens to a read file)."""
    given = _with_encoding(name, "source", options, site)
    checked = settings(name, "source", given, place=place or site.key, layouts=site.layouts)
    source = find(name).source(checked, site)
    if site.text is None:
        return source
    return TextSource(source, Characters(glyphs(site.text, site.tables)))


def open_file(name: str, options: Mapping[str, Any], file: Path, site: Site, *, place: Place = "") -> Source:
    """Open a source of files on one file of this machine, which is read at once and stays where it is."""
    lone = {key: value for key, value in options.items() if key not in ELSEWHERE}
    return open_source(name, {**lone, "path": str(file), "after": "keep"}, site, place=place)


def open_sink(
    name: str, options: Mapping[str, Any], site: Site, port: Any = None, *, place: Place = ""
) -> Sink | PreparedSink:
    """Open a sink; `port` is an `Expressions`, or a `Publisher` for `kafka`."""
    given = _with_encoding(name, "sink", options, site)
    checked = settings(name, "sink", given, place=place or site.key, layouts=site.layouts)
    adapter = find(name)
    sink = adapter.sink(checked, site, port)
    encoding, text = encoding_of(checked, site), site.text
    if text is None:
        return sink if is_unicode(encoding) else TextSink(sink, Characters(Glyphs(), encoding), adapter.features, None)
    show = text.unmappable.show if isinstance(text.unmappable, Unmappable) else None
    characters = Characters(glyphs(text, site.tables), encoding, show)
    return TextSink(sink, characters, adapter.features, text.unmappable)


def _with_encoding(name: str, side: str, options: Mapping[str, Any], site: Site) -> Mapping[str, Any]:
    """Return options with the system's own encoding where the adapter has that setting and it is not written."""
    adapter = find(name, place=site.key)
    model = adapter.SourceSettings if side == "source" else adapter.SinkSettings
    encoding = site.text.encoding if site.text is not None else None
    if encoding is None or model is None or "encoding" not in model.model_fields or "encoding" in options:
        return options
    return {**options, "encoding": encoding}


def encoding_named(name: str, options: Mapping[str, Any], site: Site) -> str | None:
    """Return the encoding that a source's records are said to have: its own setting, its layout's, or the system's.

    None where nothing says it, or where the adapter knows better.
    """
    given = _with_encoding(name, "source", options, site)
    layout = site.layouts.get(layout_name(given))
    return str(given["encoding"]) if "encoding" in given else layout.encoding if layout is not None else None


def encoding_of(checked: AdapterSettings, site: Site) -> str | None:
    """Return the encoding a transport writes: its own setting, its layout's, else the system's."""
    own: str | None = getattr(checked, "encoding", None)
    path = getattr(checked, "layout", None)
    if own is None and isinstance(path, str) and path.startswith("layouts/"):  # that of `print` is another thing
        own = site.layouts[layout_name({"layout": path})].encoding
    return own or (site.text.encoding if site.text is not None else None)


def _describe(
    found: list[ErrorDetails], path: tuple[Any, ...], name: str, model: type[AdapterSettings], place: Place
) -> Problem:
    """Return one problem for all that was found wrong at a path: a value that fits none of several forms."""
    shown, kind = ".".join(str(part) for part in path), found[0]["type"]
    if kind == "extra_forbidden":
        message, mend = f"`{name}` has no setting `{shown}`", _mend(str(path[-1]), list(model.model_fields))
    elif kind == "missing":
        message, mend = f"`{name}` needs the setting `{shown}`", f"add `{shown}:`"
    else:
        refused = [said(str(one["ctx"]["error"])) if one["type"] == "value_error" else refusal(one) for one in found]
        message = f"`{shown or name}`: {refused[0][0]}"
        mend = "; or ".join(dict.fromkeys(way for _, way in refused if way)) or f"see hub adapters show {name}"
    return Problem(_place(place, path), message, mend, code="adapter-setting")


def _path(found: ErrorDetails, options: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return where the city's file has it: pydantic's own steps into the forms of a value are left out."""
    if found["type"] == "missing":
        return found["loc"]
    path, current = [], options
    for part in found["loc"]:
        if isinstance(current, Mapping) and part in current:
            path.append(part)
            current = current[part]  # type: ignore[index]
    return tuple(path)


def _problem(place: Place, path: tuple[str, ...], message: str, mend: str) -> ConfigurationError:
    return ConfigurationError([Problem(_place(place, path), message, mend, code="adapter")])


def _place(place: Place, path: tuple[Any, ...]) -> str:
    return place if isinstance(place, str) else place(*path)


def _mend(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean `{close[0]}`?" if close else f"one of: {', '.join(known)}"


def _listed(side: str = "") -> str:
    return ", ".join(name for name in names() if not side or getattr(find(name).features, side))
