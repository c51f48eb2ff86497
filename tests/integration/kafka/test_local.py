import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from hub.errors import BrokerUnavailable
from hub.kafka import formatting, local, process, topics
from hub.kafka.asking import serves
from hub.kafka.bus import Consumer, Producer
from hub.kafka.jars import jar_folder
from hub.kafka.java import Java, find_java
from hub.kafka.local import LocalBroker
from hub.kafka.prepare import prepare
from hub.kafka.process import _command_line
from tests.integration.kafka.until import until

pytestmark = pytest.mark.usefixtures("local_kafka")


@pytest.fixture
def broker(tmp_path):
    broker = LocalBroker(tmp_path, say=lambda _: None)
    yield broker
    broker.stop()


def test_start_and_stop_may_be_repeated_and_a_lease_does_not_end_a_permanent_broker(broker):
    assert not broker.stop()
    first = broker.start()
    assert first.serving
    assert not first.temporary
    assert os.getsid(first.pid) == first.pid  # a session of its own
    with broker.lease() as bootstrap:
        assert bootstrap == first.bootstrap
    assert broker.start().pid == first.pid
    assert broker.stop()
    assert not broker.stop()
    assert not broker.status().running
    assert not serves(first.bootstrap)


def test_what_is_in_the_brokers_folder_is_its_users_alone(broker):
    others = os.umask(0o022)
    try:
        broker.start()
    finally:
        os.umask(others)
    made = [broker.folder, *broker.folder.rglob("*")]
    assert any(path.name == "meta.properties" for path in made)
    assert any(path.suffix == ".log" and path.parent.parent.name == "data" for path in made)
    assert not [path for path in made if path.stat().st_mode & 0o077]


def test_a_broker_started_by_a_lease_ends_with_its_last_user_unless_it_is_made_permanent(broker):
    with broker.lease() as first:
        assert broker.status().temporary
        with broker.lease() as second:
            assert first == second
        assert serves(first)
    assert not broker.status().running

    with broker.lease():
        broker.start()
    assert broker.status().serving


async def test_a_killed_broker_starts_again_on_its_data_and_its_clients_go_on(broker, tmp_path):
    bootstrap = broker.start().bootstrap
    info = await topics.ensure_topics(bootstrap, "hub", "city", "ledger")
    producer = Producer(bootstrap, limit=5.0)
    seen = []

    async def handler(records):
        seen.extend(record.value for record in records)

    async def positions(partitions):
        return {}

    consumer = Consumer(bootstrap, info.name, "group", handler=handler, positions=positions)
    await consumer.start()
    await producer.publish(info.name, [(b"1", b"before")])
    await until(lambda: seen == [b"before"])

    os.kill(broker.status().pid, signal.SIGKILL)
    await until(lambda: not broker.status().running)
    with pytest.raises(BrokerUnavailable):
        await producer.publish(info.name, [(b"1", b"away")])
    assert broker.start().bootstrap == bootstrap

    assert (await topics.topic_info(bootstrap, info.name)) == info
    await producer.publish(info.name, [(b"1", b"after")])
    await until(lambda: b"after" in seen, limit=30)
    assert sorted(set(seen) - {b"away"}) == [b"after", b"before"]
    assert seen.count(b"before") == seen.count(b"after") == 1
    await consumer.stop()
    await producer.stop()


@pytest.mark.parametrize("temporary", [True, False])
async def test_a_broker_that_was_killed_is_revived_as_it_was_but_not_one_that_was_stopped(broker, temporary):
    assert not broker.revive()
    with broker.lease() if temporary else contextlib.nullcontext(broker.start()):
        before = broker.status()
        assert not broker.revive()
        os.kill(before.pid, signal.SIGKILL)
        await until(lambda: not broker.status().running)
        assert broker.revive()
        after = broker.status()
        assert after.pid != before.pid
        assert (after.bootstrap, after.temporary, after.serving) == (before.bootstrap, temporary, True)
        broker.stop()
        assert not broker.revive()
        assert not broker.status().running


