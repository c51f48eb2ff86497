"""What a person and a program learn when a command fails: one clear line, an exit code, never a traceback."""

from __future__ import annotations

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.cli.codes import in_words, meaning, mend
from hub.cli.language import lang
from hub.cli.output import document, say
from hub.cli.words import word
from hub.errors import AmbiguousId, ConfigurationError, HubError, Malformed, UsageError

TROUBLE = 1
# Of what was typed wrong, the codes whose mend is not in the error's own words; codes of input mean another thing here.
USAGE = frozenset(
    {
        "no-city",
        "ambiguous-id",
        "port-taken",
        "address",
        "not-installed",
        "older-running",
        "undecidable",
        "reported-before",
    }
)


def report(error: BaseException, folder: Path, *, as_json: bool) -> int:
    """Tell what went wrong and return the exit code; with `as_json` a document on stdout says it too."""
    if os.environ.get("HUB_DEBUG"):
        traceback.print_exception(error)
    named = named_error(error)
    if named is not None:
        say(_lines(named))
        if as_json:
            document({"error": _described(named)})
        return named.exit_code
    log = write_log(error, folder)
    text = word("failure.unexpected", kind=type(error).__name__, error=_first_line(error), log=log)
    say(text)
    if as_json:
        document({"error": {"code": "unexpected", "message": text, "log": str(log)}})
    return TROUBLE


def refuse(code: str, message: str) -> None:
    """Tell a program that its words were not understood, before any command began."""
    document({"error": {"code": code, "message": message, "place": "", "mend": "hub --help"}})


def named_error(error: BaseException) -> HubError | None:
    """Return the error in the hub's words: itself, or the gravest in a group of them."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, BaseExceptionGroup):
        inside = [named_error(each) for each in error.exceptions]
        named = [each for each in inside if each is not None]
        return max(named, key=lambda each: each.exit_code) if len(named) == len(inside) else None
    return None


def write_log(error: BaseException, folder: Path) -> Path:
    """Write the traceback to a file only its owner may read, in the city's `var/log/` or else in a new folder."""
    name = f"error-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    try:
        if not (folder / "hub.yaml").exists():
            raise FileNotFoundError(folder)
        return _write(folder / "var" / "log", name, text)
    except OSError:
        return _write(Path(tempfile.mkdtemp(prefix="hub-")), name, text)


def _write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    with open(path, "x", encoding="utf-8", opener=lambda at, flags: os.open(at, flags, 0o600)) as file:
        file.write(text)
    return path


def _lines(error: HubError) -> str:
    if isinstance(error, ConfigurationError) and len(error.problems) > 1:
        if all(problem.place.startswith("tests/") for problem in error.problems):  # the city runs all the same
            return "\n".join(map(str, error.problems))
        return word("failure.unfit", count=len(error.problems), first=error.problems[0])
    if lang() != "ja":
        return str(error)
    first = error.problems[0].code if isinstance(error, ConfigurationError) and error.problems else ""
    code = first or error.code
    todo = "" if isinstance(error, Malformed) or (isinstance(error, UsageError) and code not in USAGE) else mend(code)
    if isinstance(error, ConfigurationError):
        said = f"{meaning(code)}: {error}"
    else:
        place = f"{error.place}: " if error.place else ""
        said = place + in_words(code, error.message + (f" ({error.mend})" if error.mend else ""))
    return said + (f"\n{word('column.do')}: {todo}" if todo else "")


def _described(error: HubError) -> dict[str, Any]:
    found: dict[str, Any] = {"code": error.code, "message": error.message, "place": error.place, "mend": error.mend}
    if isinstance(error, AmbiguousId):
        found["candidates"] = error.candidates
    if isinstance(error, ConfigurationError):
        found["problems"] = [problem_json(problem) for problem in error.problems]
    return found


def problem_json(problem: Any) -> dict[str, str]:
    """Return a finding about the city's files as JSON."""
    return {name: getattr(problem, name) for name in ("level", "place", "message", "mend", "code")}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
