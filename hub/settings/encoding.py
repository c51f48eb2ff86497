"""Which encodings a file of records may have."""

from __future__ import annotations

import codecs
from typing import Annotated

from pydantic import AfterValidator


def line_encoding(name: str) -> str:
    """Return the codec's own name; raise `ValueError` where a line break or a quote is not its one ASCII byte."""
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"there is no encoding `{name}` (utf-8 and cp932 are the usual ones)") from None
    stateful = codec.startswith(("iso2022", "hz", "utf-7"))
    if stateful or '\n"'.encode(codec).removeprefix(codecs.BOM_UTF8) != b'\n"':
        raise ValueError(f"records in `{name}` are not supported; use one in which ASCII characters are single bytes")
    return codec


Encoding = Annotated[str, AfterValidator(line_encoding)]
