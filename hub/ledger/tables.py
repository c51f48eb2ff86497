"""The ledger's tables: narrow integers where rows are many, text where people ask.

An event's `pos` is its place in Kafka as one integer: generation (11 bits), partition (12 bits), offset (40 bits). It
is the primary key and the order of events within a partition; `pos >> 40` is the *stream*. Sources and types are
interned in `name`, receivers in `receiver`. A delivery is `(receiver, pos, job)`: job 0 is the first sending, any other
a replay job.

A delivery without a row in `outcome` or `pending`, that no row of `delivered` names, is *planned*: its event's `plan`
names it and its receiver's cursor has not passed it. `outcome` is append-only; `pending` holds only what is neither
finished nor merely next.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    column,
    text,
)
from sqlalchemy import table as view
from sqlalchemy.event import listen

from hub.ledger.status import DEATHS, DELIVERED, WARNED

metadata = MetaData()
_POSITION = BigInteger().with_variant(Integer, "sqlite")  # there an INTEGER primary key is the row itself


meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

name = Table(
    "name",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # source | type
    Column("name", Text, nullable=False),
    UniqueConstraint("kind", "name"),
)

ruleset = Table(
    "ruleset",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("activated_at", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# One row a generation and partition: dispatch compares and sets `next_offset` in the transaction that holds the events.
position = Table(
    "position",
    metadata,
    Column("stream", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)

generation = Table(
    "generation",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("topic", Text, nullable=False),
    Column("uuid", Text, nullable=False),  # several times if the topic's log was cut or made anew
    Column("partitions", Integer, nullable=False),
    Column("adopted_at", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("pos", _POSITION, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("source", Integer, nullable=False),
    Column("type", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),  # milliseconds since 1970
    Column("status", SmallInteger, nullable=False),
    Column("ruleset", Integer, nullable=False),
    Column("batch_id", Text),
    Column("plan", LargeBinary, nullable=False),  # JSON: [[receiver, rule, values?, hold?, detail?], …]
    Column("body", LargeBinary, nullable=False),  # the Kafka value, once
)
Index("event_by_subject", event.c.subject, event.c.pos)
Index("event_by_time", event.c.recorded_at)

dedup = Table(
    "dedup",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column("pos", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("seen", Integer, nullable=False),
    sqlite_with_rowid=False,
)

fact = Table(
    "fact",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("valid_from", Text, nullable=False),
    Column("place", BigInteger, nullable=False),  # order among facts of one date: pos, or before a newer one if late
    Column("delta", LargeBinary, nullable=False),  # JSON in the shape of `facts`
    Column("voided_by", BigInteger),
    sqlite_with_rowid=False,
)

household = Table(
    "household",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("no", Text, nullable=False),
    Column("head", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("household_by_no", household.c.no)

# The newest accepted event of a resident and type, and the newest history number of a resident, source and family.
standing = Table(
    "standing",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # type:<event type>, or family:<source no>:<family>
    Column("pos", BigInteger, nullable=False),
    Column("sequence", Text),  # JSON: a number or a text; only of a family
    sqlite_with_rowid=False,
)

relation = Table(
    "relation",
    metadata,
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("target", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # cancels | corrects | repeats | echoes | enriches | contradicts
    sqlite_with_rowid=False,
)
Index("relation_by_target", relation.c.target)

# A cancellation that came before what it cancels: its target is cancelled when it arrives.
tombstone = Table(
    "tombstone",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("target", Text, primary_key=True),  # id:<source>/<id> or sequence:<source>/<n>
    Column("pos", BigInteger, nullable=False),  # of the cancellation
    sqlite_with_rowid=False,
)

# Who is protected by whose report, of which kind; a row that is not active says the list knows the resident.
protection = Table(
    "protection",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("declarer", Text, primary_key=True),  # the resident whose events say so
    Column("kind", Text, primary_key=True),
    Column("active", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Who is protected from the moment intake hears of it, until dispatch has that report in order.
protection_early = Table(
    "protection_early",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("report", Text, primary_key=True),  # <source>/<id>
    sqlite_with_rowid=False,
)

# A receiver's row is its lease, its place in the event log and what it is in the middle of: one conditional update
# of it locks the row and checks the epoch.
receiver = Table(
    "receiver",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),  # system.receiver
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),  # milliseconds by the database's clock
    Column("cursor", Text, nullable=False),  # JSON {stream: pos}: everything up to pos is settled
    Column("next_no", BigInteger, nullable=False),
    Column("next_batch", BigInteger, nullable=False),
    Column("intent_batch", BigInteger),  # a batch handed to the sink whose outcome is not recorded yet
    Column("intent_token", LargeBinary),  # JSON {token, date}; the token is a prepared sink's, null: `sending`
    Column("intent_members", LargeBinary),  # JSON [[pos, job, no, cut] or [first, no, offsets], …]
    Column("state", Text, nullable=False),  # JSON: why it stands still, for people
)

outcome = Table(
    "outcome",
    metadata,
    Column("receiver", Integer, primary_key=True, autoincrement=False),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("job", Integer, primary_key=True, autoincrement=False),
    Column("status", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("no", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What a batch brought to a receiver straight from the log, of one stream: see `hub.ledger.delivered`.
delivered = Table(
    "delivered",
    metadata,
    Column("receiver", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, primary_key=True, autoincrement=False),  # position
    Column("first", BigInteger, nullable=False),
    Column("no", BigInteger, nullable=False),  # of the first; the others' follow
    Column("batch", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("members", Text, nullable=False),  # JSON: each one's distance from the first
)

# Every delivery that has ended, as a row of its own.
ending = view("ending", *(column(each.name) for each in outcome.columns))
FOLDED = {  # such rows of those that stand in rows of a table like `delivered`, by dialect
    "sqlite": (
        f"SELECT d.receiver AS receiver, d.first + m.value AS pos, 0 AS job, {DELIVERED} AS status, d.at AS at, "
        "d.no + m.key AS no, d.batch AS batch FROM {0} AS d, json_each(d.members) AS m"
    ),
    "postgresql": (
        f"SELECT d.receiver, d.first + m.value::bigint AS pos, 0 AS job, {DELIVERED}::smallint AS status, d.at, "
        "d.no + m.place - 1 AS no, d.batch FROM {0} AS d "
        "CROSS JOIN LATERAL jsonb_array_elements_text(d.members::jsonb) WITH ORDINALITY AS m(value, place)"
    ),
}
for _dialect, _begin in (("sqlite", "CREATE VIEW IF NOT EXISTS"), ("postgresql", "CREATE OR REPLACE VIEW")):
    _rows = f"SELECT receiver, pos, job, status, at, no, batch FROM outcome UNION ALL {FOLDED[_dialect]}"
    _view = DDL(f"{_begin} ending AS {_rows.format('delivered')}").execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
    listen(metadata, "after_create", _view)

pending = Table(
    "pending",
    metadata,
    Column("receiver", Integer, primary_key=True, autoincrement=False),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("job", Integer, primary_key=True, autoincrement=False),
    Column("subject", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("due", BigInteger),  # milliseconds; absent: nothing to wait for but a person or another delivery
    Column("attempts", Integer, nullable=False),
    Column("no", BigInteger, nullable=False),  # 0: not attempted yet
    Column("payload", LargeBinary),  # JSON [rule set, item]: what is sent instead of what the event's plan says
    Column("put_by", Integer),  # the job that put it here, or that tries it again
    sqlite_with_rowid=False,
)

attempt = Table(
    "attempt",
    metadata,
    Column("receiver", Integer, primary_key=True, autoincrement=False),
    Column("pos", BigInteger, primary_key=True, autoincrement=False),
    Column("job", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # transient | rejected | unknown | warning, or another of DEATHS
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("announced_at", BigInteger),  # of a dead letter: when Kafka had it
    Column("alerted_at", BigInteger),  # of a dead letter: when alerts had taken note of it
    sqlite_with_rowid=False,
)
# Only dead letters nobody has been told of yet: a few rows, and none that commits late is missed.
for _told in ("announced_at", "alerted_at"):
    _open = text(f"{_told} IS NULL AND kind IN ({', '.join(map(repr, DEATHS))})")
    Index(
        f"attempt_to_be_{_told.removesuffix('_at')}",
        attempt.c.receiver,
        attempt.c.pos,
        sqlite_where=_open,
        postgresql_where=_open,
    )

_open = text(f"alerted_at IS NULL AND kind = '{WARNED}'")
Index("attempt_to_be_warned", attempt.c.receiver, attempt.c.pos, sqlite_where=_open, postgresql_where=_open)

quarantine = Table(
    "quarantine",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # open | resubmitted | discarded
    Column("stage", Text, nullable=False),  # intake | publish | http | dispatch
    Column("system", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column(
        "digest", LargeBinary, nullable=False, unique=True
    ),  # of stage, system, source, code and raw: a repeat is counted
    Column("seen", Integer, nullable=False),
    Column("resolved_at", BigInteger),
    Column("note", Text),
)

source_position = Table(
    "source_position",
    metadata,
    Column("system", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("position", Text, nullable=False),  # JSON of the adapter
    Column("read_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # JSON: the last fault, for people
)

# Tokens are random, so a plain hash keeps them: it is all that is stored.
token = Table(
    "token",
    metadata,
    Column("hash", Text, primary_key=True),  # SHA-256 in hex
    Column("system", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

# What an operator holds back: a system, or one of its receivers.
pause = Table(
    "pause",
    metadata,
    Column("key", Text, primary_key=True),  # system or system.receiver
    Column("until", BigInteger),  # absent: until somebody resumes it
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# What people were told of a receiver: a row from its first dead letter, or from when it did not answer, to its end.
alert = Table(
    "alert",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("standing", Text, unique=True),  # <kind>:<system.receiver> while it lasts, so that there is one at a time
    Column("kind", Text, nullable=False),  # dead | breaker | text
    Column("receiver", Text, nullable=False),  # system.receiver
    Column("class", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("raised_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("cursor", Text, nullable=False),  # the receiver's, when the last dead letter was taken note of
    Column("ended_at", BigInteger),
)

# One message of an alert on one channel; it is sent when `sent_at` is set, and tried again until then.
notice = Table(
    "notice",
    metadata,
    Column("alert", Integer, primary_key=True, autoincrement=False),
    Column("what", Text, primary_key=True),  # raised | ended
    Column("channel", Text, primary_key=True),
    Column("due", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("error", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("notice_by_due", notice.c.due)

# Calls of systems that were taken, until they would be too old to be taken anyway: none is taken twice.
call = Table(
    "call",
    metadata,
    Column("source", Text, primary_key=True),  # system.source
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # of the body
    Column("until", BigInteger, nullable=False),  # milliseconds
    sqlite_with_rowid=False,
)
Index("call_by_until", call.c.until)

# What arrived together: a file, a query's rows, a published stream, a batch over HTTP; or, `missing`, what did not.
batch = Table(
    "batch",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("system", Text, nullable=False),  # empty where nobody said
    Column("source", Text, nullable=False),  # of the system; `publish` and `http` where it has none
    Column("id", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("events", Text, nullable=False),  # JSON {type: how many}
    Column("quarantined", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # open | held | released | rejected | done | missing
    Column("reason", Text, nullable=False),  # why it is held or missing
    Column("decided_at", BigInteger),
    Column("decided_by", Text),
    Column("note", Text),  # of who decided
    Column("spool", Text),  # JSON: the file that holds a held batch's records
    UniqueConstraint("system", "source", "id"),
)
Index("batch_by_id", batch.c.id)
Index("batch_by_status", batch.c.status, batch.c.no)

# What a person asked for. It is done when none of its commands is open and nothing it put into `pending` is left there.
job = Table(
    "job",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # replay | backfill | seed | restore | correct | cancel | load | settle
    Column("args", Text, nullable=False),  # JSON
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # approval | running | paused | cancelled
    Column("totals", Text, nullable=False),  # JSON: what its preview counted
    Column("approved_by", Text),
)

# What the owner of a receiver is to do between two batches, or (receiver 0) an event that is to be published. The rows
# stay: they are a job's results one by one, and hold what was sent in the place of what had been planned.
command = Table(
    "command",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("job", Integer, nullable=False),
    Column("receiver", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # retry | resend | release | drop | confirm | restore | publish | pause …
    Column("pos", BigInteger, nullable=False),
    Column("target", Integer, nullable=False),  # the delivery's own job number; 0 where it was sent first
    Column("payload", LargeBinary),  # as in `pending`, or the event to publish
    Column("at", BigInteger, nullable=False),
    Column("done_at", BigInteger),
    Column("result", Text, nullable=False),
)
Index("command_by_job", command.c.job, command.c.no)
Index("command_by_pos", command.c.pos)
_open = text("done_at IS NULL")
Index("command_open", command.c.receiver, command.c.no, sqlite_where=_open, postgresql_where=_open)


# A source in `mode: snapshot`: what its last full extract was, and the shapes of the marks of its rows.
extract = Table(
    "extract",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("system", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),  # JSON, as `hub.ledger.extracts.State`
    UniqueConstraint("system", "source"),
)

# What is known of each row of a full extract: keyed hashes, and in plain text only what expressions name.
known_row = Table(
    "known_row",
    metadata,
    Column("extract", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),
    Column("mark", LargeBinary, nullable=False),  # empty: nobody knows what the row holds now
    Column("plain", LargeBinary, nullable=False),  # JSON {column: value}
    Column("as_of", Text, nullable=False),  # digits of a time, as long as it is exact
    Column("sequence", BigInteger),
    Column("revision", Integer, nullable=False),  # how often it has changed
    Column("flags", SmallInteger, nullable=False),
    Column("shown", LargeBinary),  # the digest of a content that people were shown and that is not known yet
    sqlite_with_rowid=False,
)

# What waits for a person, whoever put it there; `standing` keeps one open item of one thing.
review = Table(
    "review",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("standing", Text, unique=True),  # <kind>:<what it is about> while the item is open; no personal data
    Column("kind", Text, nullable=False),  # who put it there and knows what accepting means: snapshot …
    Column("system", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("subject", Text, nullable=False),  # empty where nobody knows
    Column("summary", Text, nullable=False),  # no personal data
    Column("payload", LargeBinary, nullable=False),  # JSON; `events` are CloudEvents as texts
    Column("events", Integer, nullable=False),  # how many events accepting it publishes
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # waiting | reported | accepted | rejected | gone
    Column("decided_at", BigInteger),
    Column("decided_by", Text),
    Column("note", Text),  # of who decided
    Column("published_at", BigInteger),
)
Index("review_by_status", review.c.status, review.c.no)
_due = text("status = 'accepted' AND events > 0 AND published_at IS NULL")
Index("review_to_publish", review.c.no, sqlite_where=_due, postgresql_where=_due)

# What a receiver's robots have to do and the lease on it: offered when its delivery is `delivered` and nothing earlier
# of the resident is open. It holds nothing that is sent: that is projected when it is fetched.
work = Table(
    "work",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("receiver", Integer, nullable=False),
    Column("pos", BigInteger, nullable=False),
    Column("job", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("since", BigInteger, nullable=False),  # milliseconds by the database's clock, as all times here
    Column("due", BigInteger, nullable=False),  # not offered before
    Column("lease", Text, nullable=False),  # who has it, or had it last
    Column("until", BigInteger, nullable=False),  # when the lease runs out; 0: it was given back
    Column("attempts", Integer, nullable=False),  # how often it was fetched
    Column("ended_at", BigInteger),
    Column("result", Text, nullable=False),  # completed | rejected | withheld
    UniqueConstraint("receiver", "pos", "job"),
)
_undone = text("ended_at IS NULL")
Index("work_open", work.c.receiver, work.c.pos, work.c.job, sqlite_where=_undone, postgresql_where=_undone)
# The systems' own numbers of residents. A resident may have had several in a system: the highest `no` is the newest.
local_id = Table(
    "local_id",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("system", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("system", "number"),
)
Index("local_id_by_subject", local_id.c.subject, local_id.c.system)

# What was reported of somebody whose number is unknown, or does not fit what is known. A provisional one is in Kafka
# under `~<system>:<no>`; of the others only this row has the event.
identity = Table(
    "identity",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # open | linked | discarded
    Column("system", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),  # short
    Column("reason", Text, nullable=False),  # mismatch | unknown
    Column("given", Text, nullable=False),  # the number as it came
    Column("found", Text, nullable=False),  # the resident who has that number; empty: nobody
    Column("checked", Text, nullable=False),  # JSON {fact: agrees | differs | not-given | not-known}
    Column("provisional", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the event as it would stand in Kafka, its subject `~<system>`
    Column("raw", LargeBinary, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("subject", Text, nullable=False),  # whom it is linked to; empty: nobody
    Column("links", Integer, nullable=False),  # how often it was linked
    UniqueConstraint("system", "event_id"),
)
Index("identity_by_status", identity.c.status, identity.c.no)
Index("identity_by_subject", identity.c.subject)

# Who linked what, or took it back, and why: only added to.
identity_deed = Table(
    "identity_deed",
    metadata,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("entry", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("what", Text, nullable=False),  # link | unlink | discard
    Column("subject", Text, nullable=False),
    Column("event_id", Text, nullable=False),  # the event by which it was told
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("done_at", BigInteger),  # when Kafka had it
)
Index("identity_deed_by_entry", identity_deed.c.entry, identity_deed.c.no)
_untold = text("done_at IS NULL")
Index("identity_deed_open", identity_deed.c.no, sqlite_where=_untold, postgresql_where=_untold)

# The bytes of rows that cannot be made again from their event: a system's own characters, codes that meet in Unicode.
source_bytes = Table(
    "source_bytes",
    metadata,
    Column("system", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
