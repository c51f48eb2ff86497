"""`hub token`: the bearer tokens by which systems report over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.ledger.tokens import Token

System = Annotated[str, typer.Argument(metavar="SYSTEM", help=word("option.token-system"))]


def new(session: Session, system: System) -> None:
    """Make a token of a system; it is shown this once."""
    from hub.ledger import tokens

    _known(session, system)
    with session.ledger() as ledger:
        text = tokens.new(ledger, system)
    output.say(word("token.once"))
    session.answer({"system": system, "token": text}, lambda: output.line(text))


def listing(
    session: Session,
    system: Annotated[str | None, typer.Argument(metavar="[SYSTEM]", help=word("option.token-system"))] = None,
) -> None:
    """List tokens; never the tokens themselves."""
    from hub.ledger import tokens

    with session.ledger() as ledger:
        items = [_json(each) for each in tokens.listing(ledger, system)]
    headers = [word(f"column.{name}") for name in ("token", "system", "created", "revoked")]
    rows = [tuple(item.values()) for item in items]
    session.answer({"items": items, "next": None}, lambda: output.listing(headers, rows, None))


def revoke(
    session: Session,
    system: System,
    name: Annotated[str | None, typer.Option("--token", metavar="NAME", help=word("option.token-name"))] = None,
) -> None:
    """Take back a system's tokens, all or one of them."""
    from hub.ledger import tokens

    with session.ledger() as ledger:
        valid = [each.name for each in tokens.listing(ledger, system) if each.revoked_at is None]
        chosen = [each for each in valid if name in (None, each)]
        if not chosen:
            named = f"token {name}" if name else "token"
            raise UsageError(f"there is no valid {named} of {system}", mend="hub token list")
        for each in chosen:
            tokens.revoke(ledger, each)
    text = word("token.revoked", count=len(chosen), system=system)
    session.answer({"system": system, "revoked": chosen}, lambda: output.line(text))


def _known(session: Session, system: str) -> None:
    systems = session.city().systems
    if system not in systems:
        raise UsageError(f"there is no system {system}", mend="one of: " + ", ".join(systems))


def _json(token: Token) -> dict[str, Any]:
    from hub.stages.times import moment

    revoked = moment(token.revoked_at) if token.revoked_at is not None else None
    return {"token": token.name, "system": token.system, "created": moment(token.created_at), "revoked": revoked}
