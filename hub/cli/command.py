"""From functions to commands: each gets a `Session` and the options every command has, and contract's exit codes."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

import hub
from hub.cli import failure, logs, output
from hub.cli.codes import CODES
from hub.cli.language import lang
from hub.cli.session import Session
from hub.cli.words import WORDS, word

City = Annotated[Path | None, typer.Option("--city", envvar="HUB_CITY", metavar="DIR", help=word("option.city"))]
Json = Annotated[bool, typer.Option("--json", help=word("option.json"))]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help=word("option.verbose"))]

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
COMMON = (
    inspect.Parameter("city", _KEYWORD, default=None, annotation=City),
    inspect.Parameter("json", _KEYWORD, default=False, annotation=Json),
    inspect.Parameter("verbose", _KEYWORD, default=False, annotation=Verbose),
)
SETTINGS = {"help_option_names": ["--help", "-h"]}

Body = Callable[..., int | None]


class Root(TyperGroup):
    """The command line: where `--json` stands among words that are not understood, a document says so too."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Take the root's own words."""
        self._as_json = "--json" in args
        with self._answering():
            return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Take the command's words and run it."""
        with self._answering():
            return super().invoke(ctx)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except TyperException as error:
            if self._as_json:
                failure.refuse("usage", error.format_message())
            elif lang() == "ja":
                output.say(WORDS.get(f"typed.{type(error).__name__}", (CODES["usage"], ""))[0])
            raise


def build(commands: Mapping[str, Body]) -> typer.Typer:
    """Return the command line of these functions, by name: `status`, `kafka start`."""
    root = typer.Typer(
        name="hub",
        help=word("help.hub"),
        no_args_is_help=True,
        add_completion=False,
        cls=Root,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=SETTINGS,
    )
    root.callback()(_root)
    groups: dict[str, typer.Typer] = {}
    for path, body in commands.items():
        noun, _, verb = path.rpartition(" ")
        if noun and noun not in groups:
            groups[noun] = typer.Typer(help=word(f"help.{noun}"), no_args_is_help=True, rich_markup_mode=None)
            root.add_typer(groups[noun], name=noun)
        target = groups[noun] if noun else root
        target.command(verb, help=word(f"help.{path}"))(runnable(body))
    return root


def _say_version(wanted: bool) -> None:
    if wanted:
        output.line(hub.__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help=word("option.version"))
    ] = False,
) -> None:
    """Take what stands before a command."""


def runnable(body: Body) -> Callable[..., None]:
    """Return what Typer calls for a function that takes a `Session` first and may return an exit code.

    Errors of the hub end it with their exit code, anything else with 1 and a log file in the city's `var/log/`.
    """
    signature = inspect.signature(body, eval_str=True)
    own = [each.replace(kind=_KEYWORD) for each in list(signature.parameters.values())[1:]]

    @functools.wraps(body)
    def run(*, city: Path | None, json: bool, verbose: bool, **given: Any) -> None:
        session = Session((city or Path()).absolute(), json=json, verbose=verbose, named=city is not None)
        logs.set_up(verbose=verbose)
        try:
            code = body(session, **given)
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - here a person learns of it
            code = failure.report(error, session.folder, as_json=json)
        if code:
            raise typer.Exit(code)

    run.__signature__ = signature.replace(parameters=[*own, *COMMON])  # type: ignore[attr-defined]
    return run
