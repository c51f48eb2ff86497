"""The one way into a city's folder: `load_city(folder)`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.errors import ConfigurationError, Problem
from hub.settings import front
from hub.settings.laying import read_layout
from hub.settings.layouts import Layout
from hub.settings.models import Approval, City, Limit, Protection, System
from hub.settings.reader import Reader, keys_of, written
from hub.settings.secret import SecretAbsent
from hub.settings.shapes import Shape, Wrong, duration, mapped, one_or_more, share, word
from hub.settings.systems import read_system
from hub.settings.tables import read_table
from hub.settings.telling import read_alerts
from hub.settings.timing import check_calendars, read_calendars
from hub.settings.yaml import Node, parse_yaml, scan_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CITY_FILE = "hub.yaml"
INIT_MEND = "write one with `hub init {folder}`, or name the city's folder with --city or HUB_CITY"
ENVIRONMENT_KEYS = frozenset(
    {"folder", "prefix", "systems", "tables", "layouts", "calendars", "ledger_url", "bootstrap"}
)
CITY_NAME = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)  # it stands in the types on the wire
PLACE = re.compile(r"(?P<file>.+):(?P<line>[0-9]+):(?P<column>[0-9]+)", re.DOTALL)
TOPIC_PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)  # Kafka's legal characters


def load_city(folder: Path | str, *, environ: Mapping[str, str] = os.environ) -> City:
    """Read a city's folder into frozen models.

    Raises `ConfigurationError` with every problem of every file, in the files' order. `environ` gives `HUB_KAFKA`,
    `HUB_LEDGER` and the secrets.
    """
    root = Path(folder).resolve()
    reader = Reader(root, environ)
    if not os.path.isfile(root / CITY_FILE):  # noqa: PTH113 — false, not an error, where the folder cannot be looked into
        reader.note(CITY_FILE, f"there is no {CITY_FILE} in {folder}", INIT_MEND.format(folder=folder), code="no-city")
        raise ConfigurationError(reader.problems)
    city = read_city(reader)
    systems = read_systems(reader)
    calendars = read_calendars(
        reader, ((path.stem, read(reader, path)) for path in files(reader, "calendars", ".yaml"))
    )
    if city is not None:
        check_calendars(reader, city, systems, calendars)
    parts = {
        "systems": systems,
        "tables": {path.stem: read_table(reader, path) for path in files(reader, "tables", ".csv")},
        "layouts": read_layouts(reader),
        "calendars": calendars,
        "ledger_url": ledger_url(reader),
        "bootstrap": front.bootstrap(environ),
    }
    if city is None or reader.problems:
        raise ConfigurationError(in_order(reader.problems))
    return city.model_copy(update={"folder": str(root), **parts})


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return the problems file by file as they were read, each file's by line and column."""
    spots = [spot_of(problem.place) for problem in problems]
    files = list(dict.fromkeys(file for file, _, _ in spots))
    keyed = zip(((files.index(file), line, column) for file, line, column in spots), problems, strict=True)
    return [problem for _, problem in sorted(keyed, key=lambda pair: pair[0])]


def spot_of(place: str) -> tuple[str, int, int]:
    """Return the parts of a place; a file as a whole stands before its lines."""
    match = PLACE.fullmatch(place)
    return (match["file"], int(match["line"]), int(match["column"])) if match else (place, 0, 0)


def read_city(reader: Reader) -> City | None:
    """Return the city of hub.yaml alone, or None with the problems noted. An empty file means every default."""
    path = reader.folder / CITY_FILE
    node = read(reader, path)
    if node is None and [problem.code for problem in reader.problems] == ["empty"]:
        reader.problems.clear()
        node = parse_yaml("{}", CITY_FILE)
    if node is None or not reader.mapping(node, CITY_FILE):
        return None
    reader.known(node, [*(key for key in keys_of(City) if key not in ENVIRONMENT_KEYS), "kafka"], CITY_FILE)
    protection = reader.nested(Protection, node.items.get("protection"), {"max_age": duration, "max_drop": share})
    alerts = read_alerts(reader, node.items.get("alerts"))
    approval = read_approval(reader, node.items.get("approval"))
    apart = {"protection", "alerts", "approval"}
    head = node.only([key for key in keys_of(City) if key not in ENVIRONMENT_KEYS and key not in apart])
    city = reader.build(City, head, CITY_FILE, city_shapes(), prefix=prefix(reader, node), written=node)
    parts = {"protection": protection, "alerts": alerts, "approval": approval}
    return city and city.model_copy(update={"protection": protection, **written(parts)})


