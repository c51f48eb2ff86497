"""Names under which a My Number (個人番号) or a resident record code (住民票コード) stands: neither enters an event.

The number itself tells little: one random text of twelve digits in ten has the right check digit.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_NAMES = r"個人番号|マイナンバー|住民票コード|my[ _-]?number|kojin_?bango|jumin(?:hyo)?_?code"
_NAMED = re.compile(rf"(?:{_NAMES})[0-9]*桁?", re.IGNORECASE)
MEND = "pass the 宛名番号 (the city's own number of the resident) instead, and leave this out"


@lru_cache(maxsize=1000)
def is_personal_number(name: str) -> bool:
    """Say whether a column or member of that name holds such a number: `本人個人番号` does, `個人番号カード` not."""
    plain = re.sub(r"[\s()\[\]]", "", unicodedata.normalize("NFKC", name))
    return any(found.end() == len(plain) for found in _NAMED.finditer(plain))
