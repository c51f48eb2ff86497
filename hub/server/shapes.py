"""What the routes answer, for the document at `/openapi.json`. A test holds the answers to it.

Fields with a default are left out where there is nothing to say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from hub.ledger.status import DELIVERY, EVENT

Json = dict[str, Any]
Moment = Annotated[str, Field(description="RFC 3339, in UTC", json_schema_extra={"format": "date-time"})]
Counts = dict[str, int]


# --- events and deliveries -------------------------------------------------------------------------------------------


class Accepted(BaseModel):
    """Ids of events: those that are in Kafka, and those that were known before, as far as could be told."""

    accepted: list[str]
    duplicates: list[str]


class Event(BaseModel):
    """An event as it was reported, with its short type."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: int | None = None
    batchid: str | None = None
    data: Json


class ToldEvent(BaseModel):
    """A projected CloudEvent: `data` holds what the rule sends, and nothing else."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str = Field(description="as on the wire: `jp.lg.<city>.<type>.v<n>`")
    subject: str
    time: str
    deliverykey: str
    action: Literal["new", "correct", "cancel", "seed"]
    corrects: str | None = None
    sequence: int | None = None
    batchid: str | None = None
    data: Json


class Fault(BaseModel):
    """The last error of a delivery."""

    code: str
    message: str
    at: Moment


class Delivery(BaseModel):
    """What a system is told of an event, and what became of it."""

    id: str = Field(description="its key")
    event_id: str
    type: str
    subject: str
    system: str
    receiver: str
    no: int | None
    batch: int | None
    status: str = Field(json_schema_extra={"enum": list(DELIVERY)})
    reason: str | None
    rule: str
    action: Literal["new", "correct", "cancel", "seed"]
    attempts: int
    next_attempt_at: Moment | None
    planned_at: Moment
    delivered_at: Moment | None
    payload: ToldEvent | None = Field(description="null where it is another system's")
    withheld: list[str] = Field([], description="fields not shown: the resident is, or may be, protected")
    error: Fault | None


class Deliveries(BaseModel):
    """A page of deliveries, the newest first; `next` is the `cursor` of what follows."""

    items: list[Delivery]
    next: str | None


class NotTold(BaseModel):
    """A system that is not told of an event."""

    system: str
    why: str
    reason: str
    rule: str | None
    place: str | None


class EventShown(BaseModel):
    """An event and what became of it; other events are named `<source system>/<id>`."""

    event: Event
    status: str = Field(json_schema_extra={"enum": list(EVENT)})
    seen: int
    recorded_at: Moment
    identity: int | None = Field(None, description="the entry of `hub identity` in which it waits")
    source_bytes: str | None = Field(None, description="Base64: what the text cannot give back")
    duplicate_of: str | None
    corrects: str | None
    amends: str | None
    corrected_by: str | None
    amended: str | None
    replaces: str | None
    replaced_by: str | None
    identifies: str | None
    identified_by: str | None
    stands: None = Field(description="others may have a part in what stands")
    deliveries: list[Delivery]
    not_told: list[NotTold]


# --- jobs ------------------------------------------------------------------------------------------------------------


class Totals(BaseModel):
    """What a job does: how many of what, by receiver, and why others are left out."""

    counts: Counts
    receivers: Counts
    left_out: Counts


class Change(BaseModel):
    """One delivery of a preview; `changes` are `field: [before, after]`, of those `withheld` nothing is shown."""

    what: str
    id: str
    status: str
    changes: dict[str, list[Any]] = {}
    withheld: list[str] = []


class Preview(BaseModel):
    """What a replay would do; nothing has begun."""

    no: None
    kind: str
    status: None
    preview: Totals
    items: list[Change]


class Job(BaseModel):
    """A job and how far it is."""

    no: int
    kind: str
    status: str
    by: str
    reason: str
    at: Moment
    approved_by: str | None
    args: Json
    preview: Totals
    open: int
    waiting: int
    results: Counts
    delivered: Counts


class Begun(Job):
    """A job that has begun, and what it does."""

    items: list[Change]


# --- what is fetched -------------------------------------------------------------------------------------------------


class Closed(BaseModel):
    """Why a feed hands out nothing now."""

    reason: str
    until: Moment | None
    note: str


class Feed(BaseModel):
    """Deliveries on offer, in order."""

    items: list[ToldEvent]
    next: int = Field(description="for `after`, and for `cursor` of `…/ack`")
    closed: Closed | None = None


class Acknowledged(BaseModel):
    """How many were delivered, refused, or had ended before; and the keys that the feed does not know."""

    delivered: int
    refused: int
    before: int
    unknown: list[str]
    settled: bool = Field(description="what comes next for the same residents is on offer")


class Work(BaseModel):
    """One piece of work that a robot has until its lease ends."""

    job: int
    lease: str
    until: Moment
    attempt: int
    receiver: str
    key: str
    type: str
    action: Literal["new", "correct", "cancel", "seed"]
    event: ToldEvent


class Claimed(BaseModel):
    """The work a robot gets now; none: ask again later."""

    jobs: list[Work]


class Lasting(BaseModel):
    """Until when a lease lasts."""

    job: int
    until: Moment


class Completed(BaseModel):
    """The delivery is confirmed."""

    job: int
    result: Literal["completed"]


class Failed(BaseModel):
    """`rejected`: it is a dead letter; `transient`: it is offered again after so many seconds."""

    job: int
    result: Literal["rejected", "transient"]
    offered_again_in: int | None = None


class Called(BaseModel):
    """What became of a webhook's rows: all is safe."""

    accepted: list[str]
    quarantined: int = Field(description="rows that could not become events and wait for a person")
    repeated: bool
    waiting: int = Field(0, description="rows of which a person says who they are about")


# --- health ----------------------------------------------------------------------------------------------------------


class Alive(BaseModel):
    """The process lives."""

    status: Literal["alive"]


class Check(BaseModel):
    """One thing the hub needs or does."""

    name: str
    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether the hub does its work."""

    ready: bool
    waiting_for: list[str]
    checks: list[Check]