def city_shapes() -> dict[str, Shape]:
    """Return the shapes of hub.yaml's keys."""
    return {
        "city": city_name,
        "timezone": timezone,
        "calendar": word,
        "authority": mapped(one_or_more(word)),
    }


def read_approval(reader: Reader, node: Node | None) -> Approval:
    """Return who needs a second person for what."""
    if node is not None and node.value is not None and isinstance(node.value, dict):
        reader.known(node, keys_of(Approval), "`approval`")
    parts = reader.named(node, "`approval`")
    limits = {name: reader.nested(Limit, part, {}) for name, part in parts.items() if name in keys_of(Approval)}
    return Approval(**written(limits))


def city_name(node: Node) -> str:
    """Return the city's name, which stands in every event type on the wire."""
    name = word(node)
    if not CITY_NAME.fullmatch(name):
        raise Wrong(node, f"`{name}` cannot be a city's name", "use small letters, digits and -, a letter first")
    return name


def timezone(node: Node) -> str:
    """Return the name of a time zone that exists."""
    name = word(node)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Wrong(node, f"there is no time zone `{name}`", "write Asia/Tokyo") from None
    return name


def prefix(reader: Reader, node: Node) -> str | None:
    """Return `kafka.prefix`, with which the topics' names begin; None with the problem noted."""
    written = node.items.get("kafka")
    if written is None:
        return "hub"
    if not reader.mapping(written, "`kafka`"):
        return None
    reader.known(written, ["prefix"], "`kafka`")
    name = reader.take(written, ["prefix"], {"prefix": word}).get("prefix", "hub")
    if not TOPIC_PREFIX.fullmatch(name):
        mend = "use letters, digits, . _ and -"
        reader.note(written.place_of("prefix"), f"topics' names cannot begin with `{name}`", mend)
        return None
    return str(name)


def read_systems(reader: Reader) -> dict[str, System]:
    """Return the systems by name, sorted."""
    found: dict[str, System] = {}
    for path in files(reader, "systems", ".yaml"):
        node = read(reader, path)
        system = read_system(reader, node) if node is not None else None
        if system is not None:
            found[system.system] = system
    return found


def read_layouts(reader: Reader) -> dict[str, Layout]:
    """Return the layouts by file name."""
    nodes = ((path.stem, read(reader, path)) for path in files(reader, "layouts", ".yaml"))
    return written({name: read_layout(reader, node) for name, node in nodes if node is not None})


def files(reader: Reader, kind: str, suffix: str) -> Iterator[Path]:
    """Yield the files of a kind sorted by name; nearly the right ending is a problem, others are passed over."""
    folder = reader.folder / kind
    if not folder.is_dir():
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        reader.note(kind, f"the folder cannot be read: {error.strerror}", code="unreadable")
        return
    for path in paths:
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix == suffix:
            yield path
        elif path.suffix.lower() in (suffix, ".yml", ".yaml"):
            name = path.relative_to(reader.folder).as_posix()
            reader.note(
                name, f"files of {kind}/ end in {suffix}", f"rename it to {path.stem}{suffix}", code="file-name"
            )


def read(reader: Reader, path: Path) -> Node | None:
    """Return what makes sense of one YAML file, with its problems noted; None if nothing does."""
    node, problems = scan_yaml(path, folder=reader.folder)
    reader.problems.extend(problems)
    return node


def ledger_url(reader: Reader) -> str:
    """Return the ledger's SQLAlchemy URL; a secret that is not there is noted."""
    try:
        return front.ledger_url(reader.folder, reader.environ)
    except SecretAbsent as absent:
        reader.note("HUB_LEDGER", str(absent), absent.mend, code="secret-absent")
        return ""
