"""Run 水道's service alone: `python -m hub.moriguchi.standins DIR [PORT]`; it ends with Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from hub.moriguchi.standins.suido import PORT, Suido


def main() -> int:
    """Serve until told to stop; a taken port is exit 2."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else PORT
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    with Suido(folder) as suido:
        if suido.start(wanted) != wanted:
            print(f"port {wanted} is in use", file=sys.stderr)  # noqa: T201 (a program's own words)
            return 2
        print(f"suido: http://127.0.0.1:{wanted}/v1/notices", file=sys.stderr)  # noqa: T201 (a program's own words)
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
