"""The document at `/openapi.json` is a valid one, and every route answers as it says."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from hub.adapters import registry
from hub.adapters.contract import Site
from hub.app import WorkQueue
from hub.errors import BrokerUnavailable, NotFound, Rejected
from hub.ledger import pauses
from hub.ledger.protected import Register
from hub.server.app import create_app
from hub.server.ports import Check, Limits
from hub.server.problems import CONTENT_TYPE
from hub.server.wiring import Parts, ports_of
from hub.stages.calls import Taken
from hub.stages.feeds import Feeds
from hub.stages.records import as_sent
from hub.stages.robots import Robots
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER, ZONE

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験, protected: full}
  - {id: deaths, on: resident.died, send: [name, died_on], because: 試験}"""
METHODS = {"get", "post"}
EVENT = {"Content-Type": "application/cloudevents+json"}


class Served(Town):
    """A town whose suido pulls and whose zei has robots, behind the server's own ports."""

    def __init__(self, folder: Any, ledger_url: str) -> None:
        super().__init__(folder, ledger_url, {"suido": RULE, "zei": RULE})
        self.away = False
        ports = ports_of(
            Parts(
                city=self.city,
                ledger=self.ledger,
                inquiry=self.inquiry,
                topic="hub.events",
                producer=self,
                calls=SimpleNamespace(receive=self.called),
                feeds=Feeds(self.city, self.ledger, self.book, Register(self.ledger)),
                robots=Robots(self.city, self.ledger, self.book, Register(self.ledger)),
                checks=lambda: [Check("broker", not self.away, "")],
                foreman=lambda: self.foreman,
                inward=as_sent,
            )
        )
        named = {name: name for name in ("juki", "suido", "zei")}
        ports = ports.__class__(**{**{key: getattr(ports, key) for key in ports.__slots__}, "system_of": named.get})
        self.app = create_app(ports, limits=Limits(body=20_000))
        self.document = self.app.openapi()
        self.seen: set[tuple[str, str, str]] = set()
        self.wrong: list[str] = []

    def _write(self, systems):
        for name, rules in systems.items():
            adapter = "pull" if name == "suido" else "rpa"
            text = f"system: {name}\nowner: 課\n{rules}\nreceives: {{adapter: {adapter}, retry: {{delays: [1h]}}}}\n"
            (self.folder / "systems" / f"{name}.yaml").write_text(text)

    def _opener(self, receiver):
        number = self.rules.numbers[self.rules.ruleset.receivers.index(receiver.key)]
        site = Site(self.folder, ZONE, receiver.system, receiver.name)
        port = WorkQueue(self.ledger, number) if receiver.adapter == "rpa" else None
        return lambda: registry.open_sink(receiver.adapter, receiver.options, site, port)

    async def publish(self, *_):
        if self.away:
            raise BrokerUnavailable("Kafka does not answer")

    async def called(self, _system, name, _headers, body):
        if name != "main":
            raise NotFound("no source is called")
        if body != b"good":
            raise Rejected("no", code="replayed" if body == b"twice" else "signature")
        return Taken(["a"], 1, waiting=1)

    def call(self, method: str, path: str, who: str | None = None, status: int = 200, **more: Any) -> Any:
        """Call, hold the answer to the document, and return its body."""
        headers = {**({"Authorization": f"Bearer {who}"} if who else {}), **more.pop("headers", {})}
        answer = asyncio.run(self._call(method, path, headers, more))
        assert answer.status_code == status, (path, answer.text)
        self._hold(method, path.partition("?")[0], answer)
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    async def _call(self, method, path, headers, more):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as client:
            return await client.request(method, path, **more)

    def _hold(self, method: str, path: str, answer: httpx.Response) -> None:
        route = next(each for each in self.document["paths"] if re.fullmatch(pattern(each), path))
        declared = self.document["paths"][route][method.lower()]["responses"]
        status, media = str(answer.status_code), answer.headers["content-type"].partition(";")[0]
        self.seen.add((method, route, status))
        place = f"{method} {route} {status}"
        if media not in declared.get(status, {}).get("content", {}):
            self.wrong.append(f"{place}: {media} is not declared")
        elif media.endswith("json"):
            schema = {**declared[status]["content"][media]["schema"], "components": strict(self.document["components"])}
            faults = Draft202012Validator(schema).iter_errors(answer.json())
            self.wrong += [f"{place}: {fault.json_path} {fault.message}" for fault in faults]
            if media != CONTENT_TYPE and "$ref" not in declared[status]["content"][media]["schema"]:
                self.wrong.append(f"{place}: no schema")


