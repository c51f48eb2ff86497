"""The named points at which a process of the hub is killed, and what must be going on for it to come there.

A point is a place before or after a call of one function of the hub; nothing in the hub knows of it. What a process
does when it takes over from one that died is met by dying twice: at `first`, and then, without new work, at the point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hub.ledger.desk import Intent
from hub.ledger.status import UNKNOWN, WAITING
from tests.services.crash import Seen

Act = Literal["drain", "publish", "refuse", "replay", "cancel", "load", "decide", "answer"]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the hub's code: `where` is `module:function` or `module:Class.method`, `only` picks one of its calls.

    Of several places with a space between them the first that is reached counts.

    `act` says what is going on; `asks` that the command a person types is the one that dies, and not the hub after it.
    """

    where: str
    when: Literal["before", "after", "half"] = "after"
    only: Seen = lambda _arguments, _result: True
    act: Act = "drain"
    first: str = ""
    asks: bool = False


def _kind(token: dict[str, Any] | None) -> str:
    if token is None:
        return "call"
    return "line" if "length" in token else "file"


def _settles(seen: Callable[[Any], bool]) -> Seen:
    return lambda arguments, _: any(seen(one) for one in arguments[1])


def _intends(kind: str) -> Seen:
    return _settles(lambda one: isinstance(one.intent, Intent) and _kind(one.intent.token) == kind)


def _ends(kind: str) -> Seen:
    """Pick the settlement that ends a batch of a kind; one that another process began is of no kind."""
    begun: dict[int, str] = {}

    def seen(one: Any) -> bool:
        if isinstance(one.intent, Intent):
            begun[one.receiver] = _kind(one.intent.token)
        return one.intent is False and begun.pop(one.receiver, "") == kind

    return lambda arguments, _: [seen(one) for one in arguments[1]].count(True) > 0


