"""Secrets: `env:NAME` and `file:PATH` stand for values that never appear in the city's files or in output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import GetCoreSchemaHandler


class Secret(str):
    """A text whose `repr` hides it; everything else treats it as the plain `str` it is.

    As the type of a pydantic field it takes any text and keeps it hidden (a field of type `str` would not).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take a text as it is and hide it."""
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class SecretAbsent(ValueError):  # noqa: N818 — an answer about one value
    """The place a secret points to holds nothing; `mend` says what to set."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


def is_reference(value: object) -> TypeGuard[str]:
    """Say whether a value is `env:NAME` or `file:PATH` (a `file://` address is not)."""
    return isinstance(value, str) and (
        value.startswith("env:") or (value.startswith("file:") and not value.startswith("file://"))
    )


def reveal(reference: str, folder: Path, environ: Mapping[str, str]) -> Secret:
    """Return what a reference stands for; PATH is from the city folder, its last line break is left off.

    Raises `SecretAbsent` when there is nothing.
    """
    kind, _, name = reference.partition(":")
    return Secret(from_environment(name, environ) if kind == "env" else from_file(folder / name, name))


def from_environment(name: str, environ: Mapping[str, str]) -> str:
    """Return the environment variable's value."""
    if not environ.get(name):
        raise SecretAbsent(f"the environment variable {name} is not set", f"set {name} where the hub is started")
    return environ[name]


def from_file(path: Path, name: str) -> str:
    """Return the file's text without its last line break."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise SecretAbsent(f"the secret's file {name} cannot be read: {error.strerror}", "create it") from None
    except UnicodeDecodeError:
        raise SecretAbsent(f"the secret's file {name} is not UTF-8", "save it as UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretAbsent(f"the secret's file {name} is empty", "write the secret into it")
    return text