async def test_a_broker_that_cannot_be_revived_is_tried_again(broker, monkeypatch):
    os.kill(broker.start().pid, signal.SIGKILL)
    await until(lambda: not broker.status().running)
    with monkeypatch.context() as patched:
        patched.setattr(local, "serves", lambda _: False)
        patched.setattr(local, "START_LIMITS", (0.1, 0.1))
        with pytest.raises(BrokerUnavailable):
            broker.revive()
    assert not broker.status().running
    assert broker.revive()


def test_a_stale_note_or_a_reused_process_id_is_no_broker(broker):
    broker.start()
    broker.stop()
    note = {"pid": os.getpid(), "token": "0" * 16, "bootstrap": "127.0.0.1:1", "temporary": False, "started": 0}
    (broker.folder / "broker.json").write_text(json.dumps(note))
    assert not broker.status().running
    (broker.folder / "broker.json").write_text('{"pid":')
    assert not broker.status().running
    assert broker.start().serving


def test_another_port_is_chosen_when_the_remembered_one_is_taken(tmp_path):
    said = []
    broker = LocalBroker(tmp_path, say=said.append)
    before = broker.start().bootstrap
    broker.stop()
    with socket.create_server(("127.0.0.1", int(before.rsplit(":", 1)[1]))):
        after = broker.start().bootstrap
    broker.stop()
    assert after != before
    assert any("in use by another program" in line for line in said)


COMMAND = """
import sys, time
from pathlib import Path
from hub.kafka.java import find_java
from hub.kafka.local import LocalBroker
broker = LocalBroker(Path(sys.argv[1]), say=lambda _: None)
with broker.lease() as bootstrap:
    print(bootstrap, broker.status().pid, flush=True)
    sys.stdin.readline()
"""


def test_commands_that_start_at_once_share_one_broker_and_a_killed_user_does_not_keep_it(tmp_path):
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    told = {command.stdout.readline() for command in commands}
    broker = LocalBroker(tmp_path)
    try:
        assert len(told) == 1
        assert broker.status().serving
        commands[0].kill()
        commands[0].communicate()
        assert broker.status().serving
        for command in commands[1:]:
            command.communicate("\n")
        assert not broker.status().running
    finally:
        broker.stop()


def test_a_start_is_recorded_once_and_repeated(broker):
    jars = prepare()
    archive = find_java().start_archive(jars)
    assert archive.stat().st_size > 1 << 20
    recorded = archive.stat().st_mtime_ns
    prepare()
    assert archive.stat().st_mtime_ns == recorded
    broker.start()
    assert f"-XX:AOTCache={archive}" in _command_line(broker.status().pid)


