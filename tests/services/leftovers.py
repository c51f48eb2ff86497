"""Processes a test run must not leave behind."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def leftovers(root: Path) -> list[str]:
    """Return the processes whose command line or working folder names `root`, but this one and its parents."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd", "status"]):
        seen = process.info
        words = " ".join(seen["cmdline"] or []) + " " + (seen["cwd"] or "")
        if seen["pid"] not in ours and str(root) in words and seen["status"] != psutil.STATUS_ZOMBIE:
            found.append(f"{seen['pid']}: {words[:200]}")
    return found
