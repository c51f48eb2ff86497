"""The HTTP surface, over a real server on loopback."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from hub.errors import BrokerUnavailable, LedgerUnavailable, NotFound, Rejected, UsageError
from hub.events.envelope import Event
from hub.ledger.work import LeaseLost
from hub.server import reserved
from hub.server.app import create_app
from hub.server.metrics import Metric
from hub.server.ports import Check, Limits, ServerPorts
from hub.server.serve import address_of, bind, serve
from hub.stages.calls import Taken
from hub.stages.known import Seen
from hub.stages.receive import Reception

JUKI = {"Authorization": "Bearer secret"}
STRUCTURED = {**JUKI, "Content-Type": "application/cloudevents+json"}
BATCH = {**JUKI, "Content-Type": "application/cloudevents-batch+json"}


class City:
    """Fake ports: what was published, what the ledger knows, and what is away."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.known: dict[str, Seen] = {}
        self.broker_away = False
        self.ledger_away = False
        self.filters: dict[str, str] = {}
        self.looks = 0

    async def publish(self, _topic: str, records: Sequence[tuple[bytes, bytes]], _headers: Any = ()) -> None:
        if self.broker_away:
            raise BrokerUnavailable("Kafka does not answer")
        self.published += [orjson.loads(value) for _, value in records]

    def _ledger(self) -> None:
        if self.ledger_away:
            raise LedgerUnavailable("the ledger does not answer")

    def system_of(self, token: str) -> str | None:
        self._ledger()
        return {"secret": "juki"}.get(token)

    def seen(self, events: Sequence[Event], _values: Sequence[bytes]) -> list[Seen]:
        self._ledger()
        return [self.known.get(event.id, Seen.NEW) for event in events]

    async def hook(self, system: str, name: str, headers: Any, body: bytes) -> Taken:
        self._ledger()
        if (system, name) != ("shinsei", "main"):
            raise NotFound("no source is called")
        if body == b"twice":
            raise Rejected("another call had this id", code="replayed")
        if headers.get("x-signature") != "good":
            raise Rejected("the signature does not prove who called", code="signature")
        return Taken([body.decode()], 1)

    def items(self, system: str, after: int, limit: int, *, receiver: str | None) -> dict[str, Any]:
        self.looks += 1
        found = [{"id": "e1"}] if self.looks > 2 else []
        return {"items": found, "next": after, "asked": [system, after, limit, receiver]}

    def settled(self, job: int) -> bool:
        self.looks += 1
        return self.looks > job

    def acknowledge(self, _system: str, **said: Any) -> dict[str, Any]:
        return {"said": said, "job": 2}

    def event(self, caller: str, event_id: str) -> dict[str, Any]:
        self._ledger()
        if (caller, event_id.removeprefix("juki/")) != ("juki", "e/1"):
            raise NotFound(f"no event {event_id}")
        return {"event": {"id": "e/1"}, "deliveries": DELIVERIES[:2]}

    def deliveries(self, caller: str, filters: Any) -> dict[str, Any]:
        self.filters = {"caller": caller, **filters}
        if filters.get("cursor") == "bad":
            raise UsageError("not a cursor")
        return {"items": DELIVERIES, "next": "on"}

    def replay(self, caller: str, asked: Any) -> dict[str, Any]:
        if "dry_run" in asked:
            return {"no": None, "preview": {}}
        return {"no": 7, "by": f"http:{caller}", "asked": asked}

    def job(self, caller: str, number: str) -> dict[str, Any]:
        if number != "7":
            raise NotFound(f"no job {number}")
        return {"no": 7, "by": f"http:{caller}"}

    def claim(self, *asked: Any) -> dict[str, Any]:
        self._ledger()
        return {"jobs": [], "asked": asked}

    def beat(self, *asked: Any) -> dict[str, Any]:
        return {"asked": asked}

    def complete(self, system: str, number: int, lease: str | None) -> dict[str, Any]:
        if number == 8:
            raise NotFound("there is no job 8")
        if lease == "old":
            raise LeaseLost
        return {"asked": (system, number, lease)}

    def fail(self, *asked: Any, **how: Any) -> dict[str, Any]:
        return {"asked": asked, **how}

    def ports(self) -> ServerPorts:
        return ServerPorts(
            system_of=self.system_of,
            receive=Reception(self, "hub.events", "moriguchi", self.seen).receive,
            hook=self.hook,
            feeds=self,  # type: ignore[arg-type]
            event=self.event,
            deliveries=self.deliveries,
            replay=self.replay,
            job=self.job,
            robots=self,
            checks=lambda: [Check("broker", not self.broker_away, "answers"), Check("ledger", ok=True)],
            metrics=lambda: [Metric("hub_lag", "gauge", "Events behind", {(("system", 'a"b'),): 3, (): 4})],
        )


