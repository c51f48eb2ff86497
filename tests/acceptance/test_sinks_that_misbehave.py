"""Systems that hang, answer too late, say that they failed when they did not, or refuse every third call.

All are services that honour the key of a delivery, as most do: each thing takes effect once, each resident's in order,
and nobody else waits for them.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from tests.acceptance.conftest import Shell
from tests.acceptance.crash.service import Service

RESIDENTS, EACH = 10, 3
ALL = RESIDENTS * EACH
RULE = "subscribes: [{id: death, on: resident.died, send: [name, died_on], because: 試験}]"
SOON = "retry: {delays: [1s], then: every 1s}"


def hangs(service: Service, _path: str, _key: str, _event: Any) -> int:
    service.open.wait()
    return 200


def is_late(service: Service, path: str, key: str, event: Any) -> int:
    """Answer a call of some residents only when the hub, tired of waiting, has come with the same again."""
    while event["subject"] == "3" and service.calls[path, key] < 2 and not service.open.is_set():
        time.sleep(0.01)
    return 200


def lies(service: Service, path: str, key: str, event: Any) -> int:
    """Do what is asked and say that it failed, the first time for every third."""
    if service.calls[path, key] > 1 or number(event["id"]) % 3:
        return 200
    service.take(path, key, event)
    return 500


def refuses_every_third(service: Service, path: str, _key: str, _event: Any) -> int:
    calls = sum(times for (at, _), times in service.calls.items() if at == path)
    return 503 if calls % 3 == 0 else 200


ANSWERS = {"hangs": hangs, "late": is_late, "lies": lies, "thirds": refuses_every_third}


def number(event_id: str) -> int:
    return int(event_id.removeprefix("d"))


def write_city(folder: Path, prefix: str, service: Service) -> None:
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {prefix}}}\n")
    (folder / "systems/juki.yaml").write_text("system: juki\nreceives: {}\n")
    sinks = {name: f"adapter: http, url: '{service.url}/keys/{name}', {SOON}" for name in ANSWERS}
    sinks["late"] += ", timeout: 0.5"
    sinks["lines"] = "adapter: jsonl, path: out/lines.jsonl"
    for name, sink in sinks.items():
        (folder / f"systems/{name}.yaml").write_text(f"system: {name}\n{RULE}\nreceives: {{{sink}}}\n")
    for name, answer in ANSWERS.items():
        service.answers[f"/keys/{name}"] = answer


def deaths() -> str:
    lines = []
    for at in range(ALL):
        data = {"name": f"守口 {at}", "died_on": "2026-11-20", "effective_on": "2026-11-20"}
        event = {"specversion": "1.0", "id": f"d{at}", "type": "resident.died", "subject": f"{at % RESIDENTS}"}
        lines.append(json.dumps({**event, "data": data}))
    return "\n".join(lines)


def eventually(reached: Callable[[], bool], limit: float = 60.0) -> None:
    end = time.monotonic() + limit
    while not reached():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def test_sinks_that_hang_answer_late_lie_or_refuse_lose_and_double_nothing_and_hold_up_nobody(
    tmp_path: Path,
    new_shell: Callable[..., Shell],
    service: Service,
    topic_prefix: str,
    database_url: str,
    kafka_bootstrap: str,
) -> None:
    city = tmp_path / "city"
    write_city(city, topic_prefix, service)
    shell = new_shell(city, HUB_KAFKA=kafka_bootstrap, HUB_LEDGER=database_url)
    shell.json("publish", "-", "--as", "juki", stdin=deaths())
    running = shell.serve("run", "--only", "dispatch,delivery", "--port", "0", log=tmp_path / "log")

    def taken(name: str) -> list[str]:
        return [event["id"] for _, event in service.taken.get(f"/keys/{name}", [])]

    def in_file() -> list[str]:
        file = city / "out/lines.jsonl"
        return [orjson.loads(line)["id"] for line in file.read_bytes().splitlines()] if file.exists() else []

    eventually(lambda: len(in_file()) == ALL and all(len(taken(name)) == ALL for name in ("late", "lies", "thirds")))
    assert any(path == "/keys/hangs" for path, _ in service.calls)  # it has been hanging all the time
    assert taken("hangs") == []
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 0

    service.open.set()
    assert shell.json("drain")["clear"]
    service.quiet()
    for told in (in_file(), *map(taken, ANSWERS)):
        assert sorted(map(number, told)) == list(range(ALL))
        for resident in range(RESIDENTS):
            of_one = [number(each) for each in told if number(each) % RESIDENTS == resident]
            assert of_one == sorted(of_one)
    assert sum(service.calls.values()) > len(ANSWERS) * ALL  # they did have to be called again
