from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson
import pytest

from hub.adapters import registry
from hub.adapters.http_pages import Pages, PagesSettings
from hub.errors import ConfigurationError, Transient
from tests.conformance.helpers import site
from tests.services.rest import HTML, JSON, Rest

PAGES: dict[str, dict[str, Any]] = {
    "next": {"by": "next", "path": "_links.next.href"},
    "link": {"by": "link"},
    "cursor": {"by": "cursor", "path": "cursor", "parameter": "cursor"},
    "offset": {"by": "offset", "parameter": "offset", "size": 4, "size_parameter": "limit"},
    "page": {"by": "page", "parameter": "page", "size": 4, "size_parameter": "limit"},
}
SINCE = {"column": "changed", "parameter": "since"}


@pytest.fixture
def rest() -> Iterator[Rest]:
    rest = Rest()
    yield rest
    rest.stop()


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"no": number, "changed": f"2026-04-01T09:{number // 60:02d}:{number % 60:02d}"} for number in numbers]


def opened(rest: Rest, folder: Path, **options: Any) -> Any:
    return registry.open_source("http", {"url": f"{rest.url}/rows", "rows": "result", **options}, site(folder))


def read(source: Any, after: dict[str, Any] | None = None) -> tuple[list[int], dict[str, Any] | None]:
    position = after
    found = []
    for batch in source.read(after):
        position = orjson.loads(orjson.dumps(batch.position))
        found += [row.values["no"] for row in batch.rows]
    return found, position


@pytest.mark.parametrize("style", sorted(PAGES))
def test_every_page_is_read(rest: Rest, tmp_path: Path, style: str) -> None:
    rest.style, rest.page, rest.rows = style, 4, rows(*range(11))
    source = opened(rest, tmp_path, pages=PAGES[style], parameters={"kind": "ido"})
    found, position = read(source)
    assert found == list(range(11))
    assert all("kind=ido" in asked for asked in rest.asked("/rows"))
    assert read(source, position)[0] == []


def test_a_page_that_is_shorter_than_asked_for_is_not_the_last(rest: Rest, tmp_path: Path) -> None:
    rest.style, rest.rows = "offset", rows(*range(9))
    real, rest.page = rest._page, 2
    rest._page = lambda query, headers: real({**query, "limit": ["2"]}, headers)  # type: ignore[method-assign]
    assert read(opened(rest, tmp_path, pages=PAGES["offset"]))[0] == list(range(9))


def test_only_what_is_new_is_asked_for(rest: Rest, tmp_path: Path) -> None:
    rest.rows = rows(1, 2, 3)
    source = opened(rest, tmp_path, since=SINCE)
    found, position = read(source)
    assert found == [1, 2, 3]
    rest.rows += rows(3, 4)  # one more of the same moment, with other content
    rest.rows[3]["no"] = 33
    found, position = read(source, position)
    assert found == [33, 4]
    assert rest.asked("/rows")[-1] == "/rows?since=2026-04-01T09%3A00%3A03"
    assert read(source, position)[0] == []


def test_what_becomes_visible_late_is_found_within_the_overlap(rest: Rest, tmp_path: Path) -> None:
    rest.rows = rows(1, 2, 30)
    source = opened(rest, tmp_path, since={**SINCE, "overlap": "20s"})
    found, position = read(source)
    assert found == [1, 2, 30]
    rest.rows.insert(2, *rows(15))
    rest.rows.insert(0, *rows(0))  # later than the overlap allows
    found, position = read(source, position)
    assert found == [15]
    assert read(source, position)[0] == []


def test_nothing_is_sent_again_that_has_not_changed(rest: Rest, tmp_path: Path) -> None:
    rest.rows = rows(1, 2)
    found, position = read(opened(rest, tmp_path))
    assert found == [1, 2]
    again = opened(rest, tmp_path)  # a new process
    assert read(again, position) == ([], position)
    assert rest.requests[-1][2]["If-None-Match"]
    rest.rows += rows(3)
    assert read(again, position)[0] == [1, 2, 3]  # a document without `since` is read whole when it has changed


def test_what_was_not_made_durable_is_asked_for_again(rest: Rest, tmp_path: Path) -> None:
    rest.rows = rows(1, 2)
    source = opened(rest, tmp_path, since=SINCE)
    for _ in range(3):
        assert read(source)[0] == [1, 2]
    _, position = read(source)
    assert read(source, position)[0] == []
    assert read(source, position)[0] == []
    assert "If-None-Match" in rest.requests[-1][2]
    assert read(source)[0] == [1, 2]  # somebody has wound it back


