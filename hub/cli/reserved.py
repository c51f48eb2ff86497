"""Commands whose names are kept for what is to come: each says `not yet` and ends with 2."""

from __future__ import annotations

import typer

from hub.cli.command import SETTINGS
from hub.cli.failure import refuse
from hub.cli.output import say
from hub.cli.words import word

NAMES = (
    "rules", "prefill", "report", "asyncapi", "audit", "user", "purge", "training",
)  # fmt: skip
NOT_YET = 2


def add(root: typer.Typer, noun: str = "") -> None:
    """Add every reserved command, or those of one noun; whatever words and options follow its name are taken."""
    settings = {**SETTINGS, "ignore_unknown_options": True, "allow_extra_args": True}
    groups = {group.name: group.typer_instance or root for group in root.registered_groups}
    for path in (path for path in NAMES if not noun or path.partition(" ")[0] == noun):
        group, _, name = path.rpartition(" ")
        target = groups[group] if group else root
        target.command(name, help=word("help.reserved"), hidden=True, context_settings=settings)(_refuse)


def _refuse(context: typer.Context) -> None:
    text = word("not-yet", name=context.command_path.partition(" ")[2])
    say(text)
    if "--json" in context.args:
        refuse("not-yet", text)
    raise typer.Exit(NOT_YET)
