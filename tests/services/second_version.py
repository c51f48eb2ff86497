"""A newer version of the hub, made from this one: what it knows more stands where an older one meets it.

It has two migrations (one `pre`, one `post`), a column, an optional field of an event, and one thing more in plans,
in the members of a batch under way, in rule sets and in a receiver's state.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import hub
from hub.ledger.revision import HEAD, NEEDS

PRE, POST = f"{int(HEAD) + 1:04d}", f"{int(HEAD) + 2:04d}"
FIELD = "place_of_death"
_TEXT = 'Annotated[str, Says("死亡地", "place of death", "name")]'
_EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "ledger/revision.py": (
        (f'HEAD: Final = "{HEAD}"', f'HEAD: Final = "{POST}"'),
        (f'NEEDS: Final = "{NEEDS}"', f'NEEDS: Final = "{PRE}"'),
    ),
    "ledger/tables.py": (
        (
            'Column("body", LargeBinary, nullable=False),  # the Kafka value, once',
            'Column("body", LargeBinary, nullable=False), Column("made_by", Text),',
        ),
    ),
    "events/catalogue/resident.py": (
        (
            "    household_no: HouseholdNo | None = None\n    informant",
            f"    household_no: HouseholdNo | None = None\n    {FIELD}: {_TEXT} | None = None\n    informant",
        ),
    ),
    "stages/entries.py": (
        (
            "        return (item.receiver, item.rule)\n",
            '        return (item.receiver, item.rule, None, None, "", None, None, None, {"since": "0002"})\n',
        ),
    ),
    "stages/rounds.py": (
        (
            "[(work.entry.pos, work.job, work.no, work.cut) for work in self._works]",
            '[(work.entry.pos, work.job, work.no, work.cut, "0002") for work in self._works]',
        ),
    ),
    "ledger/desk.py": (
        (
            "return (part.first, part.no, part.offsets) if",
            'return (part.first, part.no, part.offsets, "0002") if',
        ),
    ),
    "stages/receiver.py": (
        ("        found: dict[str, Any] = {}\n", '        found: dict[str, Any] = {"since": "0002"}\n'),
    ),
    "routing/rules.py": (
        (
            "    enabled: bool = True\n\n    @property\n    def name",
            '    enabled: bool = True\n    note: str = ""\n\n    @property\n    def name',
        ),
        ("        enabled=subscription.enabled,\n", '        enabled=subscription.enabled,\n        note="0002",\n'),
    ),
}
_PRE = f'''"""Adds what {POST} needs."""

import sqlalchemy as sa
from alembic import op

revision = "{PRE}"
down_revision = "{HEAD}"
phase = "pre"


def upgrade() -> None:
    """Add a column to every table that both versions write, and a table."""
    for table in ("event", "outcome", "delivered", "pending", "receiver"):
        op.add_column(table, sa.Column("made_by", sa.Text(), nullable=True))
    op.create_table("extra", sa.Column("no", sa.Integer(), primary_key=True))
'''
_POST = f'''"""Takes away what nobody needs."""

from alembic import op

revision = "{POST}"
down_revision = "{PRE}"
phase = "post"


def upgrade() -> None:
    """Drop an index."""
    op.drop_index("event_by_time", table_name="event")
'''


def make(folder: Path) -> Path:
    """Write the newer version, and return what is to be PYTHONPATH for it."""
    package = folder / "hub"
    shutil.copytree(Path(hub.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in _EDITS.items():
        text = (package / name).read_text(encoding="utf-8")
        for before, after in edits:
            assert text.count(before) == 1, f"{name} has changed: mend tests/services/second_version.py: {before}"
            text = text.replace(before, after)
        (package / name).write_text(text, encoding="utf-8")
    versions = package / "ledger" / "migrations" / "versions"
    (versions / f"{PRE}_more.py").write_text(_PRE, encoding="utf-8")
    (versions / f"{POST}_less.py").write_text(_POST, encoding="utf-8")
    return folder