DELIVERIES = [
    {"id": "juki/e/1:kokuho.main:0", "system": "kokuho", "payload": {"certificate_no": "1"}, "withheld": ["a"]},
    {"id": "juki/e/1:juki.main:0", "system": "juki", "payload": {"name": "a"}},
    {"id": "koseki/e2:juki.main:0", "system": "juki", "payload": {"name": "b"}},
]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def city() -> City:
    return City()


@contextlib.asynccontextmanager
async def running(city: City, limits: Limits | None = None):
    listening, stop = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(create_app(city.ports(), limits=limits), listening, stop))
    async with httpx.AsyncClient(base_url=address_of(listening), timeout=10, trust_env=False) as client:
        yield client
    stop.set()
    await asyncio.wait_for(serving, 5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared():
    """One server for the tests of this file, each with an app of its own: to end one takes a fifth of a second."""
    apps: list[Any] = []

    async def app(scope, receive, send):
        await apps[-1](scope, receive, send)

    listening, stop = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(app, listening, stop))
    yield apps, address_of(listening)
    stop.set()
    await asyncio.wait_for(serving, 5)


@pytest_asyncio.fixture(loop_scope="module")
async def http(city, shared):
    apps, address = shared
    apps.append(create_app(city.ports()))
    async with httpx.AsyncClient(base_url=address, timeout=10, trust_env=False) as client:
        yield client
    apps.pop()


def died(number: int = 1, **more: Any) -> dict[str, Any]:
    data = {"name": "守口 太郎", "died_on": "2026-11-20", "effective_on": "2026-11-20"}
    return {"specversion": "1.0", "id": f"e{number}", "type": "resident.died", "subject": "1", "data": data, **more}


def post(http, document, headers=STRUCTURED):
    return http.post("/v1/events", content=orjson.dumps(document), headers=headers)


def problem(answer, status):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    return body


async def test_one_event(http, city):
    answer = await post(http, died())
    assert (answer.status_code, answer.json()) == (202, {"accepted": ["e1"], "duplicates": []})
    (event,) = city.published
    assert event["source"] == "/systems/juki"
    assert event["type"] == "jp.lg.moriguchi.resident.died.v1"
    assert "batchid" not in event


async def test_a_batch_tells_what_was_known_and_shares_an_id(http, city):
    city.known = {"e2": Seen.REPEAT}
    answer = await post(http, [died(1), died(2), died(1), died(3)], BATCH)
    assert answer.json() == {"accepted": ["e1", "e3"], "duplicates": ["e2", "e1"]}
    assert [event["id"] for event in city.published] == ["e1", "e2", "e1", "e3"]
    assert len({event["batchid"] for event in city.published}) == 1


async def test_an_id_used_before_for_other_content_is_accepted_and_no_duplicate(http, city):
    city.known = {"e2": Seen.REUSED}
    other = {**died(1), "subject": "1000009"}
    answer = await post(http, [died(1), died(2), other, died(1)], BATCH)
    assert answer.json() == {"accepted": ["e1", "e2", "e1"], "duplicates": ["e1"]}
    assert len(city.published) == 4


async def test_binary_mode(http, city):
    headers = {"ce-specversion": "1.0", "ce-id": "%E5%AE%88", "ce-type": "resident.died", "ce-subject": "1"}
    answer = await http.post("/v1/events", json=died()["data"], headers={**JUKI, **headers})
    assert answer.json() == {"accepted": ["守"], "duplicates": []}
    assert city.published[0]["data"] == died()["data"]


