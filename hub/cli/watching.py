"""`--watch`: a command done again whenever a file it reads was edited, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hub.cli import failure, output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import HubError, UsageError

EVERY = 0.3  # seconds between looks
STOPPED = 0


def again_and_again(session: Session, once: Callable[[], int | None], *, also: Iterable[Path] = ()) -> int:
    """Do something now and after each edit of the city's files or the others named; errors are told, none ends it.

    Raises `UsageError` with `--json`, which promises one document.
    """
    from hub.settings.watch import KINDS, TESTS, fingerprint

    if session.json:
        raise UsageError("--watch answers again and again, --json once", mend="leave one of them out")
    files = list(also)

    def look() -> object:
        return fingerprint(session.folder, patterns=(*KINDS, *TESTS), also=files)

    try:
        while True:
            seen = look()
            try:
                once()
            except HubError as error:
                failure.report(error, session.folder, as_json=False)
            output.flush()
            output.say(word("watch.waiting"))
            while look() == seen:
                time.sleep(EVERY)
            output.say("")
    except KeyboardInterrupt:
        return STOPPED
