"""From nodes to models: known keys, shapes, places, and every problem collected instead of the first one raised."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from hub.errors import Problem
from hub.settings.models import Model
from hub.settings.refusing import refusal
from hub.settings.secret import SecretAbsent, is_reference, reveal
from hub.settings.shapes import Shape, Wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from hub.settings.yaml import Node

M = TypeVar("M", bound=Model)
NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
NOT_WRITTEN = frozenset({"name", "system", "options"})  # of a source or receiver: known from where it stands


@dataclass(slots=True)
class Reader:
    """What reading a city needs everywhere: its folder, the environment, and the problems so far."""

    folder: Path
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    def note(self, place: str, message: str, mend: str = "", *, code: str = "shape") -> None:
        """Note a problem and go on."""
        self.problems.append(Problem(place, message, mend, code=code))

    def mapping(self, node: Node, what: str) -> bool:
        """Say whether the node is a mapping; if not, that is a problem."""
        if not isinstance(node.value, dict):
            self.note(node.place, f"{what} must be a mapping", "write `key: value` lines, or {key: value}")
            return False
        return True

    def entries(self, node: Node | None, what: str) -> Iterable[Node]:
        """Return the items of a list; a single mapping counts as a list of one, nothing as none."""
        if node is None or node.value is None:
            return ()
        if isinstance(node.value, dict):
            return (node,)
        if not isinstance(node.value, list):
            self.note(node.place, f"{what} must be a list", "begin each entry with `- `")
            return ()
        return node.items.values()

    def named(self, node: Node | None, what: str) -> Mapping[str, Node]:
        """Return the named parts of a mapping; nothing counts as none."""
        if node is None or node.value is None or not self.mapping(node, what):
            return {}
        return {str(name): part for name, part in node.items.items()}

    def name(self, name: str, place: str, what: str) -> None:
        """Note a name that cannot stand in keys, commands and addresses."""
        if not NAME.fullmatch(name):
            mend = "begin with a small letter; go on with small letters, digits, - and _"
            self.note(place, f"`{name}` cannot be a {what}'s name", mend, code="name")

    def known(self, node: Node, keys: Iterable[str], what: str) -> None:
        """Note every key that is not among the known ones, with the one that was probably meant."""
        keys = list(keys)
        for key in node.keys:
            if key not in keys and key.count(")") > key.count("("):
                mend = "put an expression that holds a comma in quotes"
                self.note(node.key_place(key), f"a comma ends the expression before `{key}`", mend)
            elif key not in keys:
                self.note(node.key_place(key), f"{what} has no key `{key}`", meant(key, keys), code="key-unknown")

    def build(self, model: type[M], node: Node, what: str, shapes: Mapping[str, Shape], **given: Any) -> M | None:
        """Return the model of a mapping, or None with the problems noted.

        `shapes` reads the keys that have a shape of their own; `given` holds fields that were read apart (None: wrong,
        and already noted), and `place` and `written` where they are not the mapping's own.
        """
        if not self.mapping(node, what):
            return None
        before = len(self.problems)
        given = {"place": node.place, "written": node, **given}
        keys = [key for key in keys_of(model) if key not in given]
        self.known(node, keys, what)
        taken = self.take(node, keys, shapes)
        failed = {key for key in node.items if key not in taken} | {key for key in given if given[key] is None}
        try:
            built = model(**{key: value for key, value in given.items() if value is not None}, **taken)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if not detail["loc"] or detail["loc"][0] not in failed:
                    self.invalid(node, detail, what, given["place"])
            return None
        return built if len(self.problems) == before and not failed else None

    def nested(self, model: type[M], node: Node | None, shapes: Mapping[str, Shape], short: str = "") -> M | None:
        """Return a model inside another one, None when it is not written or wrong.

        `short` is the key that a value stands for which is not a mapping (`because: text` is `{purpose: text}`).
        """
        if node is None:
            return None
        what = f"`{model.__name__.lower()}`"
        if node.value is None:
            self.note(node.place, f"{what} has no value", "give it one, or remove the line")
            return None
        if not short or isinstance(node.value, dict):
            return self.build(model, node, what, shapes)
        before = len(self.problems)
        built = self.build(model, node.under(short), what, shapes)
        self.problems[before:] = [  # the short form does not hold the key that it stands for
            replace(each, message=each.message.replace(f"`{short}`", what, 1)) for each in self.problems[before:]
        ]
        return built

    def with_options(
        self, model: type[M], node: Node, what: str, shapes: Mapping[str, Shape], apart: Mapping[str, Any], **given: Any
    ) -> M | None:
        """Return a source or receiver: its own keys by their shapes, all others as its adapter's options.

        `apart` holds the nested models by key, None where there is none.
        """
        own = [key for key in keys_of(model) if key not in NOT_WRITTEN]
        options = {str(key): self.plain(part) for key, part in node.items.items() if key not in own}
        head = node.only([key for key in own if key not in apart])
        return self.build(model, head, what, shapes, options=options, written=node, **written(apart), **given)

    def take(self, node: Node, keys: Iterable[str], shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """Return the values of the keys that are written, each read by its shape; wrong ones are noted and left out."""
        taken = {}
        for key in keys:
            if key not in node.items:
                continue
            part = node.items[key]
            if part.value is None:
                self.note(node.key_place(key), f"`{key}` has no value", "give it one, or remove the line")
                continue
            try:
                taken[key] = shapes[key](part) if key in shapes else part.value
            except Wrong as wrong:
                for each in (wrong, *wrong.others):
                    self.note(each.node.place, f"`{key}`: {each}", each.mend)
        return taken

    def invalid(self, node: Node, detail: ErrorDetails, what: str, place: str) -> None:
        """Note what the model refused, at the place of the value."""
        key = str(detail["loc"][0]) if detail["loc"] else ""
        if detail["type"] == "missing":
            self.note(place, f"{what} needs `{key}`", f"write `{key}:`", code="key-missing")
            return
        message, mend = refusal(detail, node.written_at(*detail["loc"]))
        self.note(node.place_of(*detail["loc"]), f"`{key}` {message}", mend)

    def options(self, node: Node) -> dict[str, Any]:
        """Return a mapping whose keys are not ours to know, with its secrets."""
        if not isinstance(node.value, dict):
            raise Wrong(node, "this must be a mapping", "write `key: value` lines, or {key: value}")
        return {str(key): self.plain(part) for key, part in node.items.items()}

    def plain(self, node: Node) -> Any:
        """Return the node's value with every `env:NAME` and `file:PATH` in it replaced by its secret."""
        if isinstance(node.value, dict):
            return {key: self.plain(part) for key, part in node.items.items()}
        if isinstance(node.value, list):
            return [self.plain(part) for part in node.items.values()]
        if is_reference(node.value):
            try:
                return reveal(node.value, self.folder, self.environ)
            except SecretAbsent as absent:
                self.note(node.place, str(absent), absent.mend, code="secret-absent")
        return node.value


def keys_of(model: type[Model]) -> list[str]:
    """Return the keys a model may be written with, in its order."""
    return [field.alias or name for name, field in model.model_fields.items() if name not in ("place", "written")]


def written(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts that are there."""
    return {key: part for key, part in parts.items() if part is not None}


def meant(key: str, keys: Iterable[str]) -> str:
    """Return the mend for an unknown word: the nearest known one, or all of them."""
    keys = sorted(keys)
    near = get_close_matches(key, keys, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else "it may have: " + ", ".join(keys)