async def test_a_bad_part_refuses_the_whole_batch(http, city):
    answer = await post(http, [died(1), died(2, type="resident.dide"), 7, died(4, hubfactsonly=True)], BATCH)
    body = problem(answer, 400)
    assert [(error["index"], error["code"]) for error in body["errors"]] == [
        (1, "type-unknown"),
        (2, "attribute"),
        (3, "attribute"),
    ]
    assert city.published == []


async def test_another_systems_source_is_403(http, city):
    body = problem(await post(http, [died(1), died(2, source="/systems/koseki")], BATCH), 403)
    assert [error["index"] for error in body["errors"]] == [1]
    assert "--as" not in str(body)
    assert city.published == []


async def test_what_is_too_large_is_413(http, city):
    large = died(1, data={**died()["data"], "informant": "a" * 300_000})
    problem(await post(http, large), 413)
    assert city.published == []


async def test_a_body_is_cut_off_where_it_is_too_long(city):
    async def endless():
        for _ in range(10):
            yield b" " * 600

    async with running(city, Limits(body=1000)) as http:
        problem(await http.post("/v1/events", content=endless(), headers=STRUCTURED), 413)
        problem(await http.post("/v1/events", content=b" " * 1001, headers=STRUCTURED), 413)


async def test_a_body_that_does_not_come_is_408(city):
    async def slow():
        yield b"{"
        await asyncio.sleep(1)
        yield b"}"

    async with running(city, Limits(read_seconds=0.1)) as http:
        problem(await http.post("/v1/events", content=slow(), headers=STRUCTURED), 408)


async def test_malformed_json_and_wrong_content_types(http):
    problem(await http.post("/v1/events", content=b'{"id":', headers=STRUCTURED), 400)
    problem(await http.post("/v1/events", content=b"a,b", headers={**JUKI, "Content-Type": "text/csv"}), 415)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
async def test_without_a_valid_token_nothing_is_taken_or_shown(http, city, headers):
    for answer in (
        await post(http, died(), {**headers, "Content-Type": "application/cloudevents+json"}),
        await http.get("/v1/events/e1", headers=headers),
        await http.get("/v1/deliveries", headers=headers),
    ):
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert city.published == []


async def test_kafka_away_is_503_with_retry_after(http, city):
    city.broker_away = True
    answer = await post(http, died())
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


async def test_kafka_that_hangs_is_503_in_time(city, monkeypatch):
    async def hang(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(city, "publish", hang)
    async with running(city, Limits(publish_seconds=0.1)) as http:
        problem(await post(http, died()), 503)


async def test_events_are_taken_from_a_known_caller_while_the_ledger_is_away(http, city):
    await post(http, died(1))
    city.ledger_away = True
    assert (await post(http, died(2))).json() == {"accepted": ["e2"], "duplicates": []}
    problem(await post(http, died(3), {**STRUCTURED, "Authorization": "Bearer other"}), 503)
    problem(await http.get("/v1/events/e1", headers=JUKI), 503)


async def test_a_system_sees_its_own_event_and_of_others_deliveries_no_payload(http):
    for name in ("e/1", "juki/e/1"):
        shown = (await http.get(f"/v1/events/{name}", headers=JUKI)).json()
        assert [delivery["payload"] for delivery in shown["deliveries"]] == [None, {"name": "a"}]
        assert not any("withheld" in delivery for delivery in shown["deliveries"]), "it would tell who is protected"
    problem(await http.get("/v1/events/koseki/e2", headers=JUKI), 404)


async def test_deliveries_are_asked_for_the_caller_and_those_of_others_have_no_payload(http, city):
    listed = (await http.get("/v1/deliveries?status=dead&limit=5", headers=JUKI)).json()
    assert [(item["id"], item["payload"]) for item in listed["items"]] == [
        ("juki/e/1:kokuho.main:0", None),
        ("juki/e/1:juki.main:0", {"name": "a"}),
        ("koseki/e2:juki.main:0", {"name": "b"}),
    ]
    assert listed["next"] == "on"
    assert city.filters == {"caller": "juki", "status": "dead", "limit": "5"}
    problem(await http.get("/v1/deliveries?colour=red", headers=JUKI), 400)
    problem(await http.get("/v1/deliveries?cursor=bad", headers=JUKI), 400)


async def test_health_says_what_is_waited_for(http, city):
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).json()["ready"] is True
    city.broker_away = True
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["waiting_for"]) == (503, ["broker"])


