"""The rooms and who may import whom; a failure names the import and how to mend it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub

ROOT = Path(hub.__file__).parent

# room → rooms it may import (besides itself). `errors` is open to all.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "events": {"settings"},
    "routing": {"events", "settings"},
    "adapters": {"settings"},
    "ledger": {"events", "settings"},
    "kafka": {"settings"},
    "stages": {"routing", "ledger", "events", "settings", "adapters.contract"},
    "counter": {"routing", "ledger", "events", "settings", "adapters.contract"},
    "server": {"stages", "ledger", "events", "settings"},
    "console": {"app", "stages", "ledger", "events", "settings", "server"},
    "app": {"stages", "counter", "server", "routing", "ledger", "events", "settings", "adapters", "kafka"},
    "moriguchi": {"app", "stages", "routing", "ledger", "events", "settings", "adapters", "kafka"},
    "cli": {
        "app", "moriguchi", "stages", "server", "console", "routing", "ledger", "events", "settings", "adapters",
        "kafka",
    },
}  # fmt: skip
ONLY_IN = {"faststream": "kafka", "aiokafka": "kafka", "cel": "routing", "sqlalchemy": None, "typer": "cli"}


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                inner = ROOT / Path(*node.module.split(".")[1:], f"{alias.name}.py")
                ours = node.module.startswith("hub") and inner.exists()
                yield (f"{node.module}.{alias.name}" if ours else node.module), node.lineno


def offences(path: Path, module: str) -> Iterator[str]:
    room = _room(module)
    for name, line in _imports(path):
        place = f"{path.relative_to(ROOT.parent)}:{line}"
        top = name.split(".")[0]
        if top == "hub":
            target = _room(name)
            allowed = ALLOWED[room] | {room, "errors", ""}
            if target not in allowed and ".".join(name.split(".")[1:3]) not in allowed:
                yield (
                    f"{place}: `hub.{room}` imports `{name}`; it may import only {sorted(allowed - {room, ''})}. "
                    f"Mend: hand the part in from hub/app.py through a port, or move the code to the room that may."
                )
        elif ONLY_IN.get(top) is not None and room != ONLY_IN[top]:
            yield f"{place}: `{top}` belongs to `hub.{ONLY_IN[top]}` alone. Mend: ask that room for what is needed."


def _modules() -> list[tuple[Path, str]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts != ("__init__",):
            found.append((path, ".".join(("hub", *(part for part in parts if part != "__init__")))))
    return found


def test_every_import_goes_the_right_way():
    found = [offence for path, module in _modules() for offence in offences(path, module)]
    assert not found, "\n".join(found)


def test_every_room_is_in_the_table():
    rooms = {_room(module) for _, module in _modules()}
    assert rooms <= set(ALLOWED), f"say in ALLOWED what {rooms - set(ALLOWED)} may import"


@pytest.mark.parametrize(
    ("room", "line", "named"),
    [
        ("routing", "from hub.ledger.engine import Ledger", "hub.ledger.engine"),
        ("stages", "import hub.kafka.bus", "hub.kafka.bus"),
        ("stages", "from hub.adapters import csv", "hub.adapters.csv"),
        ("adapters", "from aiokafka import AIOKafkaProducer", "aiokafka"),
    ],
)
def test_a_wrong_import_is_named_with_its_mend(tmp_path, monkeypatch, room, line, named):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "csv.py").touch()
    (tmp_path / room).mkdir(exist_ok=True)
    path = tmp_path / room / "wrong.py"
    path.write_text(f"{line}\n")
    (offence,) = list(offences(path, f"hub.{room}.wrong"))
    assert named in offence
    assert "Mend:" in offence