def test_an_unchanged_answer_is_new_to_whoever_has_not_had_it(rest: Rest, tmp_path: Path) -> None:
    rest.rows = rows(3)
    source = opened(rest, tmp_path, since=SINCE)
    _, first = read(source)
    rest.rows += [{**rows(3)[0], "no": 33}]  # of the same moment: the same is asked for before and after
    found, second = read(source, first)
    assert found == [33]
    for _ in range(2):
        assert read(source, second)[0] == []
    assert "If-None-Match" in rest.requests[-1][2]
    assert read(source, first)[0] == [33]  # wound back: that ETag is of another position


def test_a_page_that_the_service_has_forgotten_begins_the_pass_anew(rest: Rest, tmp_path: Path) -> None:
    rest.page, rest.rows = 2, rows(*range(6))
    source = opened(rest, tmp_path, pages=PAGES["next"], since=SINCE)
    batches = source.read(None)
    first = next(batches)
    batches.close()
    rest.fault = lambda _, path: (410, {}, b"") if "cursor" in path and len(rest.requests) < 5 else None
    assert read(source, first.position)[0] == list(range(6))


def test_a_page_that_is_gone_in_the_middle_is_an_error_and_not_an_end(rest: Rest, tmp_path: Path) -> None:
    rest.page, rest.rows = 2, rows(*range(6))
    rest.fault = lambda _, path: (404, {}, b"") if "cursor=4" in path else None
    with pytest.raises(Transient) as error:
        read(opened(rest, tmp_path, pages=PAGES["next"]))
    assert error.value.code == "http-404"


@pytest.mark.parametrize(
    ("next_", "named"),
    [
        ("?page=2&key=s3cret", {"url": "http://a.example/rows?page=2", "own": ["key"]}),
        ("?key=s3cret&page=2&form=json", {"url": "http://a.example/rows?page=2", "own": ["key", "form"]}),
        ("?page=2", {"url": "http://a.example/rows?page=2"}),
        ("/rows/2?q=%E5%AE%88+%E5%8F%A3", {"url": "http://a.example/rows/2?q=%E5%AE%88+%E5%8F%A3"}),
    ],
)
def test_a_page_is_named_without_the_secrets_of_the_address_and_asked_for_with_them(next_, named):
    login = "user:pass@"
    pages = Pages(f"http://{login}a.example/rows?key=s3cret&form=json", PagesSettings(by="next", path="next"))
    asked = pages.request({}, {})
    answer = httpx.Response(200, request=httpx.Request("GET", asked))
    found = pages.next({}, answer, {"next": next_}, 1)
    assert found == named
    whole = httpx.URL(pages.request(found, {}))
    wanted = httpx.URL(urljoin(asked, next_))
    assert sorted(whole.params.multi_items()) == sorted(wanted.params.multi_items())
    assert (whole.host, whole.path, whole.userinfo) == (wanted.host, wanted.path, b"user:pass")


@pytest.mark.parametrize("href", ["http://A.example:80/rows?p=2", "HTTP://a.example/rows?p=2", "/rows?p=2"])
def test_one_host_may_be_written_in_several_ways(href: str) -> None:
    pages = Pages("http://a.example/rows", PagesSettings(by="next", path="next"))
    answer = httpx.Response(200, request=httpx.Request("GET", "http://a.example/rows"))
    found = pages.next({}, answer, {"next": href}, 1)
    assert httpx.URL((found or {})["url"]) == httpx.URL("http://a.example/rows?p=2")


@pytest.mark.parametrize(
    "href", ["https://a.example/r", "http://a.example:81/r", "http://u@a.example/r", "//b.example/r"]
)
def test_another_port_scheme_or_user_is_another_host(href: str) -> None:
    pages = Pages("http://a.example/rows", PagesSettings(by="next", path="next"))
    answer = httpx.Response(200, request=httpx.Request("GET", "http://a.example/rows"))
    with pytest.raises(Transient, match="another host"):
        pages.next({}, answer, {"next": href}, 1)


def test_the_next_page_is_not_asked_for_on_another_host(rest: Rest, tmp_path: Path) -> None:
    rest.fault = lambda *_: (200, JSON, b'{"result":[],"_links":{"next":{"href":"http://127.0.0.1:1/rows"}}}')
    with pytest.raises(Transient, match="another host"):
        read(opened(rest, tmp_path, pages=PAGES["next"], api_key={"key": "k"}))