async def test_metrics_are_prometheus_text(http):
    answer = await http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.splitlines() == [
        "# HELP hub_lag Events behind",
        "# TYPE hub_lag gauge",
        'hub_lag{system="a\\"b"} 3',
        "hub_lag 4",
    ]


@pytest.mark.parametrize("own", [{"hubfactsonly": True}, {"hubreplaces": "e0"}])
async def test_the_hubs_own_attributes_are_refused(http, city, own):
    problem(await post(http, died(1, **own)), 400)
    assert not city.published


async def test_answers_are_closed_to_browsers_and_nothing_comes_from_outside(http):
    for path in ("/healthz", "/nowhere", "/docs", "/v1/deliveries"):
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    problem(await http.get("/docs"), 404)
    problem(await http.delete("/v1/events"), 405)


async def test_openapi_describes_the_three_content_types(http):
    described = (await http.get("/openapi.json")).json()
    body = described["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/cloudevents+json", "application/cloudevents-batch+json", "application/json"}
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


async def test_a_taken_port_is_wrong_usage():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError) as caught:
        bind("127.0.0.1", taken.getsockname()[1])
    assert caught.value.exit_code == 2
    assert "--port" in str(caught.value)


async def test_it_stops_while_a_request_hangs(city, monkeypatch):
    async def hang(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(city, "publish", hang)
    listening, stop = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(create_app(city.ports()), listening, stop, grace=1))
    async with httpx.AsyncClient(base_url=address_of(listening), trust_env=False) as client:
        request = asyncio.create_task(post(client, died()))
        await asyncio.sleep(0.2)
        stop.set()
        await asyncio.wait_for(serving, 5)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)


async def test_a_replay_and_its_job(http):
    asked = {"status": ["dead"], "reason": "復旧"}
    answer = await http.post("/v1/replays", json=asked, headers=JUKI)
    assert (answer.status_code, answer.json()) == (202, {"no": 7, "by": "http:juki", "asked": asked})
    assert (await http.post("/v1/replays", json={"dry_run": True}, headers=JUKI)).status_code == 200
    assert (await http.get("/v1/jobs/7", headers=JUKI)).json() == {"no": 7, "by": "http:juki"}
    problem(await http.get("/v1/jobs/8", headers=JUKI), 404)
    problem(await http.post("/v1/replays", content=b"{", headers=JUKI), 400)
    problem(await http.post("/v1/replays", json=asked), 401)


async def test_a_robot_claims_goes_on_completes_and_fails(http):
    async def asked(path, body=None):
        return (await http.post(f"/v1/jobs/juki/{path}", json=body, headers=JUKI)).json()

    answer = await http.post("/v1/jobs/juki/claim", headers=JUKI)  # without a body
    assert (answer.status_code, answer.json()) == (200, {"jobs": [], "asked": ["juki", 1, None, None]})
    body = {"limit": 5, "lease": 60, "receiver": "desk"}
    assert (await asked("claim", body))["asked"] == ["juki", 5, 60, "desk"]
    assert (await asked("7/heartbeat", {"lease": "x", "seconds": 60}))["asked"] == ["juki", 7, "x", 60]
    assert (await asked("7/complete", {"lease": "x"}))["asked"] == ["juki", 7, "x"]
    said = await asked("7/fail", {"class": "rejected", "code": "no-match", "message": "a\nb" + "c" * 300})
    assert (said["asked"], said["kind"], said["note"]) == (["juki", 7, None], "rejected", f"no-match: a\nb{'c' * 300}")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("juki/claim", {"limit": 0}, 400),
        ("juki/claim", {"limit": True}, 400),
        ("juki/claim", {"lease": 1}, 400),
        ("juki/claim", [], 400),
        ("juki/claim", {"robot": "x"}, 400),
        ("suido/claim", {}, 403),
        ("juki/8/complete", {}, 404),
        ("juki/x/complete", {}, 400),
        ("juki/7/complete", {"lease": "old"}, 409),
        ("juki/7/complete", {"lease": 7}, 400),
        ("juki/7/fail", {"class": "later"}, 400),
        ("juki/7/fail", {"code": "Not A Word"}, 400),
    ],
)
async def test_what_a_robot_says_wrongly_is_refused(http, path, body, status):
    problem(await http.post(f"/v1/jobs/{path}", json=body, headers=JUKI), status)
    problem(await http.post(f"/v1/jobs/{path}", json=body), 401)


