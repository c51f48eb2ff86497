"""Pages as a reader follows them: fenced blocks between `<!-- tour -->` and `<!-- /tour -->`, in their order.

A block under a line that ends in a file's name, as in "`systems/a.yaml`:", is that file. A `bash` block is run in the
folder where the one before it ended, with the `HUB_` variables it exported. A `text` block is what the last one
printed, line by line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOUR = re.compile(r"<!-- tour -->\n(.*?)<!-- /tour -->", re.DOTALL)
_BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```$", re.DOTALL | re.MULTILINE)
_CAPTION = re.compile(r"`([\w./-]+)`[:\N{FULLWIDTH COLON}]$")
LIMIT = 120  # seconds for one block; a first start of Kafka takes most of it


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: `kind` is the word after the fence, `file` the file it is, if it is one."""

    kind: str
    text: str
    file: str | None


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page's tours."""
    for tour in _TOUR.findall(page.read_text(encoding="utf-8")):
        for found in _BLOCK.finditer(f"\n\n{tour}"):
            caption = _CAPTION.search(found["before"])
            yield Block(found["kind"], found["text"], caption[1] if caption else None)


class Follower:
    """Somebody who does what a page says, in a folder of their own and with the hub's commands on the path."""

    def __init__(self, folder: Path, language: str) -> None:
        self.folder = folder
        self.said = ""
        self._note = folder / ".at"
        commands = Path(sys.executable).parent
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        self._environ |= {
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "LC_ALL": language,
            "AT": str(self._note),
        }

    def follow(self, page: Path) -> None:
        """Do all of a page; an AssertionError tells what was not as it says."""
        for block in blocks(page):
            if block.file is not None:
                path = self.folder / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.kind == "bash":
                self.run(block.text)
            elif block.kind == "text":
                self._compare(block.text)

    def run(self, script: str) -> None:
        """Run a block; it must end well."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f'{script}\npwd > "$AT"\nenv > "$AT.env"'],
            cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            encoding="utf-8", timeout=LIMIT, check=False,
        )  # fmt: skip
        self.said = done.stdout
        assert done.returncode == 0, f"exit {done.returncode} of:\n{script}\n{done.stdout}\n{done.stderr}"
        self.folder = Path(self._note.read_text().strip())
        exported = (line.partition("=") for line in Path(f"{self._note}.env").read_text("utf-8").splitlines())
        self._environ |= {name: value for name, _, value in exported if name.startswith("HUB_")}

    def _compare(self, text: str) -> None:
        said = [" ".join(line.split()) for line in self.said.splitlines()]
        for line in text.splitlines():
            assert " ".join(line.split()) in said, f"not printed: {line}\nbut:\n{self.said}"
