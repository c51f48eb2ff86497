"""`hub check` warns of receivers that take what was withdrawn for new, or refuse every cancel."""

import json

import pytest

RULE = "subscribes:\n  - {id: moved, on: resident.moved, send: [name, new_address], because: 資格管理}\n"
LAYOUT = "record:\n  - {name: name, width: 20}\n"
DB = "{adapter: database, url: 'sqlite:///x.db', table: t, key: {no: subject}, columns: {name: data.name}"


@pytest.fixture
def found(hub, city):
    """Return the warnings about cancels of a city with one receiver, as (place, code, message, mend)."""

    def check(receives, rule=RULE, layout=LAYOUT):
        (city / "layouts").mkdir(exist_ok=True)
        (city / "layouts" / "k.yaml").write_text(layout, encoding="utf-8")
        kaigo = city / "systems" / "kaigo.yaml"
        kaigo.write_text(f"system: kaigo\nprotected: full\n{rule}receives:\n  {receives}\n", encoding="utf-8")
        done = hub("check", "--json", "--city", city)
        items = json.loads(done.stdout)["items"]
        assert [each["message"] for each in items if each["level"] == "error" and rule] == []
        told = [each for each in items if each["code"] in {"cancel-unread", "on-cancel"}]
        return [tuple(each[key] for key in ("place", "code", "message", "mend")) for each in told]

    return check


@pytest.mark.parametrize(
    ("receives", "column", "own"),
    [
        ("{adapter: http, url: 'http://x/{subject}', body: {name: data.name}}", 52, "body"),
        ("{adapter: http, url: 'http://x', body: data.new_address}", 42, "body"),
        ("{adapter: csv, path: out/, columns: {名: data.name}}", 39, "columns"),
        ("{adapter: fixed_width, path: out/, layout: layouts/k.yaml}", 46, "layout"),
        ("{adapter: http, url: 'http://x/{delivery.action}', body: {name: data.name}}", None, None),
        ("{adapter: http, url: 'http://x', body: {name: data.name, gone: data.restored.name}}", None, None),
        ("{adapter: csv, path: out/, columns: {名: data.name, 種別: event.type}}", None, None),
        ("{adapter: csv, path: out/, columns: {番号: subject}}", None, None),
        ("{adapter: http, url: 'http://x/{data.name}'}", None, None),
        ("{adapter: csv, path: out/}", None, None),
    ],
)
def test_what_was_taken_back_can_be_told_from_what_is_new(found, receives, column, own):
    told = found(receives)
    if own is None:
        assert told == []
        return
    ((place, code, message, mend),) = told
    assert (place, code) == (f"systems/kaigo.yaml:6:{column}", "cancel-unread")
    assert f"`{own}` of `kaigo.main`" in message
    assert "delivery.action" in mend


def test_a_layout_with_fields_of_its_own_for_cancels_tells_them_apart(found):
    receives = "{adapter: fixed_width, path: out/, layout: layouts/k.yaml}"
    assert found(receives, layout=LAYOUT + 'columns_by:\n  "event.*": {name: subject}\n') == []
    assert len(found(receives, layout=LAYOUT + "columns_by:\n  resident.moved: {name: subject}\n")) == 1


def test_a_table_says_what_a_cancel_does(found):
    ((place, code, message, mend),) = found(DB + "}")
    assert (place, code) == ("systems/kaigo.yaml:6:3", "on-cancel")
    assert "dead letter" in message
    assert "on_cancel: restore" in mend
    assert found(DB + ", on_cancel: restore}") == []


def test_a_receiver_that_is_told_nothing_is_left_alone(found):
    assert found(DB.replace("data.name", "delivery.no") + "}", rule="publishes: []\n") == []
