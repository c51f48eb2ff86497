"""The local broker's parts that need no broker."""

import hashlib
import json
import os
import socket
import sys
import zipfile

import pytest

from hub.errors import BrokerUnavailable
from hub.kafka import diagnosis, jars, java, ports, process, properties


@pytest.fixture
def pinned(monkeypatch, tmp_path):
    """Two small jars as the lock, and a folder that has them."""
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    lock = []
    for name in ("one", "two"):
        path = folder / f"{name}-1.0.jar"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("name", name)
        lock.append(jars.Jar(f"org.example:{name}:1.0", hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(jars, "locked", lambda: ("1.0", tuple(lock)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HUB_MAVEN", raising=False)
    return tmp_path / "elsewhere"


def test_the_lock_pins_every_jar_and_names_no_address():
    version, locked = jars.locked()
    assert version == "4.4.0"
    assert len(locked) == 45
    assert all(len(jar.sha256) == 64 for jar in locked)
    assert "://" not in jars._LOCK.read_text()


def test_jars_are_installed_from_a_folder_without_network(pinned):
    target = jars.install(pinned)
    assert sorted(path.name for path in target.iterdir()) == ["one-1.0.jar", "two-1.0.jar"]
    assert jars.install() == target  # nothing is fetched again


def test_a_half_written_jar_is_replaced_and_the_others_are_kept(pinned):
    target = jars.install(pinned)
    (target / "one-1.0.jar").write_bytes(b"half")
    kept = (target / "two-1.0.jar").stat().st_ino
    jars.install(pinned)
    assert zipfile.is_zipfile(target / "one-1.0.jar")
    assert (target / "two-1.0.jar").stat().st_ino == kept


def test_what_java_recorded_of_other_jars_goes_with_them(pinned):
    target = jars.install(pinned)
    (target / "start-java25-0.aot").touch()
    jars.install(pinned)
    assert (target / "start-java25-0.aot").exists()
    (target / "one-1.0.jar").write_bytes(b"half")
    jars.install(pinned)
    assert not (target / "start-java25-0.aot").exists()


def test_a_jar_that_is_not_the_pinned_one_is_refused_and_leaves_no_trace(pinned):
    (pinned / "deep" / "two-1.0.jar").write_bytes(b"another")
    with pytest.raises(BrokerUnavailable, match=r"wrong checksum for org\.example:two:1\.0"):
        jars.install(pinned)
    assert not jars.jar_folder().exists()
    assert [path.name for path in jars.cache_folder().iterdir()] == ["lock"]


def test_a_folder_that_lacks_jars_says_which(pinned):
    (pinned / "deep" / "two-1.0.jar").unlink()
    with pytest.raises(BrokerUnavailable, match=r"lacks 1 of 2 jars: two-1\.0\.jar"):
        jars.install(pinned)


def test_hub_maven_may_be_a_folder_laid_out_as_a_repository(pinned, monkeypatch, tmp_path):
    repository = tmp_path / "repository"
    for name in ("one", "two"):
        place = repository / "org" / "example" / name / "1.0"
        place.mkdir(parents=True)
        (pinned / "deep" / f"{name}-1.0.jar").rename(place / f"{name}-1.0.jar")
    monkeypatch.setenv("HUB_MAVEN", str(repository))
    said = []
    assert len(list(jars.install(say=said.append).iterdir())) == 2
    assert said[-1].endswith("2 of 2 jars")


def test_a_repository_that_does_not_answer_is_an_error_with_the_ways_out(pinned, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HUB_MAVEN", f"http://127.0.0.1:{server.getsockname()[1]}")
        server.close()
        with pytest.raises(BrokerUnavailable, match="hub kafka install --from"):
            jars.install(say=lambda _: None)


def test_a_full_disk_is_said_before_anything_is_fetched(pinned, monkeypatch):
    monkeypatch.setattr(jars, "_ROOM", 1 << 60)
    with pytest.raises(BrokerUnavailable, match="no room"):
        jars.install(pinned)


def test_java_comes_with_the_hub_or_from_java_home(monkeypatch, tmp_path):
    found = java.find_java()
    assert found.version >= java.OLDEST
    assert os.access(found.program, os.X_OK)
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    monkeypatch.setenv("JAVA_HOME", str(found.program.parent.parent))
    assert java.find_java() == found
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch(0o755)
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.2"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BrokerUnavailable, match="JAVA_HOME"):
        java.find_java()


def test_an_archive_belongs_to_one_build_of_java(monkeypatch, tmp_path):
    monkeypatch.setattr(java, "find_spec", lambda _: None)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch(0o755)
    places = []
    for version in ("21.0.1", "25.0.1", "25.0.2"):
        (tmp_path / "release").write_text(f'JAVA_VERSION="{version}"\n')
        places.append(java.find_java().start_archive(tmp_path))
    assert places[0] is None  # no such thing yet
    assert places[1] != places[2]


def test_ports_are_remembered_and_changed_only_when_taken(tmp_path):
    said = []
    first = ports.choose_ports(tmp_path / "ports.json", said.append)
    assert ports.choose_ports(tmp_path / "ports.json", said.append) == first
    assert not said
    with socket.create_server(("127.0.0.1", first[1])):
        second = ports.choose_ports(tmp_path / "ports.json", said.append)
    assert second != first
    assert json.loads((tmp_path / "ports.json").read_text()) == list(second)
    assert "in use by another program" in said[0]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("java.io.IOException: No space left on device", "the disk is full"),
        ("[Errno 28] No space left", "the disk is full"),
        ("KafkaException: Socket server failed to bind to 127.0.0.1:9092: Address already in use.", "port"),
        ("Failed to acquire lock on file .lock in /x", "another Kafka"),
        ("FileNotFoundException: /x/meta (Permission denied)", "cannot be written"),
        ("There is insufficient memory for the Java Runtime Environment", "memory"),
        ("java.lang.RuntimeException: something new", "something new"),
        ("", "it said nothing"),
    ],
)
def test_what_a_broker_said_becomes_a_cause_and_a_mend(said, cause, tmp_path):
    fault = diagnosis.failed(said, tmp_path / "broker.log")
    assert cause in fault.message
    assert fault.mend
    assert fault.place.endswith("broker.log")


def test_a_process_is_told_from_another_with_its_number(tmp_path):
    pid = process.spawn([sys.executable, "-c", "import time; time.sleep(60)", "mark"], tmp_path / "log")
    assert os.getsid(pid) == pid
    assert process.alive(pid, "mark")
    assert not process.alive(pid, "another")
    process.end(pid, "another", grace=1.0)
    assert process.alive(pid, "mark")
    process.end(pid, "mark", grace=5.0)
    assert not process.alive(pid, "mark")


def test_a_process_that_does_not_heed_the_first_signal_is_killed(tmp_path):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    )
    pid = process.spawn([sys.executable, "-c", stubborn, "mark"], tmp_path / "log")
    assert process.wait(lambda: (tmp_path / "log").read_text() == "1\n", 10.0)
    process.end(pid, "mark", grace=0.2)
    assert not process.alive(pid, "mark")


def test_the_broker_listens_on_loopback_only_and_makes_no_topics_by_itself(tmp_path):
    text = properties.write(tmp_path, port=1001, controller=1002).read_text()
    settings = dict(line.split("=", 1) for line in text.splitlines())
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1001,CONTROLLER://127.0.0.1:1002"
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["log.dirs"] == str(tmp_path / "data")
    assert len(properties.cluster_id()) == 22