def test_a_page_that_is_its_own_next_one_is_an_error(rest: Rest, tmp_path: Path) -> None:
    rest.fault = lambda *_: (200, JSON, b'{"result":[],"_links":{"next":{"href":"/rows?cursor=1"}}}')
    with pytest.raises(Transient, match="its own next"):
        read(opened(rest, tmp_path, pages=PAGES["next"]))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HTML, "http-503"),
        ((200, JSON, b"<html>"), "json"),
        ((200, JSON, b'{"results":[]}'), "rows"),
        ((400, JSON, '{"title":"","errors":[{"code":"E0002","message":"守口太郎"}]}'.encode()), "E0002"),
        ((301, {"Location": "/elsewhere"}, b""), "http-301"),
        ((404, {}, b""), "http-404"),
    ],
)
def test_what_is_no_document_is_waited_out_and_named(rest: Rest, tmp_path: Path, answer: Any, code: str) -> None:
    rest.fault = lambda *_: answer
    with pytest.raises(Transient) as error:
        read(opened(rest, tmp_path))
    assert error.value.code == code
    assert error.value.reached
    assert "守口" not in str(error.value)


def test_a_service_that_asks_for_quiet_is_left_alone(rest: Rest, tmp_path: Path) -> None:
    rest.fault = lambda *_: (429, {"Retry-After": "60"}, b"")
    source = opened(rest, tmp_path)
    for _ in range(3):
        with pytest.raises(Transient):
            read(source)
    assert len(rest.requests) == 1


def test_a_service_that_hangs_is_not_waited_for(rest: Rest, tmp_path: Path) -> None:
    rest.fault = lambda *_: 0.5
    begun = time.monotonic()
    with pytest.raises(Transient):
        read(opened(rest, tmp_path, timeout=0.1))
    assert time.monotonic() - begun < 0.45


def test_csv_and_lines_of_json(rest: Rest, tmp_path: Path) -> None:
    rest.fault = lambda *_: (200, {"Content-Type": "text/csv"}, "番号,氏名\r\n1,守口\r\n2\r\n".encode("cp932"))
    (batch,) = opened(rest, tmp_path, format="csv", encoding="cp932").read(None)
    assert batch.rows[0].values == {"番号": "1", "氏名": "守口"}
    assert batch.rows[1].error is not None
    rest.fault = lambda *_: (200, {}, b'{"no":1}\n{"no":2}\n')
    assert read(opened(rest, tmp_path, format="jsonl"))[0] == [1, 2]


def test_a_token_is_kept_and_asked_for_anew_once(rest: Rest, tmp_path: Path) -> None:
    rest.rows = rows(1)
    source = opened(rest, tmp_path, oauth2=rest.oauth2(scope="ido.read"))
    read(source)
    read(source)
    assert len(rest.asked("/token")) == 1
    rest.tokens.clear()  # the service has forgotten it
    assert read(source)[0] == [1]
    assert len(rest.asked("/token")) == 2
    rest.fault = lambda _, path: None if path == "/token" else (401, {}, b"")
    with pytest.raises(Transient) as error:
        read(source)
    assert error.value.code == "http-401"
    assert len(rest.asked("/token")) == 3


@pytest.mark.parametrize("send", ["basic", "body"])
def test_who_the_hub_is_may_stand_in_either_place(rest: Rest, tmp_path: Path, send: str) -> None:
    rest.rows = rows(1)
    assert read(opened(rest, tmp_path, oauth2=rest.oauth2(send=send)))[0] == [1]


def test_a_wrong_secret_is_a_setting_to_mend(rest: Rest, tmp_path: Path) -> None:
    with pytest.raises(Transient) as error:
        read(opened(rest, tmp_path, oauth2=rest.oauth2() | {"client_secret": "wrong"}))
    assert error.value.code == "oauth2"
    assert "invalid_client" in error.value.message
    assert "wrong" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"url": None},
        {"webhook": {"secret": "0123456789abcdef"}},
        {"pages": {"by": "cursor", "path": "cursor"}},
        {"oauth2": {"token_url": "http://x/", "client_id": "a"}},
        {
            "basic": {"user": "a", "password": "b"},
            "oauth2": {"token_url": "http://x", "client_id": "a", "client_secret": "b"},
        },
        {"tls": {"key": "hub.key"}},
    ],
)
def test_settings_that_do_not_go_together(rest: Rest, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        opened(rest, tmp_path, **options)
