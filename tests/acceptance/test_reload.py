"""`hub run` while its city is edited: a broken edit is refused with its place, a right one takes effect."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

JUKI = """
system: juki
publishes:
  - event: resident.moved
    from: {adapter: csv, path: in/juki/*.csv, encoding: utf-8, every: 1s}
    id: row.no
    subject: row.no
    map: {name: row.name, old_address: address(row.old), new_address: address(row.new), effective_on: '"2026-11-16"'}
"""
KOKUHO = """
system: kokuho
subscribes:
  - {id: moved, on: resident.moved, send: [name], because: test}
receives: {adapter: jsonl, path: out/kokuho.jsonl}
"""
LIMIT = 110  # seconds; each wait takes a second or two on a machine that is not loaded


@pytest.fixture
def city(tmp_path, topic_prefix):
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: example\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems/juki.yaml").write_text(JUKI)
    (folder / "systems/kokuho.yaml").write_text(KOKUHO)
    return folder


def until(condition, what):
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def edit(path: Path, text: str) -> None:
    """Save as editors do: another file takes the name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_a_broken_edit_is_refused_and_a_right_one_takes_effect(city, kafka_bootstrap, new_shell, tmp_path):
    shell = new_shell(city, HUB_KAFKA=kafka_bootstrap)
    said = tmp_path / "said"
    with said.open("w") as stream:
        running = shell.begin("run", "--only", "intake,dispatch,delivery", stderr=stream)
    rules, out = city / "systems/kokuho.yaml", city / "out/kokuho.jsonl"

    def told(number):
        lines = out.read_text("utf-8").splitlines() if out.exists() else []
        return len(lines) >= number and json.loads(lines[number - 1])["data"]

    def move(no):
        (city / "in/juki").mkdir(parents=True, exist_ok=True)
        (city / f"in/juki/{no}.csv").write_text(f"no,name,old,new\n{no},n{no},a,b\n")

    until(lambda: "running:" in said.read_text(), "it runs")
    move(1)
    assert until(lambda: told(1), "by the first rules") == {"name": "n1"}

    edit(rules, KOKUHO.replace("[name]", "[nmae]"))
    until(lambda: "systems/kokuho.yaml:4:" in said.read_text(), "the broken edit is refused with its place")
    move(2)
    assert until(lambda: told(2), "the old rules go on") == {"name": "n2"}

    edit(rules, KOKUHO.replace("[name]", "[name, effective_on]"))
    until(lambda: "took up the edit" in said.read_text(), "the right edit is taken")
    move(3)
    assert until(lambda: told(3), "by the new rules") == {"name": "n3", "effective_on": "2026-11-16"}

    edit(city / "hub.yaml", "city: example\nkafka: {prefix: another}\n")
    until(lambda: "prefix" in said.read_text(), "what the process stands on is not exchanged under it")
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    assert running.wait(LIMIT) == 0
    assert said.read_text().count("took up the edit") == 1
