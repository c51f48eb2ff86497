"""JSON Schemas (draft 7) of `systems/*.yaml` and `hub.yaml`, for editors that complete and check while one types.

Made of what the files are read by: the settings' models, the shapes of their values, and the settings of every adapter
that is installed. They take all that is right; what only the whole city shows to be wrong is said by `hub check`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from hub.adapters import registry
from hub.adapters.contract import AdapterSettings
from hub.settings import load, models, publishing, receiving, timing
from hub.settings.model import Model
from hub.settings.reader import NAME, NOT_WRITTEN, keys_of
from hub.settings.shapes import (
    WORD,
    Schema,
    Shape,
    days,
    duration,
    mapped,
    one_or_more,
    schema_of,
    seconds,
    share,
    title,
    word,
)  # fmt: skip

DRAFT = "http://json-schema.org/draft-07/schema#"
SYSTEM, CITY = "system.schema.json", "hub.schema.json"
FOLDER = "schemas"  # of a city
MODELINE = "# yaml-language-server: $schema="
SECRET: Schema = {"type": "string", "pattern": "^(env|file):"}
FREE: Schema = {"type": "object"}
MOVE = ("move", "keep", "delete")


def write_schemas(folder: Path) -> list[Path]:
    """Write both schemas into a folder, which is made if needed, over those of before; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in {SYSTEM: system_schema(), CITY: city_schema()}.items():
        (folder / name).write_text(json.dumps(schema, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return [folder / SYSTEM, folder / CITY]


def system_schema() -> Schema:
    """Return the schema of a system's file."""
    protected = _short(models.Protected, "mode", receiving.PROTECTED_SHAPES)
    properties = {
        "system": {"type": "string", "pattern": f"^{NAME.pattern}$"},
        "title": schema_of(title),
        "owner": WORD,
        "ids": _object(models.Ids),
        "protected": protected,
        "text": FREE,
        "sources": _named(_ref("source")),
        "publishes": _entries(_publication()),
        "subscribes": _entries(_subscription(protected)),
        "receives": _either({"type": "object", "required": ["adapter"]}, _ref("receiver"), _named(_ref("receiver"))),
    }
    return {
        "$schema": DRAFT,
        "title": "A system of the city: what it reports, what it is told, how it is reached",
        **_strict(properties, keys_of(models.System), ["system"]),
        "definitions": _definitions(),
    }


def city_schema() -> Schema:
    """Return the schema of `hub.yaml`."""
    shapes = load.city_shapes()
    limits = _strict({name: _object(models.Limit) for name in keys_of(models.Approval)}, keys_of(models.Approval))
    properties = {
        "city": WORD,
        **{key: schema_of(shape) for key, shape in shapes.items() if schema_of(shape)},
        "timezone": WORD,
        "protection": _object(models.Protection, {"max_age": duration, "max_drop": share}),
        "approval": limits,
        "alerts": _alerts(),
        "kafka": _strict({"prefix": WORD}, ["prefix"]),
    }
    keys = [key for key in keys_of(models.City) if key not in load.ENVIRONMENT_KEYS]
    return {
        "$schema": DRAFT,
        "title": "The city",
        **_strict(properties, [*keys, "kafka"]),
        "type": ["object", "null"],
    }


# --- parts ---------------------------------------------------------------------------------------------------------


def _publication() -> Schema:
    case = _properties(models.Case, publishing.CASE_SHAPES)
    own = {key: schema_of(shape) for key, shape in publishing.PUBLICATION_SHAPES.items()}
    own["otherwise"] = _typed(models.Publication, "otherwise")
    cases = _entries(_strict(case, list(case)))
    properties = {**own, **case, "from": _either(WORD, WORD, _ref("source")), "cases": cases}
    return _strict(properties, list(properties), ["from"])


def _subscription(protected: Schema) -> Schema:
    within = {"anyOf": [schema_of(days), _object(models.Within)]}
    parts = {"because": _short(models.Because, "purpose"), "within": within, "protected": protected}
    keys = [key for key in keys_of(models.Subscription) if key != "system"]
    properties = {**_properties(models.Subscription, receiving.SUBSCRIPTION_SHAPES), **parts}
    return _strict(properties, keys, ["id", "on"])


def _definitions() -> dict[str, Schema]:
    """Return `source` and `receiver`, each the one of its adapter, and what adapters' settings refer to."""
    guard = _object(models.Guard, publishing.GUARD_SHAPES)
    identify = _object(models.Verify, publishing.VERIFY_SHAPES)
    source = _properties(models.Source, publishing.SOURCE_SHAPES) | {"guard": guard, "identify": identify, "text": FREE}
    acknowledged = _object(models.Acknowledged, {"match": mapped(word)})
    acknowledged["properties"] |= {"from": _ref("source"), "by": _short(models.AnswerBy, "at", {"calendar": word})}
    receiver = _properties(models.Receiver, receiving.RECEIVER_SHAPES) | {
        "retry": _object(models.Retry, receiving.RETRY_SHAPES),
        "window": _object(models.Window, {"lead": duration}),
        "maintenance": _entries(_maintenance()),
        "flush": _object(models.Flush, {"seconds": seconds}),
        "acknowledged": acknowledged,
    }
    settings, shared = _adapters()
    made: dict[str, Schema] = dict(shared)
    for side, own in (("source", source), ("receiver", receiver)):
        names = sorted(settings[side])
        for name in names:
            mine = settings[side][name]
            known = {**_written(own), **mine["properties"], "adapter": {"const": name}}
            made[f"{side}_{name}"] = {
                "description": mine.get("description", ""),
                **_strict(known, list(known), ["adapter", *mine.get("required", ())]),
            }
        made[side] = {
            "type": "object",
            "properties": {"adapter": {"enum": names}},
            "required": ["adapter"],
            "allOf": [
                {"if": {"properties": {"adapter": {"const": name}}}, "then": _ref(f"{side}_{name}")} for name in names
            ],
        }
    return made


def _written(own: Mapping[str, Schema]) -> dict[str, Schema]:
    return {key: value for key, value in own.items() if key not in NOT_WRITTEN}


def _maintenance() -> Schema:
    number = {"type": "integer", "minimum": 1, "maximum": 5}
    properties = {
        "weekday": schema_of(one_or_more(timing.weekday)),
        "day": schema_of(one_or_more(timing.month_day)),
        "nth": {"anyOf": [number, {"type": "array", "items": number}]},
        "from": WORD,
        "until": WORD,
        "note": WORD,
    }
    return _strict(properties, keys_of(models.Maintenance))


def _alerts() -> Schema:
    hook = _strict({"url": WORD, "headers": FREE, "proxy": WORD}, keys_of(models.Webhook), ["url"])
    mail = _properties(models.Mail, {"from": word, "to": one_or_more(word)})
    properties = {
        **_properties(models.Alerts, {"breaker_after": duration, "quiet": duration}),
        "webhook": _entries({"anyOf": [WORD, hook]}),
        "chat": _entries({"anyOf": [WORD, hook]}),
        "mail": _entries(_strict({**mail, "user": WORD, "password": WORD}, list(mail), ["host", "from", "to"])),
    }
    return _strict(properties, keys_of(models.Alerts))


# --- adapters ------------------------------------------------------------------------------------------------------


def _adapters() -> tuple[dict[str, dict[str, Schema]], dict[str, Schema]]:
    """Return each side's settings by adapter, and the models they refer to."""
    found = list(_settings())
    inputs: list[tuple[type[AdapterSettings], Any]] = [(model, "validation") for _, _, model in found]
    by_model, whole = models_json_schema(inputs, ref_template="#/definitions/{model}")
    shared: dict[str, Schema] = {name: _plain(each) for name, each in whole.get("$defs", {}).items()}
    sides: dict[str, dict[str, Schema]] = {"source": {}, "receiver": {}}
    used = set()
    for side, name, model in found:
        key = by_model[model, "validation"]["$ref"].rpartition("/")[2]
        used.add(key)
        own = shared[key]
        sides[side][name] = {**own, "properties": {k: _may_be_secret(v) for k, v in own.get("properties", {}).items()}}
        sides[side][name].setdefault("properties", {})
    return sides, {name: each for name, each in shared.items() if name not in used}


def _settings() -> Iterator[tuple[str, str, type[AdapterSettings]]]:
    for name in registry.names():
        adapter = registry.find(name)
        if adapter.SourceSettings is not None:
            yield "source", name, adapter.SourceSettings
        if adapter.SinkSettings is not None:
            yield "receiver", name, adapter.SinkSettings


def _may_be_secret(schema: Schema) -> Schema:
    """Let `env:NAME` and `file:PATH` stand for a value, whatever form the value has."""
    if schema.get("type") == "string" and not {"pattern", "enum", "const"} & schema.keys():
        return schema
    said: Schema = {key: value for key, value in schema.items() if key in ("description", "default")}
    rest = {key: value for key, value in schema.items() if key not in said}
    return {**said, "anyOf": [rest, SECRET]}


# --- models --------------------------------------------------------------------------------------------------------


def _properties(model: type[Model], shapes: Mapping[str, Shape] | None = None) -> dict[str, Schema]:
    """Return the schema of each key a model is written with: by its shape, else by the field's type."""
    shapes = shapes or {}
    fields = {field.alias or name: name for name, field in model.model_fields.items()}
    return {
        key: (schema_of(shapes[key]) if key in shapes else {}) or _typed(model, fields[key])
        for key in keys_of(model)
        if not _is_model(model.model_fields[fields[key]].annotation)
    }


def _is_model(annotation: Any) -> bool:
    return any(isinstance(part, type) and issubclass(part, Model) for part in (annotation, *_parts(annotation)))


def _parts(annotation: Any) -> Iterator[Any]:
    for part in getattr(annotation, "__args__", ()):
        yield part
        yield from _parts(part)


def _typed(model: type[Model], name: str) -> Schema:
    field = model.model_fields[name]
    made = TypeAdapter(field.rebuild_annotation()).json_schema()
    plain: Schema = _plain({key: value for key, value in made.items() if key != "default"})
    return plain


def _object(model: type[Model], shapes: Mapping[str, Shape] | None = None) -> Schema:
    """Return the schema of a model that is written as a mapping."""
    needed = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    return _strict(_properties(model, shapes), keys_of(model), needed)


def _short(model: type[Model], key: str, shapes: Mapping[str, Shape] | None = None) -> Schema:
    """Return the schema of a model that may be written as the value of one of its keys."""
    whole = _object(model, shapes)
    return {"anyOf": [whole["properties"][key], whole]}


def _strict(properties: Mapping[str, Schema], keys: list[str], required: list[str] | None = None) -> Schema:
    """Return the schema of a mapping with these keys and no others."""
    schema: Schema = {"type": "object", "properties": {key: properties.get(key, {}) for key in keys}}
    return {**schema, "additionalProperties": False, **({"required": required} if required else {})}


def _named(of: Schema) -> Schema:
    return {"type": ["object", "null"], "additionalProperties": of}


def _entries(of: Schema) -> Schema:
    """Return the schema of a list of entries, of one, or of none."""
    return _either({"type": "array"}, {"items": of}, _either({"type": "null"}, {}, of))


def _either(test: Schema, then: Schema, otherwise: Schema) -> Schema:
    """Return the schema that is one or the other by a test: unlike `anyOf`, it says what is wrong and where."""
    return {"if": test, "then": then, "else": otherwise}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _plain(schema: Any) -> Any:
    """Return pydantic's schema in draft 7 without the titles it makes of names."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    if "prefixItems" in kept:
        kept["items"] = kept.pop("prefixItems")
    return kept
