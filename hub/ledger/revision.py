"""The revision of the ledger's tables that this program knows."""

from __future__ import annotations

from typing import Final

HEAD: Final = "0002"  # the newest revision under migrations/; a test holds it to that
