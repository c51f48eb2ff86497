"""The command `hub`: every command by its name, in the order people meet them."""

from __future__ import annotations

import io
import sys

from hub.cli import check, db, deliveries, drain, events, init, kafka, publish, status
from hub.cli.command import Body, build

COMMANDS: dict[str, Body] = {
    "init": init.init,
    "check": check.check,
    "publish": publish.publish,
    "drain": drain.drain,
    "status": status.status,
    "events list": events.listing,
    "events show": events.show,
    "deliveries list": deliveries.listing,
    "deliveries show": deliveries.show,
    "kafka start": kafka.start,
    "kafka stop": kafka.stop,
    "kafka status": kafka.status,
    "kafka install": kafka.install,
    "kafka adopt": kafka.adopt,
    "db upgrade": db.upgrade,
    "db status": db.status,
}


def main() -> None:
    """Run the command that was typed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow locale must not end a command
    build(COMMANDS)(prog_name="hub")


if __name__ == "__main__":
    main()
