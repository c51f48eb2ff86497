"""A ledger with a past: events, outcomes, facts and standings of years, written straight into its tables.

They stand in streams that are read to their end, so that only the tables' sizes change for what comes after.
"""

from __future__ import annotations

from bench.services import Plot, open_city
from bench.town import CITY, SOURCE, Report, encoded, reports
from hub.ledger.places import OFFSET_BITS, PARTITION_BITS
from hub.routing.rules import RuleSet

RESIDENTS = 140_000
EACH = 7  # deliveries an event
_PARTITION = 3000  # none of the topic's
_FACT = '{"insurance":{"kokuho":{"active":false}}}'  # as good as nothing known
_PART = 200_000  # events a statement


def write(plot: Plot, deliveries: int) -> None:
    """Write as many deliveries, seven an event, with what else the ledger keeps of each event and resident."""
    hub = open_city(plot.folder, plot.environment)
    try:
        rules = hub.book.activate(RuleSet.of(hub.city))
        receivers = rules.numbers[:EACH]
        sqlite = hub.ledger.sqlite
    finally:
        hub.close()
    moved = next(report for report in reports(100) if report.type == "resident.moved")
    body = encoded(Report(0, moved.type, "0", moved.data)).decode().replace("'", "''")
    plan = "[" + ",".join(f"[{number},0]" for number in range(EACH)) + "]"
    plot.run(
        f"INSERT INTO name(kind, name) VALUES ('source', '/systems/{SOURCE}'), "
        f"('type', 'jp.lg.{CITY}.resident.moved'), ('type', 'resident.moved')"
    )
    source = plot.query("SELECT no FROM name WHERE kind = 'source'")[0][0]
    kind = plot.query("SELECT no FROM name WHERE name = 'resident.moved'")[0][0]
    base = ((1 << PARTITION_BITS) | _PARTITION) << OFFSET_BITS
    events = deliveries // EACH
    for start in range(0, events, _PART):
        series = _series(start, min(start + _PART, events), sqlite=sqlite)
        subject, pos = f"CAST(1000000 + {_rest(RESIDENTS)} AS text)", f"{base} + i"
        id_, blob = (
            ("printf('h%031d', i)", "CAST('{}' AS blob)")
            if sqlite
            else (
                "'h' || lpad(CAST(i AS text), 31, '0')",
                "convert_to('{}', 'UTF8')",
            )
        )
        plot.run(
            f"{series} INSERT INTO event(pos, id, source, type, subject, recorded_at, status, ruleset, plan, body) "
            f"SELECT {pos}, {id_}, {source}, {kind}, {subject}, 1600000000000 + i * 20, 0, {rules.no}, "
            f"{blob.format(plan)}, {blob.format(body)} FROM n",
            f"{series} INSERT INTO dedup(id, source, pos, digest, seen) "
            f"SELECT {id_}, {source}, {pos}, {blob.format('12345678')}, 1 FROM n",
            f"{series} INSERT INTO fact(subject, pos, valid_from, place, delta) SELECT {subject}, {pos}, '2020-01-01', "
            f"{pos}, {blob.format(_FACT)} FROM n WHERE {_rest(5)} = 0",
            f"{series} INSERT INTO standing(subject, kind, pos) SELECT {subject}, 'type:resident.moved', {pos} "
            f"FROM n WHERE i < {RESIDENTS}",
            *(
                f"{series} INSERT INTO outcome(receiver, pos, job, status, at, no, batch) "
                f"SELECT {receiver}, {pos}, 0, 96, 1600000000000 + i * 20, i + 1, i / 1000 + 1 FROM n"
                for receiver in receivers
            ),
        )
    if not sqlite:
        plot.run("ANALYZE")


def _rest(divisor: int) -> str:
    """Return the SQL of `i` modulo: the sign itself is a mark to one of the drivers."""
    return f"(i - i / {divisor} * {divisor})"


def _series(start: int, end: int, *, sqlite: bool) -> str:
    if sqlite:
        return f"WITH RECURSIVE n(i) AS (SELECT {start} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {end})"
    return f"WITH n(i) AS (SELECT generate_series(CAST({start} AS bigint), {end - 1}))"
