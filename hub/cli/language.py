"""Which language a person is spoken to in: Japanese where the locale is, else English."""

from __future__ import annotations

import os
from collections.abc import Mapping


def lang(environ: Mapping[str, str] = os.environ) -> str:
    """Return `ja` or `en` by LC_ALL, LC_MESSAGES and LANG, the first that is set."""
    found = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "ja" if found.lower().startswith("ja") else "en"
