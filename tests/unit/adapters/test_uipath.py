"""UiPath: the items as they are added, what the Orchestrator answers, and what its robots made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Delivery
from hub.errors import OutcomeUnknown, Rejected, Transient
from tests.conformance.helpers import site, with_data
from tests.services.orchestrator import Orchestrator
from tests.unit.adapters.expressions import REAL


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    made = Orchestrator()
    yield made
    made.stop()


@pytest.fixture
async def opened(tmp_path: Path, orchestrator: Orchestrator) -> AsyncIterator[Any]:
    sinks: list[Any] = []

    def open_it(**options: Any) -> Any:
        sinks.append(registry.open_sink("uipath", orchestrator.options(**options), site(tmp_path), REAL))
        return sinks[-1]

    yield open_it
    for sink in sinks:
        await sink.close()


async def add(sink: Any, delivery: Delivery | None = None) -> Any:
    (outcome,) = await sink.deliver(batch([delivery or deliveries(1)[0]]))
    return outcome.error


async def test_an_item_as_it_is_added(orchestrator: Orchestrator, opened: Any) -> None:
    delivery = with_data(deliveries(1)[0], {"name": "守口 太郎", "new_address": {"text": "大日町1-1"}, "head": True})
    assert await add(opened(priority="High", due="event.time"), delivery) is None
    (item,) = orchestrator.items
    assert (item["Name"], item["Priority"], item["Reference"]) == ("転居", "High", delivery.key)
    assert item["DueDate"] == "2026-04-01T09:00:00+09:00"
    assert item["SpecificContent"] == {
        "name": "守口 太郎",
        "new_address_text": "大日町1-1",
        "head": True,
        "type": "resident.moved",
        "action": "new",
        "subject": "1000",
        "event_id": "e0000",
        "deliverykey": delivery.key,
    }


async def test_named_content_and_absent_values(orchestrator: Orchestrator, opened: Any) -> None:
    await add(opened(content={"氏名": "data.name", "かな": "data.kana", "版": "batch.no"}))
    assert orchestrator.items[0]["SpecificContent"] == {
        "氏名": '守口 "0"\n番',
        "版": 1,
        "deliverykey": "juki/e0000:kokuho.main:0",
    }


async def test_a_duplicate_reference_is_done(orchestrator: Orchestrator, opened: Any) -> None:
    sink = opened()
    orchestrator.loses = True
    assert isinstance(await add(sink), Transient)  # added, and nobody heard of it
    assert await add(sink) is None
    assert len(orchestrator.items) == 1


async def test_where_references_need_not_be_unique_it_is_asked(orchestrator: Orchestrator, opened: Any) -> None:
    orchestrator.unique = False
    sink = opened(unique=False)
    orchestrator.loses = True
    assert isinstance(await add(sink), OutcomeUnknown)
    first, other = deliveries(2)
    done, absent = await sink.confirm(batch([first, other]))
    assert done.error is None
    assert absent.error.code == "absent"
    orchestrator.faults = [(502, {}, b"<html>bad gateway</html>")]
    with pytest.raises(Transient):
        await sink.confirm(batch([first]))


async def test_a_key_too_long_for_a_reference_has_a_digest(orchestrator: Orchestrator, opened: Any) -> None:
    one = deliveries(1)[0]
    long = Delivery("juki/" + "e" * 150 + ":kokuho.main:0", 1, "e" * 150, one.type, one.subject, one.time, one.body)
    sink = opened()
    assert [await add(sink, long), await add(sink, long)] == [None, None]
    assert len(orchestrator.items[0]["Reference"]) == 64
    assert orchestrator.keys == [long.key]


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (429, {"Retry-After": "9"}, Transient),
        (503, {"Content-Type": "text/html"}, Transient),
        (404, {}, Transient),
        (409, {}, Transient),
        (400, {}, Rejected),
    ],
)
async def test_what_an_answer_means(
    orchestrator: Orchestrator, opened: Any, status: int, headers: dict[str, str], kind: type
) -> None:
    orchestrator.faults = [(status, headers, b"<html>" + "守口".encode())]
    error = await add(opened())
    assert type(error) is kind
    assert "守口" not in str(error)
    assert getattr(error, "retry_after", None) == (9.0 if headers.get("Retry-After") else None)


async def test_an_expired_token_is_asked_for_anew(orchestrator: Orchestrator, opened: Any) -> None:
    sink = opened()
    await add(sink)
    orchestrator.tokens = set()
    assert await add(sink, deliveries(2)[1]) is None
    assert orchestrator.given == 2


async def test_a_wrong_queue_is_a_setting_to_mend(opened: Any) -> None:
    error = await add(opened(queue="転入"))
    assert isinstance(error, Transient)
    assert "1002" in str(error)


def test_what_has_ended_is_read_once_and_not_too_soon(orchestrator: Orchestrator, tmp_path: Path) -> None:
    for number in range(4):
        content = {"deliverykey": f"k{number}", "name": "守口"}
        orchestrator.items.append(
            {
                "Id": number,
                "Reference": f"k{number}",
                "SpecificContent": content,
                "Status": "New",
                "EndProcessing": None,
            }
        )
    source = registry.open_source("uipath", orchestrator.options(), site(tmp_path))
    orchestrator.end(1, "Successful", seconds_ago=100)
    orchestrator.end(0, "Failed", seconds_ago=90)
    orchestrator.items[0]["ProcessingException"] = {"Type": "BusinessException", "Reason": "守口"}
    orchestrator.end(2, "Successful", seconds_ago=0)  # the hub may not have noted yet that it was added
    orchestrator.end(3, "Retried", seconds_ago=90)
    (found,) = source.read(None)
    assert [(row.values["deliverykey"], row.values["Status"]) for row in found.rows] == [
        ("k1", "Successful"),
        ("k0", "Failed"),
    ]
    assert found.rows[1].values["ErrorType"] == "BusinessException"
    assert "守口".encode() not in b"".join(row.raw for row in found.rows)
    assert list(source.read(found.position)) == []
    orchestrator.end(3, "Abandoned", seconds_ago=90)  # in the same second as one that is known
    orchestrator.items[3]["EndProcessing"] = orchestrator.items[0]["EndProcessing"]
    (more,) = source.read(found.position)
    assert [row.values["deliverykey"] for row in more.rows] == ["k3"]
