"""What a YAML parser complains of, in plain words with the mend; and the decoding of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hub.errors import Problem

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

BOM = "\ufeff"
# All that YAML 1.2 does not allow in a file (its production c-printable), and what libyaml takes for the end of a line.
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Slips that the parser notices only on the next line: where they stand, plain words, mend.
SLIPS = (
    (re.compile(r" *(\u3000)"), "a full-width space in the indentation", "write plain spaces"),
    (re.compile(r" *(?:- )?[\w.-]+ ?(：)"), "a full-width `：` after a key", "write a colon and a space, `: `"),
    (re.compile(r" *(?:- )?[A-Za-z_][\w.-]*(:)[^\s/:]"), "no space after the colon of a key", "write `: `"),
)

INDENTATION = ("the indentation does not fit the lines above", "let lines of one level begin in the same column")
REST = ("more text after a closed quotation mark or bracket", "put all of it in quotes")

# (what the parser says, plain words, mend); the first that fits is used.
PHRASES = (
    (
        "mapping values are not allowed",
        "a `key: value` where none can stand",
        "check the indentation; put a text that holds `: ` in quotes",
    ),
    (
        "could not find expected ':'",
        "a line without `key: value`",
        "put a colon and a space after the key, or the text in quotes",
    ),
    ("end of stream", "a quotation mark or bracket that is never closed", "close it"),
    ("unexpected document indicator", "a quotation mark or bracket that is never closed", "close it"),
    ("expected <document start>", *INDENTATION),
    ("expected key", *INDENTATION),
    ("expected '-' indicator", *INDENTATION),
    (
        "expected ',' or ']'",
        "a `[` that is not closed, or a comma missing",
        "check the commas and the closing `]`",
    ),
    (
        "expected ',' or '}'",
        "a `{` that is not closed, or a comma missing",
        "check the commas and the closing `}`",
    ),
    (
        "expected node content",
        "no value where one must stand",
        "check the commas and brackets, or put the text in quotes",
    ),
    (
        "unknown escape character",
        "a backslash that means nothing between double quotes",
        "use single quotes around the text",
    ),
    ("cannot start any token", "a text that begins with a sign YAML keeps for itself", "put the text in quotes"),
    (
        "sequence entries are not allowed",
        "a `- ` where no list can stand",
        "check the indentation; put the list on its own lines",
    ),
    ("mapping keys are not allowed", "a `? ` where none can stand", "put the text in quotes"),
    (
        "scanning a block scalar",
        "more than `|` or `>` on its line",
        "begin the text on the next line, or put it in quotes",
    ),
    ("scanning a plain scalar", "a colon between brackets that belongs to no key", "put the text in quotes"),
    ("undefined tag handle", "a text that begins with `!`", "put the text in quotes"),
    ("ing a tag", "a text that begins with `!`", "put the text in quotes"),
    ("scanning an alias", "a text that begins with `*`", "put the text in quotes"),
    ("scanning an anchor", "a text that begins with `&`", "put the text in quotes"),
    ("scanning a directive", "a line that begins with `%`", "put the text in quotes"),
)
BEGINNINGS = frozenset(
    f"while {doing}" for doing in ("scanning a tag", "parsing a tag", "scanning an alias", "scanning an anchor")
)


def decode(raw: bytes | str, name: str) -> tuple[str, Problem | None]:
    """Return the text of a file (UTF-8, a byte order mark is fine), or the problem that keeps it from being text."""
    if isinstance(raw, bytes):
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            return "", not_utf8(raw, error.start, name)
    else:
        text = raw
    text = text.removeprefix(BOM)
    if found := UNPRINTABLE.search(text):
        line, column = position(text, found.start())
        sign = f"U+{ord(found.group()):04X}"
        return "", Problem(f"{name}:{line}:{column}", f"the control character {sign}", "remove it", code="encoding")
    return text, None


def not_utf8(raw: bytes, start: int, name: str) -> Problem:
    """Return the problem of a file in another encoding, naming the likely one."""
    line, column = position(raw[:start].decode("utf-8"), start)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        likely = "UTF-16"
    else:
        likely = "cp932 (Shift_JIS)" if decodes(raw, "cp932") else ""
    message = "the file is not UTF-8" + (f"; it looks like {likely}" if likely else "")
    return Problem(f"{name}:{line}:{column}", message, "save it as UTF-8", code="encoding")


def decodes(raw: bytes, encoding: str) -> bool:
    """Say whether the bytes are text in the encoding."""
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def position(text: str, index: int) -> tuple[int, int]:
    """Return the 1-based line and column of an index into the text."""
    before = text[:index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def plain_words(error: MarkedYAMLError, name: str, text: str) -> Problem:
    """Return a parser's complaint as a problem people can act on."""
    lines = text.splitlines() or [""]
    mark = error.context_mark if error.context in BEGINNINGS else error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if line >= len(lines):  # the end of a file is the end of its last line
        line, column = len(lines) - 1, len(lines[-1])
    place = f"{name}:{line + 1}:{column + 1}"
    before, here = lines[line][:column], lines[line][column : column + 1]
    if here == "\t" or "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]:
        return Problem(place, "a tab where YAML wants spaces", "write spaces", code="yaml")
    if slip := _slip(lines, line, name):
        return slip
    said = f"{error.context or ''} {error.problem or ''}"
    for phrase, *words in PHRASES:
        if phrase in said:
            message, mend = REST if tuple(words) == INDENTATION and before.strip() else words
            return Problem(place, message, mend, code="yaml")
    return Problem(place, f"this is not YAML: {said.strip()}", "check this line and the one above", code="yaml")


def _slip(lines: list[str], line: int, name: str) -> Problem | None:
    """Return the slip on the line of a complaint, or on the last before it that says anything."""
    before = next((at for at in range(min(line, len(lines)) - 1, -1, -1) if lines[at].strip()), line)
    for at in (line, before):
        for pattern, message, mend in SLIPS if at < len(lines) else ():
            if found := pattern.match(lines[at]):
                return Problem(f"{name}:{at + 1}:{found.start(1) + 1}", message, mend, code="yaml")
    return None