@pytest.mark.parametrize("damage", ["cut", "junk", "unreadable"])
def test_a_broker_starts_without_an_archive_that_java_cannot_use(broker, tmp_path, monkeypatch, damage):
    archive = tmp_path / "start.aot"
    whole = find_java().start_archive(prepare()).read_bytes()
    archive.write_bytes({"cut": whole[: len(whole) // 2], "junk": bytes(4096), "unreadable": whole}[damage])
    if damage == "unreadable":
        archive.chmod(0)
    monkeypatch.setattr(Java, "start_archive", lambda *_: archive)
    assert broker.start().serving
    assert f"-XX:AOTCache={archive}" in _command_line(broker.status().pid)


def test_an_archive_that_cannot_be_recorded_keeps_nobody_from_kafka(monkeypatch):
    said = []
    monkeypatch.setattr(Java, "start_archive", lambda _, jars: jars / "other.aot")

    def fails(*_, **__):
        raise BrokerUnavailable("no")

    monkeypatch.setattr(LocalBroker, "start", fails)
    assert prepare(say=said.append) == jar_folder()
    assert said[-1].endswith("no start could be recorded: no")


def test_a_broker_started_ahead_is_the_one_a_lease_gets_and_ends_with_the_block(broker):
    with broker.ahead():
        with broker.lease() as bootstrap:
            assert serves(bootstrap)
        assert broker.status().serving
        assert broker.status().temporary
    assert not broker.status().running
    broker.start()
    with broker.ahead():
        pass
    assert broker.status().serving


def test_a_broker_started_ahead_is_told_of_when_somebody_waits_for_it(tmp_path):
    said = []
    broker = LocalBroker(tmp_path, say=said.append)
    with broker.ahead():
        pass
    assert said == []
    with broker.ahead(), broker.lease():
        assert said == ["Apache Kafka: starting"]
    assert not broker.status().running


def test_a_lease_hears_why_the_one_taken_ahead_failed_and_does_not_try_again(broker, monkeypatch):
    tried = []

    def fails(*_, **__):
        tried.append(1)
        raise BrokerUnavailable("no room")

    monkeypatch.setattr(broker, "_launch", fails)
    with broker.ahead(), pytest.raises(BrokerUnavailable, match="no room"), broker.lease():
        pass
    assert tried == [1]


@pytest.fixture
def hanging(broker, monkeypatch):
    """Brokers that hang at their start, as many as are asked for, and are given little time."""

    def ask(starts):
        def spawn(command, stream):
            pid = process.spawn(command, stream)
            begun.append(pid)
            if len(begun) <= starts:
                os.kill(pid, signal.SIGSTOP)
            return pid

        begun = []
        monkeypatch.setattr(local, "spawn", spawn)
        monkeypatch.setattr(local, "_SILENT_LIMIT", 0.1)
        return begun

    return ask


def test_a_broker_that_hangs_at_its_start_is_started_once_more(broker, hanging, monkeypatch):
    begun = hanging(1)
    monkeypatch.setattr(local, "START_LIMITS", (0.2, 60.0))
    assert broker.start().serving
    first, second = begun
    assert broker.status().pid == second
    assert not _command_line(first)


def test_a_broker_that_hangs_again_is_given_up_and_ended(broker, hanging, monkeypatch):
    begun = hanging(2)
    monkeypatch.setattr(local, "START_LIMITS", (0.2, 0.2))
    with pytest.raises(BrokerUnavailable, match="it runs and does not answer"):
        broker.start()
    assert len(begun) == 2
    assert not any(_command_line(pid) for pid in begun)
    assert not broker.status().running


def test_a_broker_that_ends_while_it_is_asked_for_is_started_anew(broker, monkeypatch):
    first = broker.start().pid

    def asked(bootstrap):
        if _command_line(first):
            os.kill(first, signal.SIGKILL)
            return False
        return serves(bootstrap)

    monkeypatch.setattr(local, "serves", asked)
    assert broker.start().serving
    assert broker.status().pid != first


def test_a_log_that_cannot_be_read_is_told_with_what_the_broker_said(broker):
    broker.start()
    broker.stop()
    (broker.folder / "data" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=99\n")
    with pytest.raises(BrokerUnavailable, match="did not start") as caught:
        broker.start()
    assert "node" in str(caught.value)
    assert not broker.status().running


def test_a_second_city_needs_no_storage_tool_and_has_ids_of_its_own(tmp_path, monkeypatch):
    first, second = (LocalBroker(tmp_path / name, say=lambda _: None) for name in ("first", "second"))
    try:
        first.start()

        def refuse(*_, **__):
            raise AssertionError("the storage tool was called again")

        monkeypatch.setattr(formatting, "_format", refuse)
        assert second.start().serving
        ids = [ids_of(broker.folder / "data" / "meta.properties") for broker in (first, second)]
        assert [sorted(each) for each in ids] == [["cluster.id", "directory.id", "node.id", "version"]] * 2
        assert not set(ids[0].items()) & set(ids[1].items()) - {("node.id", "1"), ("version", "1")}
    finally:
        first.stop()
        second.stop()


def ids_of(path):
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if not line.startswith("#"))
