"""Checks of what an adapter says of itself; they need no system."""
# ruff: noqa: D401 — a check's docstring says what holds

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args

from hub.adapters.conformance.cases import expect
from hub.adapters.contract import Adapter, AdapterSettings, Features

HIDING = ("password", "passphrase", "secret", "token", "api_key", "access_key", "secret_key")


def _models(adapter: type[Adapter]) -> Iterator[tuple[str, type[AdapterSettings]]]:
    for side in ("source", "sink"):
        model = getattr(adapter, "SourceSettings" if side == "source" else "SinkSettings", None)
        if model is not None:
            yield side, model


def sides_are_as_declared(adapter: type[Adapter]) -> None:
    """`source` and `sink` are declared exactly where there are settings for them, and at least one is."""
    features: Any = adapter.features
    expect(isinstance(features, Features), "`features` is a `Features`")
    expect(features.source or features.sink, "an adapter reads, writes, or both")
    there = {side for side, _ in _models(adapter)}
    for side in ("source", "sink"):
        expect((side in there) == getattr(features, side), f"`{side}` and `{side.title()}Settings` disagree")


def features_fit_together(adapter: type[Adapter]) -> None:
    """What a sink promises is promised by a sink; one in two steps is finished by `recover`, never asked."""
    features = adapter.features
    promised = [name for name in ("idempotent", "prepared", "confirms") if getattr(features, name)]
    expect(features.sink or not promised, f"without a sink, {promised[:1]} means nothing")
    expect(not (features.prepared and features.confirms), "`prepared` and `confirms` exclude each other")
    expect(features.batch >= 1, "`batch` is at least 1")


def the_page_can_be_written(adapter: type[Adapter]) -> None:
    """Name, title in two languages, a docstring that begins with a sentence, and a description of every setting."""
    expect(adapter.name.isidentifier() and adapter.name.islower(), "`name` is a small word, as `adapter:` names it")
    titles = adapter.title
    expect(set(titles) == {"ja", "en"} and all(titles.values()), "`title` is {ja: …, en: …}")
    said = (inspect.getdoc(adapter) or "").partition("\n\n")[0].rstrip()
    expect(said.endswith((".", "。", ":")), "the docstring begins with a sentence")
    for side, model in _models(adapter):
        for name, field in model.model_fields.items():
            expect(bool(field.description), f"the {side}'s setting `{name}` has no description")


def settings_are_strict(adapter: type[Adapter]) -> None:
    """Settings are frozen and refuse keys they do not know."""
    for side, model in _models(adapter):
        expect(issubclass(model, AdapterSettings), f"the {side}'s settings are no `AdapterSettings`")
        expect(model.model_config.get("extra") == "forbid", f"the {side}'s settings take keys they do not know")
        expect(bool(model.model_config.get("frozen")), f"the {side}'s settings can be changed")


def secrets_are_hidden(adapter: type[Adapter]) -> None:
    """A setting that holds a secret by its name has the type `Secret`, whose `repr` hides it."""
    for side, model in _models(adapter):
        for name, field in model.model_fields.items():
            if any(word in name for word in HIDING):
                kinds = {field.annotation, *get_args(field.annotation)}
                expect(str not in kinds, f"the {side}'s setting `{name}` would be shown: make it a `Secret`")


DECLARED_CHECKS: tuple[Callable[[type[Adapter]], None], ...] = (
    sides_are_as_declared,
    features_fit_together,
    the_page_can_be_written,
    settings_are_strict,
    secrets_are_hidden,
)
