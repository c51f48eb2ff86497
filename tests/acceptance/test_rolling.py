"""Two versions beside each other on one Kafka and one ledger, while the ledger is brought from the one to the other."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.acceptance.conftest import Shell
from tests.acceptance.test_zombies import eventually
from tests.services import second_version
from tests.services.second_version import FIELD, HEAD, POST, PRE

RULE = "subscribes: [{id: death, on: resident.died, send: [name, died_on], because: 試験}]"
TABLE = (
    "adapter: database, url: 'sqlite:///kaigo.db', table: death, mode: insert, columns: {no: subject, name: data.name}"
)
ROUND = 40  # residents, of each of whom there are two events


@dataclass
class Rollout:
    """The city, both versions' terminals, and what everybody was to be told."""

    folder: Path
    url: str
    old: Shell
    new: Shell
    told: list[tuple[str, str]] = field(default_factory=list)  # resident, name; in order

    def report(self, by: Shell, **more: str) -> None:
        """Publish two events of each of some residents."""
        first = len(self.told)
        lines = []
        for number in range(first, first + 2 * ROUND):
            subject, name = f"r{first}-{number % ROUND}", f"守口 {number}"
            self.told.append((subject, name))
            data = {"name": name, "died_on": "2026-11-20", "effective_on": "2026-11-20", **more}
            event = {"specversion": "1.0", "id": f"e{number}", "source": "juki", "type": "resident.died"}
            lines.append(json.dumps({**event, "subject": subject, "data": data}))
        assert by.json("publish", "-", stdin="\n".join(lines))["accepted"] == 2 * ROUND

    def ask(self, query: str) -> list[Any]:
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(query)]
        finally:
            engine.dispose()

    def planned(self) -> Counter[bool]:
        """Return how many events were planned by the newer version's rules, and how many by the older one's."""
        rules = {no: b'"note"' in bytes(content) for no, content in self.ask("SELECT no, content FROM ruleset")}
        counts: Counter[bool] = Counter()
        for no, count in self.ask("SELECT ruleset, count(*) FROM event GROUP BY ruleset"):
            counts[rules[no]] += count
        return counts

    def owners(self) -> set[str]:
        """Return the versions that own receivers."""
        return {owner.rpartition("@")[2] for (owner,) in self.ask("SELECT owner FROM receiver")}

    def rows(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.folder / "kaigo.db", timeout=30) as db:
            found = list(db.execute("SELECT no, name FROM death"))
        db.close()
        return found

    def lines(self) -> list[tuple[str, str]]:
        path = self.folder / "out" / "zei.jsonl"
        events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [(event["subject"], event["data"]["name"]) for event in events]

    def settle(self) -> None:
        """Wait until both systems have what they are to have, and hold it against what was reported."""
        eventually(lambda: len(self.rows()) >= len(self.told) and len(self.lines()) >= len(self.told), 90)
        for found in (self.rows(), self.lines()):
            assert Counter(found) == Counter(self.told)  # nothing lost, nothing twice
            assert _by_resident(found) == _by_resident(self.told)  # in order


def _by_resident(told: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for subject, name in told:
        found.setdefault(subject, []).append(name)
    return found


@pytest.fixture
def rollout(
    tmp_path: Path, topic_prefix: str, new_shell: Callable[..., Shell], kafka_bootstrap: str, database_url: str
) -> Rollout:
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems/juki.yaml").write_text("system: juki\nreceives: {}\n")
    (folder / "systems/kaigo.yaml").write_text(f"system: kaigo\n{RULE}\nreceives: {{{TABLE}}}\n")
    (folder / "systems/zei.yaml").write_text(
        f"system: zei\n{RULE}\nreceives: {{adapter: jsonl, path: out/zei.jsonl}}\n"
    )
    with sqlite3.connect(folder / "kaigo.db") as db:
        db.execute("CREATE TABLE death (no TEXT, name TEXT)")
    db.close()
    services = {"HUB_KAFKA": kafka_bootstrap, "HUB_LEDGER": database_url}
    path = str(second_version.make(tmp_path / "newer"))
    return Rollout(folder, database_url, new_shell(folder, **services), new_shell(folder, **services, PYTHONPATH=path))


def _running(shell: Shell) -> subprocess.Popen[str]:
    return shell.begin("run", "--only", "dispatch,delivery")


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_two_versions_side_by_side_tell_everybody_once_and_in_order(rollout):
    old, new = rollout.old, rollout.new
    older = _running(old)
    rollout.report(old)
    rollout.settle()

    # The newer version does not begin before the ledger has what it needs, which comes while the older one works.
    refused = new("drain")
    assert (refused.returncode, "hub db upgrade --pre" in refused.stderr) == (2, True)
    assert new.json("db", "status", code=1)["state"] == "pre-open"
    rollout.report(old)
    assert new.json("db", "upgrade", "--pre") == {"before": HEAD, "now": PRE, "pre": [], "post": [POST]}
    assert new.json("db", "status", code=1)["state"] == "post-open"
    assert old.json("db", "status")["state"] == "ahead"
    rollout.settle()

    # The older one alone dispatches and delivers what the newer one published; it refuses the field itself.
    rollout.report(new, **{FIELD: "大阪府"})
    rollout.settle()
    last = f"juki/e{len(rollout.told) - 1}"
    assert old.json("events", "show", last)["event"]["data"][FIELD] == "大阪府"
    data = {"name": "守口", "died_on": "2026-11-20", "effective_on": "2026-11-20", FIELD: "大阪府"}
    bad = {"specversion": "1.0", "id": "bad", "source": "juki", "type": "resident.died", "subject": "b", "data": data}
    assert old.json("publish", "-", code=1, stdin=json.dumps(bad))["accepted"] == 0

    # Both dispatch, and the older one delivers what the newer one planned.
    newer = _running(new)
    _until_both_plan(rollout)
    assert rollout.owners() == {HEAD}
    refused = new("db", "upgrade", "--post")
    assert (refused.returncode, "older processes still deliver" in refused.stderr) == (2, True)

    # Now the other way round: another process of the older version comes, and the newer one delivers.
    _end(older)
    eventually(lambda: rollout.owners() == {POST})
    older = _running(old)
    _until_both_plan(rollout)
    assert rollout.owners() == {POST}
    assert old.json("status")["receivers"]

    # When all are new, the rest; and no older one begins any more.
    _end(older)
    assert new.json("db", "upgrade", "--post")["now"] == POST
    for words in (("drain",), ("status",), ("events", "list")):
        refused = old(*words)
        assert (refused.returncode, "newer hub" in refused.stderr) == (2, True), words
    assert old.json("db", "status", code=2)["state"] == "too-new"
    rollout.report(new)
    rollout.settle()
    _end(newer)


def _until_both_plan(rollout: Rollout) -> None:
    """Report and settle, by both versions in turn, until each of them has planned something of it."""
    began = rollout.planned()

    def both() -> bool:
        for shell in (rollout.old, rollout.new):
            rollout.report(shell)
        rollout.settle()
        return all(rollout.planned()[newer] > began[newer] for newer in (False, True))

    eventually(both, 120)