def pattern(route: str) -> str:
    return re.sub(r"{(\w+)}", lambda name: ".+" if name[1] == "event_id" else "[^/]+", route)


def strict(schema: Any) -> Any:
    """Return a schema by which nothing may be answered that it does not name."""
    schema = copy.deepcopy(schema)
    for each in walk(schema):
        if "properties" in each and each.get("type") == "object":
            each.setdefault("additionalProperties", False)
    return schema


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from walk(each)


@pytest.fixture
def ledger_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"  # answers have one shape on both


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Served]:
    made = Served(tmp_path / "city", ledger_url)
    yield made
    made.close()


@pytest.fixture
def document(town) -> dict[str, Any]:
    return town.document


def test_the_document_is_valid(document):
    assert document["openapi"] == "3.1.0"
    operations = [
        (path, method, each) for path, methods in document["paths"].items() for method, each in methods.items()
    ]
    assert {method for _, method, _ in operations} == METHODS
    assert len({each["operationId"] for *_, each in operations}) == len(operations)
    for path, method, each in operations:
        named = {q["name"] for q in each.get("parameters", ()) if q["in"] == "path" and q["required"]}
        assert named == set(re.findall(r"{(\w+)}", path)), path
        assert ("requestBody" in each) == (method == "post"), path
        assert "422" not in each["responses"], path
        for status, response in each["responses"].items():
            assert response["description"], (path, status)
            assert all(content["schema"] for content in response["content"].values()), (path, status)
    for each in walk(document):
        if "$ref" in each:
            assert each["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
        if "schema" in each:
            Draft202012Validator.check_schema(each["schema"])
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_route_answers_as_the_document_says(town):
    health(town)
    events(town)
    moves = {"m1": OTHER, "m2": ADDRESS, "m3": ADDRESS, "m4": OTHER}
    town.report(*(town.moved(address, name[1], id_=name) for name, address in moves.items()))
    town.report(town.event("resident.protection-started", "2", kind="DV"), town.moved(OTHER, "5", id_="m5"))
    died = town.event("resident.died", "1", name="守口", died_on="2026-11-20", id_="d/1")
    town.report(town.event("event.cancelled", "5", event_id="m5"), died)
    town.deliver()
    robots(town)
    feeds(town)
    town.deliver()
    views(town)
    replays(town)
    hooks(town)
    town.call("GET", "/v1/prefill/okuyami?resident=1", status=501)
    assert not town.wrong
    declared = {
        (method.upper(), path, status)
        for path, methods in town.document["paths"].items()
        for method, each in methods.items()
        for status in each["responses"]
    }
    rare = {status for *_, status in declared - town.seen}
    assert town.seen <= declared
    assert rare <= {"default", "400", "401", "408", "413", "503"}, declared - town.seen


def health(town):
    town.call("GET", "/healthz")
    town.call("GET", "/readyz")
    town.call("GET", "/metrics")
    town.away = True
    town.call("GET", "/readyz", status=503)
    town.call("POST", "/v1/events", "juki", 503, json=town.moved(ADDRESS), headers=EVENT)
    town.away = False


def events(town):
    event = town.moved(ADDRESS, "9")
    town.call("POST", "/v1/events", "juki", 202, json=event, headers=EVENT)
    town.call("POST", "/v1/events", "juki", 400, json={**event, "type": "foo"}, headers=EVENT)
    town.call("POST", "/v1/events", None, 401, json=event, headers=EVENT)
    town.call("POST", "/v1/events", "suido", 403, json=event, headers=EVENT)
    town.call("POST", "/v1/events", "juki", 413, content=b" " * 20_001, headers=EVENT)
    town.call("POST", "/v1/events", "juki", 415, content=b"a,b", headers={"Content-Type": "text/csv"})


def robots(town):
    first, second, third, *_ = town.call("POST", "/v1/jobs/zei/claim", "zei", json={"limit": 10})["jobs"]
    town.call("POST", "/v1/jobs/zei/claim", "zei", 400, json={"limit": 0})
    town.call("POST", "/v1/jobs/zei/claim", "suido", 403)
    town.call("POST", "/v1/jobs/suido/claim", "suido", 404)
    fail = {"lease": third["lease"], "class": "rejected", "code": "no", "message": "不明"}
    for what, job, body in (
        ("heartbeat", first, {}),
        ("complete", first, {}),
        ("fail", second, {}),
        ("fail", third, fail),
    ):
        town.call("POST", f"/v1/jobs/zei/{job['job']}/{what}", "zei", json={"lease": job["lease"], **body})
        for number, who, status in ((job["job"], "zei", 409), (1, "suido", 403), (999, "zei", 404), ("x", "zei", 400)):
            town.call("POST", f"/v1/jobs/zei/{number}/{what}", who, status, json={"lease": "old"})


def feeds(town):
    items = town.call("GET", "/v1/feeds/suido", "suido")["items"]
    assert items
    said = {"keys": [items[0]["deliverykey"], "x"], "refused": [{"key": items[1]["deliverykey"], "code": "E1"}]}
    pauses.pause(town.ledger, "suido.main", reason="試験", by="係員")
    assert town.call("GET", "/v1/feeds/suido", "suido")["closed"]
    pauses.resume(town.ledger, "suido.main")
    town.call("GET", "/v1/feeds/suido?limit=0", "suido", 400)
    town.call("GET", "/v1/feeds/suido", "zei", 403)
    town.call("GET", "/v1/feeds/zei", "zei", 404)
    town.call("POST", "/v1/feeds/suido/ack", "suido", json=said)
    town.call("POST", "/v1/feeds/suido/ack", "suido", 400, json={})
    town.call("POST", "/v1/feeds/suido/ack", "zei", 403, json=said)
    town.call("POST", "/v1/feeds/zei/ack", "zei", 404, json=said)


def views(town):
    for path in ("m1", "juki/m1", "m2", "m5", "d/1"):
        assert town.call("GET", f"/v1/events/{path}", "juki")["deliveries"]
    town.call("GET", "/v1/events/m1", "suido", 404)
    found = {who: town.call("GET", "/v1/deliveries?limit=100", who)["items"] for who in ("juki", "suido", "zei")}
    every = [each for items in found.values() for each in items]
    assert {"confirmed", "delivered", "dead", "sending"} <= {each["status"] for each in every}
    assert {each["action"] for each in every} == {"new", "cancel"}
    assert any("withheld" in each for each in found["suido"])
    assert any(each["error"] for each in found["zei"])
    assert all(each["payload"] is None for each in found["juki"])
    assert town.call("GET", "/v1/deliveries?limit=1", "suido")["next"]
    for wrong in ("colour=red", "type=foo", "status=gone", "limit=x", "since=x", "cursor=x"):
        town.call("GET", f"/v1/deliveries?{wrong}", "suido", 400)
    town.call("GET", "/v1/deliveries", status=401)


def replays(town):
    dead = {"status": ["dead"], "reason": "試験"}
    assert town.call("POST", "/v1/replays", "suido", json={**dead, "dry_run": True, "rules": "now"})["items"]
    job = town.call("POST", "/v1/replays", "suido", 202, json=dead)["no"]
    town.call("POST", "/v1/replays", "suido", 400, json={"type": ["foo"]})
    town.call("POST", "/v1/replays", "suido", 404, json={"deliveries": ["juki/m1:zei.main:0"]})
    town.call("GET", f"/v1/jobs/{job}", "suido")
    town.call("GET", f"/v1/jobs/{job}", "zei", 404)


def hooks(town):
    for path, body, status in (("main", b"good", 202), ("main", b"bad", 401), ("x", b"", 404), ("main", b"twice", 409)):
        town.call("POST", f"/v1/hooks/shinsei/{path}", None, status, content=body)