async def test_a_robot_repeats_while_the_ledger_is_away(http, city):
    assert (await http.post("/v1/jobs/juki/claim", headers=JUKI)).status_code == 200
    city.ledger_away = True
    problem(await http.post("/v1/jobs/juki/claim", headers=JUKI), 503)


@pytest.mark.parametrize(("method", "path"), [each[:2] for each in reserved.CALLS])
async def test_a_reserved_call_says_not_yet(http, method, path):
    said = problem(await http.request(method, f"/v1{path.format(system='kokuho', job='1', form='x')}?limit=1"), 501)
    assert "not yet" in said["detail"]
    described = (await http.get("/openapi.json")).json()["paths"][f"/v1{path}"][method.lower()]
    assert "501" in described["responses"]


async def test_the_reserved_calls_are_the_contracts():
    assert {f"{method} {path}" for method, path, *_ in reserved.CALLS} == {
        "GET /prefill/{form}",
    }


@pytest.mark.parametrize(
    ("path", "signature", "body", "status"),
    [
        ("shinsei/main", "good", "a", 202),
        ("shinsei/main", "bad", "a", 401),
        ("shinsei/main", "good", "twice", 409),
        ("shinsei/other", "good", "a", 404),
    ],
)
async def test_a_call_of_a_system_is_answered_by_what_became_of_it(city, path, signature, body, status):
    async with running(city) as client:
        answer = await client.post(f"/v1/hooks/{path}", content=body, headers={"X-Signature": signature})
        assert answer.status_code == status
        if status == 202:
            assert answer.json() == {"accepted": ["a"], "quarantined": 1, "repeated": False}
        city.ledger_away = True
        answer = await client.post(f"/v1/hooks/{path}", content=body, headers={"X-Signature": signature})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


async def test_a_system_fetches_its_own_feed_and_no_other(city):
    async with running(city) as client:
        answer = await client.get("/v1/feeds/juki?after=7&limit=2&wait=10", headers=JUKI)
        assert (answer.status_code, answer.json()["asked"]) == (200, ["juki", 7, 2, None])
        assert answer.json()["items"] == [{"id": "e1"}]  # waited for
        assert (await client.get("/v1/feeds/kokuho", headers=JUKI)).status_code == 403
        assert (await client.get("/v1/feeds/juki")).status_code == 401
        for wrong in ("after=-1", "limit=0", "limit=1001", "wait=31", "after=x"):
            assert (await client.get(f"/v1/feeds/juki?{wrong}", headers=JUKI)).status_code == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"cursor": 3}, {"cursor": 3, "keys": [], "refused": {}, "receiver": None}),
        ({"keys": ["a"], "receiver": "b"}, {"cursor": None, "keys": ["a"], "refused": {}, "receiver": "b"}),
        (
            {"refused": [{"key": "a", "code": "E1", "message": "no\n such"}, {"key": "b"}]},
            {"cursor": None, "keys": [], "refused": {"a": "E1: no\n such", "b": "refused"}, "receiver": None},
        ),
        ({}, None),
        ([], None),
        ({"cursor": "3"}, None),
        ({"cursor": True}, None),
        ({"cursor": 3, "x": 1}, None),
        ({"keys": "a"}, None),
        ({"keys": ["a"], "receiver": 1}, None),
        ({"refused": ["a"]}, None),
    ],
)
async def test_an_acknowledgement_is_read_strictly(city, body, said):
    async with running(city) as client:
        answer = await client.post("/v1/feeds/juki/ack", content=orjson.dumps(body), headers=JUKI)
        assert answer.status_code == (200 if said else 400)
        if said:
            assert answer.json() == {"said": said, "settled": True}
        assert (await client.post("/v1/feeds/kokuho/ack", json={"cursor": 1}, headers=JUKI)).status_code == 403