def _takes(arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(result[1])


def _takes_half_done(arguments: tuple[Any, ...], result: Any) -> bool:
    return any(lease.intent is not None for lease in result[1])


def _honours_keys(honours: bool) -> Seen:
    return lambda arguments, _: arguments[0].features.idempotent is honours


def _of_a_job(arguments: tuple[Any, ...], _result: Any) -> bool:
    return any(not each.key.endswith(":0") for each in arguments[1].deliveries)


def _any(arguments: tuple[Any, ...], result: Any) -> bool:
    return bool(result)


_SETTLE = "hub.ledger.desk:Desk.settle"
_RENEW = "hub.ledger.desk:Desk.renew"
_WRITTEN = _settles(lambda one: bool(one.finished))
_OBEYED = _settles(lambda one: bool(one.obeyed))
_FAILED = _settles(lambda one: any(hold.status == WAITING for hold in one.holds))
_RELEASED = _settles(lambda one: bool(one.released))
_IN_DOUBT = _settles(lambda one: any(hold.status == UNKNOWN for hold in one.holds))

POINTS: dict[str, Point] = {
    # a source: read, produce, acknowledge
    "source: read": Point("hub.stages.reader:Reader._publish", "before"),
    "source: half produced": Point("hub.kafka.producer:_send"),
    "source: produced": Point("hub.stages.reader:Reader._publish"),
    "source: stored": Point("hub.stages.reader:Reader._store"),
    "source: half moved": Point("hub.adapters.files:_free_name"),
    "source: acknowledged": Point("hub.adapters.file_source:FileSource.acknowledge"),
    "publish: produced": Point("hub.stages.publish:publish_sound", act="publish"),
    "publish: kept": Point("hub.stages.publish:keep", act="publish"),
    # dispatch: its transaction and what follows
    "dispatch: before its transaction": Point("hub.ledger.log:EventLog.commit", "before"),
    "dispatch: inside, moved": Point("hub.ledger.log:EventLog._move"),
    "dispatch: inside, written": Point("hub.ledger.log:_insert_sqlite hub.ledger.log:_insert_postgres"),
    "dispatch: committed": Point("hub.ledger.log:EventLog.commit"),
    "dispatch: handed over": Point("hub.stages.log:LogReader.append"),
    "dispatch: shown to Kafka": Point("hub.kafka.consumer:Consumer._commit"),
    # leases
    "lease: asked": Point(_RENEW, "before"),
    "lease: taken": Point(_RENEW, only=_takes),
    "lease: read": Point("hub.stages.receiver:Worker._take_over"),
    "lease: given back": Point("hub.ledger.desk:Desk.release", "before"),
    # a file a batch: prepared, renamed, recorded
    "file: written": Point("hub.adapters.places.local:LocalOutbox.write"),
    "file: remembered": Point("hub.adapters.places.local:LocalOutbox.remember"),
    "file: prepared": Point("hub.adapters.file_sink:FileSink._prepare"),
    "file: recorded": Point(_SETTLE, only=_intends("file")),
    "file: renamed": Point("hub.adapters.places.local:LocalOutbox.publish"),
    "file: outcome recorded": Point(_SETTLE, only=_ends("file")),
    # a file that grows: prepared, appended, recorded
    "line: prepared": Point("hub.adapters.jsonl_append:AppendingSink._prepare"),
    "line: recorded": Point(_SETTLE, only=_intends("line")),
    "line: half appended": Point("hub.adapters.jsonl_append:write_all", "half"),
    "line: appended": Point("hub.adapters.jsonl_append:write_all"),
    "line: synced": Point("hub.adapters.jsonl_append:AppendingSink._commit"),
    "line: outcome recorded": Point(_SETTLE, only=_ends("line")),
    # a database, and a service that honours the key
    "row: applied": Point("hub.adapters.database_sink:DatabaseSink._apply"),
    "row: committed": Point("hub.adapters.database_sink:DatabaseSink._deliver"),
    "call: about to be made": Point("hub.adapters.http:HttpSink._send", "before", _honours_keys(True)),
    "call: answered": Point("hub.adapters.http:HttpSink._send", only=_honours_keys(True)),
    "outcome: about to be recorded": Point(_SETTLE, "before", _WRITTEN),
    "outcome: recorded": Point(_SETTLE, only=_WRITTEN),
    # a service that does not: sending, call, outcome
    "sending: recorded": Point(_SETTLE, only=_intends("call")),
    "sending: arrived": Point("hub.adapters.http:HttpSink._send", act="answer"),
    "sending: called": Point("hub.adapters.http:HttpSink._send", only=_honours_keys(False)),
    "sending: outcome recorded": Point(_SETTLE, only=_ends("call")),
    # a take-over of what another process left half done
    "take-over: taken": Point(_RENEW, only=_takes_half_done, first="file: recorded"),
    "take-over: file about to be finished": Point(
        "hub.adapters.file_sink:FileSink._recover", "before", first="file: renamed"
    ),
    "take-over: file finished": Point("hub.adapters.file_sink:FileSink._recover", first="file: recorded"),
    "take-over: line half finished": Point("hub.adapters.jsonl_append:write_all", "half", first="line: half appended"),
    "take-over: line finished": Point("hub.adapters.jsonl_append:AppendingSink._recover", first="line: half appended"),
    "take-over: doubt recorded": Point(_SETTLE, only=_IN_DOUBT, first="sending: called"),
    # retry
    "retry: failure about to be recorded": Point(_SETTLE, "before", _FAILED, "refuse"),
    "retry: failure recorded": Point(_SETTLE, only=_FAILED, act="refuse"),
    "retry: taken": Point("hub.stages.lanes:Lanes.take", only=_any, act="refuse"),
    "retry: about to be recorded": Point(_SETTLE, "before", _RELEASED, "refuse"),
    "retry: recorded": Point(_SETTLE, only=_RELEASED, act="refuse"),
    # replay
    "replay: asked": Point("hub.ledger.jobs:create", act="replay", asks=True),
    "replay: about to be queued": Point(_SETTLE, "before", _OBEYED, "replay"),
    "replay: queued": Point(_SETTLE, only=_OBEYED, act="replay"),
    "replay: sent": Point("hub.adapters.database_sink:DatabaseSink.deliver", only=_of_a_job, act="replay"),
    # correction
    "correction: asked": Point("hub.ledger.jobs:create", act="cancel", asks=True),
    "correction: published": Point("hub.stages.amending:publish_sound", act="cancel", asks=True),
    "correction: noted": Point("hub.ledger.jobs:published", act="cancel", asks=True),
    "correction: dispatched": Point("hub.ledger.log:EventLog.commit", act="cancel"),
    "correction: file renamed": Point("hub.adapters.places.local:LocalOutbox.publish", act="cancel"),
    "correction: line half appended": Point("hub.adapters.jsonl_append:write_all", "half", act="cancel"),
    # load
    "load: asked": Point("hub.ledger.jobs:create", act="load", asks=True),
    "load: published": Point("hub.stages.loading:publish_sound", act="load", asks=True),
    "load: kept": Point("hub.stages.loading:Loader._keep", act="load", asks=True),
    "load: ended": Point("hub.ledger.jobs:published", act="load", asks=True),
    # a person's decision on what is unknown
    "decision: asked": Point("hub.ledger.jobs:create", act="decide", asks=True),
    "decision: about to be carried out": Point(_SETTLE, "before", _OBEYED, "decide"),
    "decision: carried out": Point(_SETTLE, only=_OBEYED, act="decide"),
}
