"""Fonts for print: where they are found, and which of a text's characters they have."""

from __future__ import annotations

import threading
import unicodedata
import zlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from hub.errors import ConfigurationError, Problem

PACKAGES = ("matplotlib-fontja", "japanize-matplotlib")  # bring IPAexGothic; nothing of them is imported
FILE = "ipaexg.ttf"
PLACES = ("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf", "/usr/share/fonts/ipa-ex-gothic/ipaexg.ttf")
UNKNOWN = "〓"
_SELECTORS = range(0xE0100, 0xE01F0)  # of ideographic variations: a TrueType subset has one form of a character
_SHOWN = ("Zs", "Co")  # spaces, such as the full-width one between the parts of a name, and private use (外字)
_registering = threading.Lock()


def found(folder: Path, setting: str | None) -> Path:
    """Return the font's file: the setting's, a package's, or the system's. Raises ConfigurationError."""
    if setting is not None:
        path = folder / setting
        if not path.is_file():
            raise _absent(f"the font {setting} is not there", "write the path of a TrueType font")
        return path
    for path in (*_of_packages(), *map(Path, PLACES)):
        if path.is_file():
            return path
    mend = "install Debian's fonts-ipaexfont-gothic, or set `font:` to a TrueType font with Japanese characters"
    raise _absent("there is no Japanese font", mend)


def _of_packages() -> list[Path]:
    paths = []
    for name in PACKAGES:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue
        paths += [Path(str(each.locate())) for each in files if each.name == FILE]
    return paths


def _absent(message: str, mend: str) -> ConfigurationError:
    return ConfigurationError([Problem("print", message, mend, code="font")])


class Fonts:
    """A font, and one for the city's own characters (外字)."""

    def __init__(self, path: Path, gaiji: Path | None) -> None:
        self.names = [_registered(each) for each in (path, gaiji) if each is not None]
        self._glyphs = [_glyphs(name) for name in self.names]

    def markup(self, text: str, lacking: set[str]) -> str:
        """Return a text as reportlab's markup; what no font has is shown as 〓 with its code, and noted."""
        return "".join(self._mark(sign, lacking) for sign in text)

    def _mark(self, sign: str, lacking: set[str]) -> str:
        if sign == "\n":
            return "<br/>"
        if ord(sign) in _SELECTORS:
            lacking.add(f"U+{ord(sign):04X}")
            return ""
        for name, glyphs in zip(self.names, self._glyphs, strict=True):
            if ord(sign) in glyphs and (sign.isprintable() or unicodedata.category(sign) in _SHOWN):
                shown = f"&#{ord(sign)};" if sign.isspace() and sign != " " else escape(sign)  # or it would be " "
                return shown if name == self.names[0] else f'<font name="{name}">{shown}</font>'
        lacking.add(f"U+{ord(sign):04X}")
        return f"{UNKNOWN}(U+{ord(sign):04X})"


def _registered(path: Path) -> str:
    """Make a font known to reportlab, once a process and file, and return its name there."""
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415 - an extra
    from reportlab.pdfbase.ttfonts import TTFError, TTFont  # noqa: PLC0415

    name = f"hub-{zlib.crc32(str(path.resolve()).encode()):08x}"
    with _registering:
        if name not in pdfmetrics.getRegisteredFontNames():
            try:
                font = TTFont(name, str(path))
            except (TTFError, OSError) as error:
                raise _absent(f"the font {path.name} cannot be used: {error}", "use a TrueType font (.ttf)") from None
            pdfmetrics.registerFont(font)
    return name


def _glyphs(name: str) -> Any:
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415

    return pdfmetrics.getFont(name).face.charToGlyph
