"""The managed local Kafka: one real broker on loopback, its data in the city's `var/kafka/`.

It runs in a session of its own and outlives the command that started it. A command that needs Kafka takes a `lease`;
a broker started by a lease is temporary and ends with its last user, one started by `start` stays until `stop`.
Commands starting at once share one broker: whoever looks at it or changes it holds `var/kafka/lock`; users hold
`var/kafka/users` shared, which the system lets go of even when they are killed.

The ports are chosen once and kept. When another program holds one at a start, others are chosen and kept from then
on, which is said on stderr: a process that still uses the old address must be started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from hub.errors import BrokerUnavailable
from hub.kafka import diagnosis, formatting, private, properties
from hub.kafka.asking import serves
from hub.kafka.jars import Say, install, jar_folder, locked, say_on_stderr
from hub.kafka.java import find_java
from hub.kafka.ports import choose_ports, free
from hub.kafka.process import alive, end, spawn, wait

START_LIMITS = (30.0, 60.0)  # seconds until a silent broker is started once more, and until it is given up
STOP_LIMIT = 30.0
_SILENT_LIMIT = 5.0  # seconds that a silent broker has to stop
_ROOM = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Running:
    """The broker as its starter wrote it down; `token` is on its command line and tells it from any other process."""

    pid: int
    token: str
    bootstrap: str
    temporary: bool
    started: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of the local broker; `bootstrap` and `pid` only while it runs."""

    running: bool
    serving: bool
    temporary: bool
    bootstrap: str | None
    pid: int | None
    started: float | None
    version: str
    folder: str
    log: str


