"""`hub check` of what could never come true."""

import json

import pytest

SYSTEM = "system: kaigo\nreceives: {{adapter: {adapter}, order_until: confirmed{more}}}\n"
ANSWER = (
    ", acknowledged: {from: {adapter: csv, path: in/*.csv}, match: {no: int(row.no)}, "
    "warning: 'row.kind == \"W\"', about: int(digits(file))}"
)


def check(hub, city, adapter, more):
    (city / "systems" / "kaigo.yaml").write_text(SYSTEM.format(adapter=adapter, more=more))
    done = hub("check", "--json", "--city", city)
    found = [
        each
        for each in json.loads(done.stdout)["items"]
        if each["code"] in ("never-confirmed", "silence", "expression")
    ]
    return done.exit_code, found


def test_a_receiver_that_waits_for_what_cannot_come_is_refused(hub, city):
    code, (found,) = check(hub, city, "jsonl, path: out/x.jsonl", "")
    assert (code, found["code"]) == (2, "never-confirmed")
    assert found["place"].startswith("systems/kaigo.yaml:2:")
    assert "acknowledged" in found["mend"]
    assert hub("run", "--city", city).exit_code == 2


def test_a_table_of_errors_confirms_nobody_by_silence(hub, city):
    table = "from: {adapter: database, url: 'sqlite:///x.db', table: answer, cursor: no}, match: {no: row.no}"
    code, (found,) = check(hub, city, "jsonl, path: out/x.jsonl", f", acknowledged: {{{table}}}")
    assert (code, found["code"]) == (2, "silence")
    assert check(hub, city, "jsonl, path: out/x.jsonl", f", acknowledged: {{{table}, lists: all}}")[1] == []


def test_an_answer_confirms(hub, city):
    assert check(hub, city, "jsonl, path: out/x.jsonl", ANSWER)[1] == []


@pytest.mark.parametrize(("key", "text"), [("warning", "line.kind"), ("error", "file == 'x'"), ("about", "row.no")])
def test_expressions_of_answers_are_compiled(hub, city, key, text):
    more = f", acknowledged: {{from: {{adapter: csv, path: in/*.csv}}, match: {{no: int(row.no)}}, {key}: {text}}}"
    assert [each["code"] for each in check(hub, city, "jsonl, path: out/x.jsonl", more)[1]] == ["expression"]


def test_settings_of_the_source_of_answers_are_checked(hub, city):
    more = ", acknowledged: {from: {adapter: csv, path: in/*.csv, spearator: x}, match: {no: int(row.no)}}"
    text = SYSTEM.format(adapter="jsonl, path: out/x.jsonl", more=more)
    (city / "systems" / "kaigo.yaml").write_text(text)
    done = hub("check", "--json", "--city", city)
    found = [each for each in json.loads(done.stdout)["items"] if "spearator" in each["message"]]
    assert (done.exit_code, len(found)) == (2, 1)
    assert found[0]["place"].startswith("systems/kaigo.yaml:2:")


@pytest.mark.parametrize(
    ("receives", "places"),
    [
        (
            "{adapter: csv, path: s3://b/x/, s3: {access_key: AKIAXX, secret_key: plain}}",
            {"secret_key": "2:80"},
        ),
        (
            "{adapter: csv, path: sftp://u@h/x/, sftp: {host_key: ssh-ed25519 A, key: plain, passphrase: plain}}",
            {"key": "2:84", "passphrase": "2:103"},
        ),
        ("{adapter: http, url: 'http://x', api_key: {key: plain}}", {"key": "2:59"}),
        ("{adapter: http, url: 'http://x', basic: {user: hub, password: plain}}", {"password": "2:73"}),
        ("{adapter: chat, url: 'https://hooks.example/T0/plain'}", {"url": "2:32"}),
        ("{adapter: chat, url: 'http://127.0.0.1:8081/hook'}", {}),
        ("{adapter: mail, host: x, from: a@b, to: [c@d], user: hub, password: file:pw}", {}),
        ("{adapter: http, url: 'http://x', api_key: {key: file:pw}}", {}),
    ],
)
def test_every_setting_that_is_a_secret_stands_outside_the_file(hub, city, receives, places):
    (city / "pw").write_text("hidden", encoding="utf-8")
    (city / "systems" / "kaigo.yaml").write_text(f"system: kaigo\nreceives: {receives}\n", encoding="utf-8")
    done = hub("check", "--json", "--city", city)
    found = [each for each in json.loads(done.stdout)["items"] if each["code"] == "secret"]
    assert {(each["place"], each["message"]) for each in found} == {
        (f"systems/kaigo.yaml:{place}", f"`{key}` is a secret in plain text") for key, place in places.items()
    }
    assert len(found) == len(places)
    assert "plain'" not in done.stdout
    assert all("env:NAME" in each["mend"] for each in found)
    assert done.exit_code == (2 if places else 0)
