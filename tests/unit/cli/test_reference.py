import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.cli.main import COMMANDS
from hub.cli.reference import NOTES

FILE = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"


@pytest.mark.parametrize("language", ["C.UTF-8", "ja_JP.UTF-8"])
def test_the_page_is_what_the_command_line_says(language):
    made = subprocess.run(
        [sys.executable, "-m", "hub.cli.reference"],
        env={**os.environ, "LC_ALL": language, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert made.stdout == FILE.read_text(encoding="utf-8"), "python -m hub.cli.reference > docs/reference/commands.md"


def test_notes_are_of_commands():
    assert set(NOTES) <= set(COMMANDS)