class LocalBroker:
    """The local broker of one city; `var` is the city's own folder."""

    def __init__(self, var: Path, *, say: Say | None = None, options: tuple[str, ...] = ()) -> None:
        """Manage the broker of `var`; `options` are added to those of the Java virtual machine."""
        self.folder = var.resolve() / "kafka"
        self._options = options
        self.log = self.folder / "broker.log"
        self._state = self.folder / "broker.json"
        self._say = say or say_on_stderr
        self._ahead: Future[None] | None = None  # a lease being taken ahead
        self._speak: Callable[[], None] = lambda: None  # tells what was not told while nobody waited for it

    def start(self) -> Status:
        """Return once the broker serves and stays; a running one is kept. Raises BrokerUnavailable with the mend."""
        with self._alone():
            running = self._serving(temporary=False)
            if running.temporary:
                self._write(Running(**{**asdict(running), "temporary": False}))
        return self.status()

    def stop(self, *, limit: float = STOP_LIMIT) -> bool:
        """End the broker, whoever uses it, by force after `limit` seconds; return whether one ran."""
        with self._alone():
            return self._stop(limit)

    def revive(self) -> bool:
        """Start a broker again that has ended by itself, as it was; return whether that was done.

        One that somebody has stopped stays stopped. Raises BrokerUnavailable, and may then be asked again.
        """
        with self._alone():
            noted = self._noted()
            if noted is None or alive(noted.pid, noted.token):
                return False
            try:
                self._serving(temporary=noted.temporary)
            except BrokerUnavailable:
                self._write(noted)
                raise
        return True

    def status(self) -> Status:
        """Return what is known now; starts and changes nothing."""
        version, _ = locked()
        running = self._running()
        return Status(
            running=running is not None,
            serving=running is not None and serves(running.bootstrap),
            temporary=running is not None and running.temporary,
            bootstrap=running.bootstrap if running else None,
            pid=running.pid if running else None,
            started=running.started if running else None,
            version=version,
            folder=str(self.folder),
            log=str(self.log),
        )

    @property
    def bootstrap(self) -> str | None:
        """Return the bootstrap servers of the running broker, None when none runs."""
        running = self._running()
        return running.bootstrap if running else None

    @contextmanager
    def lease(self) -> Iterator[str]:
        """Yield the bootstrap servers of a serving broker; one started for this ends with its last user."""
        if self._ahead is not None:
            self._speak()
            self._ahead.result()
        with self._leased() as bootstrap:
            yield bootstrap

    @contextmanager
    def _leased(self) -> Iterator[str]:
        with self._alone():
            users = self._open("users")
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                running = self._serving(temporary=True)
            except BaseException:
                self._leave(users)
                raise
        try:
            yield running.bootstrap
        finally:
            with self._alone():
                self._leave(users)

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Hold a lease beside the block, which does not wait for it: the broker starts while the block gets ready.

        The block takes a lease of its own before it uses the broker, and hears there why this one has failed. What has
        to be fetched first is left to that lease, which nothing goes wrong before. Nothing is said until then: a block
        that finds something wrong has its own words.
        """
        if not jar_folder().exists():
            yield
            return
        over, taken = threading.Event(), Future[None]()
        say, unsaid = self._say, list[str]()

        def speak() -> None:
            self._say, self._speak = say, lambda: None
            for line in unsaid:
                say(line)

        def hold() -> None:
            try:
                with self._leased():
                    taken.set_result(None)
                    over.wait()
            except BaseException as fault:  # noqa: BLE001 - it is told where the broker is needed
                if not taken.done():
                    taken.set_exception(fault)

        self._ahead, self._say, self._speak = taken, unsaid.append, speak
        holder = threading.Thread(target=hold, name="kafka-ahead")
        holder.start()
        try:
            yield
        finally:
            over.set()
            holder.join()
            self._ahead, self._say = None, say

    def _leave(self, users: IO[str]) -> None:
        with users, suppress(BlockingIOError):
            running = self._running()
            if running is not None and running.temporary:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while somebody else uses it
                self._stop()

    def _launch(self, *, temporary: bool) -> Running:
        jars = self._jars()
        found = find_java()
        if shutil.disk_usage(self.folder).free < _ROOM:
            raise BrokerUnavailable(f"the disk of {self.folder} is full", mend="Kafka needs 64 MB free to start")
        port, controller = choose_ports(self.folder / "ports.json", self._say)
        config = properties.write(self.folder, port=port, controller=controller)
        archive = found.start_archive(jars)
        faster = [f"-XX:AOTCache={archive}"] if archive and archive.exists() and not self._options else []
        java = [str(found.program), *properties.jvm(found.version, log=self.log), *faster, "-cp", f"{jars}/*"]
        try:
            formatting.ready(self.folder / "data", java, config, jars)
        except formatting.FormatFailed as fault:
            raise diagnosis.failed(str(fault), self.log) from fault
        self._say("Apache Kafka: starting")
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        token = secrets.token_hex(8)
        pid = spawn([*java, *self._options, f"-Dhub.broker={token}", "kafka.Kafka", str(config)], self.log)
        running = Running(pid, token, f"127.0.0.1:{port}", temporary, time.time())
        self._write(running)
        return running

    def _jars(self) -> Path:
        """Return the jars; where they had to be fetched, a start is recorded too, since waiting is expected then."""
        from hub.kafka.prepare import prepare  # noqa: PLC0415 - it records the start of a broker of this class

        there = jar_folder().exists()
        return install(say=self._say) if there or self._options else prepare(say=self._say)

    def _serving(self, *, temporary: bool) -> Running:
        """Return the broker when it answers. One that is silent is ended and started once more: a start can hang."""
        for limit in START_LIMITS:
            found = self._running()
            running = found or self._launch(temporary=temporary)
            if self._answers(running, limit):
                return running
            silent = alive(running.pid, running.token)
            said = self.log.read_text(errors="replace") if self.log.exists() else ""
            self._end_silent(running)
            if silent:
                self._say(f"Apache Kafka: it does not answer for {limit:.0f} seconds and is ended")
            elif found is None:
                break  # one that ran before and has ended meanwhile is started anew
        port_free = free(int(running.bootstrap.rsplit(":", 1)[1]))
        raise diagnosis.failed(said, self.log, port_free=port_free, silent=silent)

    def _answers(self, running: Running, limit: float) -> bool:
        """Wait until the broker answers or has ended; say whether it answers."""
        ready = wait(lambda: serves(running.bootstrap) or not alive(running.pid, running.token), limit)
        return ready and alive(running.pid, running.token)

    def _end_silent(self, running: Running) -> None:
        """End a broker; the log keeps what its threads were doing."""
        if alive(running.pid, running.token):
            with suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGQUIT)
        end(running.pid, running.token, grace=_SILENT_LIMIT)
        self._state.unlink(missing_ok=True)

    def _stop(self, limit: float = STOP_LIMIT) -> bool:
        running = self._running()
        if running is not None:
            end(running.pid, running.token, grace=limit)
        self._state.unlink(missing_ok=True)
        return running is not None

    def _running(self) -> Running | None:
        """Return the broker if it lives: a file left by one that was killed, or a reused process id, is no broker."""
        noted = self._noted()
        return noted if noted is not None and alive(noted.pid, noted.token) else None

    def _noted(self) -> Running | None:
        """Return the broker that was started last, alive or not; None when it was stopped."""
        try:
            return Running(**json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _write(self, running: Running) -> None:
        fresh = self._state.with_suffix(".new")
        private.write(fresh, json.dumps(asdict(running)))
        fresh.replace(self._state)

    def _open(self, name: str) -> IO[str]:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True, mode=private.FOLDER)
            self.folder.mkdir(exist_ok=True, mode=private.FOLDER)
            return open(self.folder / name, "a", opener=private.opener)
        except OSError as fault:
            raise BrokerUnavailable(
                f"{self.folder} cannot be written: {fault.strerror}", mend="mend its rights, or set HUB_KAFKA"
            ) from fault

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._open("lock") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                yield
            except OSError as fault:
                raise diagnosis.failed(str(fault), self.log) from fault
