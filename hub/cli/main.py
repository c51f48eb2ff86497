"""The command `hub`: every command by its name, in the order people meet them."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import typer

from hub.cli import (
    adapters,
    amend,
    batches,
    check,
    db,
    deliveries,
    demo,
    doctor,
    drain,
    events,
    explain,
    identity,
    init,
    jobs,
    kafka,
    kit,
    morning,
    newcomer,
    publish,
    quarantine,
    reconcile,
    replay,
    reserved,
    resident,
    review,
    ruletest,
    run,
    schemas,
    settle,
    source,
    status,
    system,
    token,
    trial,
)
from hub.cli.command import Body, build
from hub.cli.loop import collect_seldom

COMMANDS: dict[str, Body] = {
    "init": init.init,
    "demo": demo.demo,
    "run": run.run,
    "drain": drain.drain,
    "publish": publish.publish,
    "check": check.check,
    "test": ruletest.rule_tests,
    "explain": explain.explain,
    "status": status.status,
    "morning": morning.morning,
    "system pause": system.pause,
    "system resume": system.resume,
    "system list": system.listing,
    "events list": events.listing,
    "events show": events.show,
    "deliveries list": deliveries.listing,
    "deliveries show": deliveries.show,
    "deliveries release": settle.release,
    "deliveries drop": settle.drop,
    "deliveries confirm": settle.confirm,
    "replay": replay.replay,
    "correct": amend.correct,
    "cancel": amend.cancel,
    "backfill": newcomer.backfill,
    "load": newcomer.load,
    "seed": newcomer.seed,
    "restore": newcomer.restore,
    "reconcile": reconcile.reconcile,
    "jobs list": jobs.listing,
    "jobs show": jobs.show,
    "jobs pause": jobs.pause,
    "jobs resume": jobs.resume,
    "jobs cancel": jobs.cancel,
    "jobs approve": jobs.approve,
    "batches list": batches.listing,
    "batches show": batches.show,
    "batches release": batches.release,
    "batches reject": batches.reject,
    "review list": review.listing,
    "review show": review.show,
    "review accept": review.accept,
    "review fix": review.fix,
    "review reject": review.reject,
    "source list": source.listing,
    "source rewind": source.rewind,
    "source baseline": source.baseline,
    "quarantine list": quarantine.listing,
    "quarantine show": quarantine.show,
    "quarantine fix": quarantine.fix,
    "quarantine resubmit": quarantine.resubmit,
    "quarantine discard": quarantine.discard,
    "quarantine reopen": quarantine.reopen,
    "identity list": identity.listing,
    "identity show": identity.show,
    "identity link": identity.link,
    "identity unlink": identity.unlink,
    "identity discard": identity.discard,
    "resident": resident.resident,
    "kafka start": kafka.start,
    "kafka stop": kafka.stop,
    "kafka status": kafka.status,
    "kafka install": kafka.install,
    "kafka adopt": kafka.adopt,
    "db upgrade": db.upgrade,
    "db status": db.status,
    "doctor": doctor.doctor,
    "adapters list": adapters.listing,
    "adapters show": adapters.show,
    "adapters try": trial.attempt,
    "adapters new": kit.new,
    "adapters check": kit.check,
    "schemas": schemas.schemas,
    "token new": token.new,
    "token list": token.listing,
    "token revoke": token.revoke,
}


def command_line(words: Sequence[str] = ()) -> typer.Typer:
    """Return the command line in the language of the locale: of the command that `words` begin with, else the whole.

    To build the options of every command takes longer than most commands.
    """
    noun = words[0] if words else ""
    mine = {path: body for path, body in COMMANDS.items() if path.partition(" ")[0] == noun}
    root = build(mine or COMMANDS)
    reserved.add(root, noun if mine else "")
    return root


def main() -> None:
    """Run the command that was typed."""
    collect_seldom()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow locale must not end a command
    command_line(sys.argv[1:])(prog_name="hub")


if __name__ == "__main__":
    main()
