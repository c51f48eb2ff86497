# ruff: noqa: E501, ISC004 — one case a line, as it stands in a file
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.settings.load import load_city
from hub.settings.models import TableRow
from hub.settings.secret import Secret
from hub.settings.shapes import seconds_of

CSV = "{adapter: csv, path: in/*.csv}"


def system(text, name="a"):
    return {f"systems/{name}.yaml": f"system: {name}\n{text}"}


# --- the folder --------------------------------------------------------------------------------------------------------


def test_a_folder_without_hub_yaml_names_the_mend(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no hub\.yaml in .*hub init"):
        load_city(tmp_path / "nowhere", environ={})


def test_an_empty_hub_yaml_means_every_default(load, tmp_path):
    city = load({"hub.yaml": "# nothing yet\n"})
    assert (city.city, city.timezone, city.prefix, city.protection) == ("city", "Asia/Tokyo", "hub", None)
    assert city.folder == str(tmp_path.resolve())


def test_the_environment_says_where_kafka_and_the_ledger_are(load, tmp_path):
    city = load({}, {})
    assert city.ledger_url == f"sqlite:///{tmp_path.resolve()}/var/ledger.db"
    assert city.bootstrap is None
    city = load({}, {"HUB_KAFKA": " k:9092 ", "HUB_LEDGER": "postgresql://u:geheim@h/d"})
    assert city.bootstrap == "k:9092"
    assert city.ledger_url == "postgresql+psycopg://u:geheim@h/d"
    assert "geheim" not in repr(city)


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("file:ledger-url", "postgresql+psycopg://f/d"),
        ("env:URL", "postgresql+psycopg://e/d"),
    ],
)
def test_the_ledgers_url_names_its_driver(load, url, used):
    files = {"ledger-url": "postgresql://f/d\n"}
    assert load(files, {"HUB_LEDGER": url, "URL": "postgresql://e/d"}).ledger_url == used


def test_systems_come_sorted_by_name_and_other_files_are_left_alone(load):
    city = load({**system("", "b"), **system("", "a"), "systems/.a.yaml.swp": "x", "systems/a.yaml~": "x"})
    assert list(city.systems) == ["a", "b"]


def test_layouts_are_kept_by_name(load):
    city = load({"layouts/kaigo.yaml": "record: [{name: 番号, width: 10}]"})
    assert list(city.layouts) == ["kaigo"]
    assert [(field.name, field.width) for field in city.layouts["kaigo"].record] == [("番号", 10)]


def test_problems_of_all_files_are_listed_file_by_file_in_order(problems):
    found = problems(
        {
            "hub.yaml": "cty: a\nkafka: {prefx: b}",
            "systems/a.yaml": "system: a\nowner: 5\ntitel: x\n",
            "systems/b.yaml": "- x\n",
            "systems/c.yml": "",
            "systems/d.yaml": "",
            "tables/t.csv": "code\n",
            "layouts/l.yaml": "a: {",
        }
    )
    assert [line.split(": ")[0] for line in found] == [
        "hub.yaml:1:1",
        "hub.yaml:2:9",
        "systems/a.yaml:2:8",
        "systems/a.yaml:3:1",
        "systems/b.yaml:1:1",
        "systems/c.yml",
        "systems/d.yaml:1:1",
        "tables/t.csv:1:1",
        "layouts/l.yaml:1:5",
    ]
    assert "did you mean `city`?" in found[0]
    assert "did you mean `title`?" in found[3]


@pytest.mark.parametrize(
    ("hub", "problem"),
    [
        ("city: Moriguchi", "hub.yaml:1:7: `city`: `Moriguchi` cannot be a city's name"),
        ("city: 12", 'hub.yaml:1:7: `city`: this must be text (put it in quotes: "12")'),
        ("timezone: Asia/Tokio", "hub.yaml:1:11: `timezone`: there is no time zone `Asia/Tokio`"),
        ("authority: [juki]", "hub.yaml:1:12: `authority`: this must be a mapping"),
        ("kafka: {prefix: a b}", "hub.yaml:1:17: topics' names cannot begin with `a b`"),
        ("kafka: hub", "hub.yaml:1:8: `kafka` must be a mapping"),
        ("protection: {max_age: 26}", "hub.yaml:1:23: `max_age`: `26` has no unit of time"),
        ("protection: {max_drop: 5}", 'hub.yaml:1:24: `max_drop`: `5` is not a share (write "5%")'),
        ("protection: {empty: acept}", "hub.yaml:1:21: `empty` cannot be `acept` (write one of: refuse, accept)"),
        ("calendar:", "hub.yaml:1:1: `calendar` has no value (give it one, or remove the line)"),
        ("systems: {}", "hub.yaml:1:1: hub.yaml has no key `systems`"),
        ("- a", "hub.yaml:1:1: hub.yaml must be a mapping"),
    ],
)
def test_hub_yaml_is_checked(problems, hub, problem):
    (found,) = problems({"hub.yaml": hub})
    assert found.startswith(problem)


def test_a_folder_that_cannot_be_read_is_a_problem(problems, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert problems(system("")) == ["systems: the folder cannot be read: Permission denied"]


# --- systems -----------------------------------------------------------------------------------------------------------


def test_a_file_and_its_system_have_one_name(problems):
    found = problems({"systems/a.yaml": "system: b", "systems/b.yaml": "system: b", "systems/c.yaml": "owner: x"})
    assert found == [
        "systems/a.yaml:1:9: the file is named a, but says it is the system `b`"
        " (write `system: a`, or rename the file to b.yaml)",
        "systems/c.yaml:1:1: a system needs `system` (write `system: c`)",
    ]


def test_a_systems_name_is_plain(problems):
    (found,) = problems({"systems/Juki.yaml": "system: Juki"})
    assert found.startswith("systems/Juki.yaml: `Juki` cannot be a system's name")


def test_inline_sources_are_named_main_main2(load):
    city = load(
        system(
            f"sources:\n  main2: {CSV}\npublishes:\n"
            f"  - {{from: {CSV}, subject: row.a, event: x}}\n  - {{from: {CSV}, subject: row.a, event: x}}\n"
            "  - {from: main2, subject: row.a, event: x}\n"
        )
    )
    assert [publication.source for publication in city.systems["a"].publishes] == ["main", "main3", "main2"]
    assert set(city.systems["a"].sources) == {"main", "main2", "main3"}


def test_known_keys_of_a_source_are_taken_and_the_rest_are_its_adapters(load):
    city = load(
        system(
            "sources:\n  x:\n    adapter: database\n    url: sqlite:///x.db\n    cursor: no\n    overlap: 10\n    text: {encoding: cp932}\n"
            "    every: 90s\n    guard: {rows: [1, 9], change: 20%, per_event: {resident.died: 60}, missing_file_by: '07:30', breach: hold}\n"
            "    identify: {id: row.番号, system: a, verify: {kana: row.カナ}, need: 2, mismatch: review, unknown: provisional}\n"
        )
    )
    source = city.systems["a"].sources["x"]
    assert source.options == {"url": "sqlite:///x.db", "cursor": "no", "overlap": 10}
    assert source.text is not None
    assert (source.every, source.text.encoding, source.text.unmappable) == (90.0, "cp932", "reject")
    assert (source.guard.rows, source.guard.change, source.guard.per_event) == ((1, 9), "20%", {"resident.died": 60})
    assert source.identify.verify == {"kana": "row.カナ"}


def test_known_keys_of_a_receiver_are_taken_and_the_rest_are_its_adapters(load):
    city = load(
        system(
            "receives:\n  db:\n    adapter: database\n    mode: upsert\n    key: {番号: subject}\n    parallel: 4\n"
            "    retry: {delays: [5s, 1m, 2h], then: every 4h, give_up: 20}\n    flush: {rows: 500, seconds: 2s}\n"
            "    on_dead: stop\n    max_rows: 10\n    order_until: confirmed\n    deliver: on-effective-date\n"
        )
    )
    receiver = city.systems["a"].receives["db"]
    assert receiver.options == {"mode": "upsert", "key": {"番号": "subject"}}
    assert (receiver.retry.delays, receiver.retry.then, receiver.retry.give_up) == ((5.0, 60.0, 7200.0), 14400.0, 20)
    assert (receiver.flush.rows, receiver.flush.seconds, receiver.parallel) == (500, 2.0, 4)
    assert (receiver.on_dead, receiver.order_until, receiver.deliver) == ("stop", "confirmed", "on-effective-date")


def test_short_forms_of_a_rule(load):
    (rule,) = load(
        system(
            "subscribes: {id: r, on: resident.died, when: true, send: [name, {n: 1}], require: name, because: 目的,"
            " within: 14d, to: main, protected: full, deliver: on-effective-date, enabled: false}\n"
            f"receives: {CSV}\n"
        )
    ).subscriptions()
    assert (rule.on, rule.when, rule.send, rule.require) == (
        ("resident.died",),
        "true",
        ("name", {"n": "1"}),
        ("name",),
    )
    assert (rule.because.purpose, rule.within.days, rule.to, rule.protected.mode) == ("目的", 14, ("main",), "full")
    assert (rule.deliver, rule.enabled) == ("on-effective-date", False)


def test_a_rules_own_protected_goes_before_the_systems(load):
    own, inherited = load(
        system("protected: none\nsubscribes:\n  - {id: o, on: x, protected: {mode: full}}\n  - {id: i, on: x}\n")
    ).subscriptions()
    assert (own.protected.mode, inherited.protected.mode) == ("full", "none")


def test_empty_parts_are_none(load):
    (name,) = load(system("sources:\npublishes: []\nsubscribes:\nreceives: {}\n")).systems
    assert name == "a"


PUBLISH = f"sources:\n  s: {CSV}\npublishes:\n  - "
RECEIVE = f"receives: {CSV}\nsubscribes:\n  - "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PUBLISH + "{subject: row.a, event: x}", "5:5: an entry of `publishes` needs `from`"),
        (PUBLISH + "{from: t, subject: row.a, event: x}", "5:12: there is no source `t` (it may have: s)"),
        (PUBLISH + "{from: s, event: x}", "5:5: an entry of `publishes` needs `subject`"),
        (PUBLISH + "{from: s, subject: row.a}", "5:5: a case makes an `event`, or says why to `ignore` the row"),
        (PUBLISH + "{from: s, subject: row.a, event: x, ignore: y}", "5:5: a case makes an `event`"),
        (PUBLISH + "{from: s, subject: row.a, event: x, cases: []}", "5:31: `event` and `cases` stand side by side"),
        (PUBLISH + "{from: s, subject: row.a, cases: []}", "5:31: `cases` is empty"),
        (PUBLISH + "{from: s, subject: row.a, event: x, mapp: {}}", "5:41: an entry of `publishes` has no key `mapp` (did you mean `map`?)"),
        (PUBLISH + "{from: s, subject: row.a, event: x, map: {y: {z: 1}}}", "5:50: `map`: this must be an expression"),
        (PUBLISH + "{from: s, subject: '', event: x}", "5:24: `subject`: an expression is missing here"),
        (PUBLISH + "{from: s, subject: row.a, event: x, otherwise: drop}", "5:52: `otherwise` cannot be `drop` (write one of: quarantine, ignore)"),
        (PUBLISH + "x", "5:5: an entry of `publishes` must be a mapping"),
        (RECEIVE + "{on: x}", "4:5: an entry of `subscribes` needs `id`"),
        (RECEIVE + "{id: r}", "4:5: an entry of `subscribes` needs `on`"),
        (RECEIVE + "{id: r, on: []}", "4:13: `on` is empty"),
        (RECEIVE + "{id: r, on: x, when: }", "4:20: `when` has no value"),
        (RECEIVE + "{id: r, on: x, to: mian}", "4:24: there is no receiver `mian` (did you mean `main`?)"),
        (RECEIVE + "{id: r, on: x, to: [main, 1]}", '4:31: `to`: this must be text (put it in quotes: "1")'),
        (RECEIVE + "{id: r, on: x, send: name}", "4:26: `send`: this must be a list (write it in brackets: [name])"),
        (RECEIVE + "{id: r, on: x, enabled: no}", "4:29: `enabled`: `no` is neither true nor false"),
        (RECEIVE + "{id: r, on: x, unknown: aks}", "4:29: `unknown` cannot be `aks` (write one of: skip, send, ask)"),
        (RECEIVE + "{id: r, on: x, within: 36h}", "4:28: `within`: `36h` is not a number of whole days"),
        (RECEIVE + "{id: r, on: x, within: 14}", "4:28: `within`: `14` has no unit of time"),
        (RECEIVE + "{id: r, on: x, within: soon}", "4:28: `within`: `soon` is not a duration"),
        (RECEIVE + "{id: r, on: x, protected: without-locaton}", "4:31: `protected` cannot be `without-locaton`"),
        (RECEIVE + "{id: r, on: x, within: {from: known}}", "4:28: `within` needs `days`"),
        (RECEIVE + "{id: r, on: x, because: {}}", "4:29: `because` needs `purpose`"),
        (RECEIVE + "{id: r, on: x, protected: {mode: fulll}}", "4:38: `mode` cannot be `fulll` (write one of: full,"),
        (RECEIVE + "{id: r, on: x}\n  - {id: r, on: y}", "5:10: the rule `r` stands twice (the first is at systems/a.yaml:4:10)"),
        ("subscribes:\n  - {id: r, on: x, to: m}", "3:24: there is no receiver `m` (write `receives:`)"),
        ("receives: {path: out/}", "2:11: `receives` needs `adapter`"),
        ("receives: [a]", "2:11: `receives` must be a mapping"),
        ("receives: {m: {path: out/}}", "2:12: the receiver `m` needs `adapter`"),
        ("receives: {a.b: {adapter: csv}}", "2:12: `a.b` cannot be a receiver's name"),
        ("receives: {adapter: csv, parallel: 0}", "2:36: `parallel` cannot be `0`"),
        ("receives: {adapter: csv, window: {closes: '25:00'}}", '2:43: `closes` cannot be `25:00` (write it like "19:00")'),
        ("receives: {adapter: csv, window: {close: '19:00'}}", "2:35: `window` has no key `close` (did you mean `closes`?)"),
        (RECEIVE + "{id: r, on: x, send: ［name、kana］}", "4:26: `send`: this must be a list (write it in brackets: [name, kana])"),
        ("receives: {adapter: csv, retry: {delays: 5s}}", "2:42: `delays`: this must be a list (write it in brackets: [5s])"),
        ("receives: {adapter: csv, retry: {delays: [5s, 1x]}}", "2:47: `delays`: `1x` is not a duration"),
        ("receives: {adapter: csv, retry: {give_up: 0}}", "2:43: `give_up`: `0` is not a number of attempts"),
        ("sources: {S: {adapter: csv}}", "2:11: `S` cannot be a source's name"),
        ("sources: {s: {adapter: csv, every: 0s}}", "2:36: `every` cannot be `0.0`"),
        ("sources: {s: {adapter: csv, after: mov}}", "2:36: `after` cannot be `mov` (write one of: move, keep, delete)"),
        ("sources: {s: {adapter: csv, shares_state_with: s}}", "2:48: there is no other source `s`"),
        ("sources: {s: {adapter: csv, guard: {rows: [9, 1]}}}", "2:43: `rows`: this must be two numbers"),
        ("sources: {s: 1}", "2:14: the source `s` must be a mapping"),
        ("owner: 5", '2:8: `owner`: this must be text (put it in quotes: "5")'),
        ("owner: 0x0F", '2:8: `owner`: this must be text (put it in quotes: "0x0F")'),
        ("owner: 1.50", '2:8: `owner`: this must be text (put it in quotes: "1.50")'),
        ("owner: [a]", "2:8: `owner`: this must be text (write one value, without brackets)"),
        ("ids: {name: 0o17}", '2:13: `name` must be text (put it in quotes: "0o17")'),
        ("sources: {s: {adapter: csv, identify: {need: x}}}", "2:46: `need` must be a whole number (write digits alone"),
        (
            'publishes: {from: {adapter: csv}, subject: row.a, event: x, map: {b: address(lookup("z", row.c)), d: row.d}}',
            "2:70: `map`: the comma ends the expression here (put an expression that holds a comma in quotes:"
            " 'address(lookup(\"z\", row.c))')",
        ),
        (
            "publishes: {from: {adapter: csv}, subject: row.a, cases: [{ignore: x, when: lookup(a, row.c)}]}",
            "2:87: a comma ends the expression before `row.c)` (put an expression that holds a comma in quotes)",
        ),
        ("text: x", "2:7: `text` must be a mapping"),
        ("subscribers: []", "2:1: a system has no key `subscribers` (did you mean `subscribes`?)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_once_with_place_and_mend(problems, text, problem):
    (found,) = problems(system(text + "\n"))
    assert found.startswith(f"systems/a.yaml:{problem}")


# --- secrets -----------------------------------------------------------------------------------------------------------


def test_secrets_are_read_and_never_shown(load):
    files = {
        **system(
            "receives: {adapter: http, url: env:URL, headers: {Authorization: file:keys/token}, list: [env:URL]}\n"
            "sources: {s: {adapter: database, url: env:URL, path: file:///srv/x}}\n"
        ),
        "keys/token": "Bearer geheim\r\n",
        "hub.yaml": "alerts: {webhook: env:URL}",
    }
    city = load(files, {"URL": "https://u:geheim@h/"})
    options = city.systems["a"].receives["main"].options
    assert options["headers"]["Authorization"] == "Bearer geheim"
    assert options["list"] == [options["url"]] == ["https://u:geheim@h/"]
    assert [hook.url for hook in city.alerts.webhook] == ["https://u:geheim@h/"]
    assert city.systems["a"].sources["s"].options["path"] == "file:///srv/x"
    assert isinstance(options["url"], Secret)
    assert "geheim" not in repr(city)


def test_an_absent_secret_names_its_place_and_the_mend(problems):
    found = problems(
        {
            **system("receives: {adapter: http, url: env:NOPE, key: file:none, empty: file:empty}\n"),
            "empty": "\n",
        },
        {"NOPE": ""},
    )
    assert found == [
        "systems/a.yaml:2:32: the environment variable NOPE is not set (set NOPE where the hub is started)",
        "systems/a.yaml:2:47: the secret's file none cannot be read: No such file or directory (create it)",
        "systems/a.yaml:2:65: the secret's file empty is empty (write the secret into it)",
    ]


# --- tables ------------------------------------------------------------------------------------------------------------

TABLE = 'code,value,from,until\n01,転居,,\n02,死亡,2020-04-01,2026-03-31\n\n03,"a,b",,\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_tables_keep_their_text(load, encoding):
    rows = load({"tables/jiyu.csv": TABLE.replace("\n", "\r\n").encode(encoding)}).tables["jiyu"]
    assert rows == (
        TableRow(place="tables/jiyu.csv:2:1", code="01", value="転居"),
        TableRow(place="tables/jiyu.csv:3:1", code="02", value="死亡", from_="2020-04-01", until="2026-03-31"),
        TableRow(place="tables/jiyu.csv:5:1", code="03", value="a,b"),
    )


def test_a_table_may_leave_its_dates_out(load):
    assert load({"tables/t.csv": "code,value\n1,x\n"}).tables["t"][0].value == "x"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("code,valeu,value\n", "1:1: a table has no column `valeu` (did you mean `value`?)"),
        ("code,from\n", "1:1: a table needs the columns code and value, each once"),
        ("", "1:1: a table needs the columns code and value"),
        ("code,value\n1,x,y\n", "2:1: this line has 3 columns, the header 2"),
        ("code,value,from\n1,x,2020/4/1\n", "2:1: `from` cannot be `2020/4/1` (write YYYY-MM-DD, or leave it empty)"),
        ("code,value\n1,x\n1,y\n", "3:1: the code `1` stands twice (the first is at tables/t.csv:2:1"),
        ('code,value\n1,"x\n', "2:1: this is not CSV"),
        ("code,value\n1,守\n".encode("utf-16"), "1:1: the file is neither UTF-8 nor cp932"),
        (b"code,value\n1,\x81\n", "1:1: the file is neither UTF-8 nor cp932"),
    ],
)
def test_a_tables_problems_name_the_line(problems, table, problem):
    (found,) = problems({"tables/t.csv": table})
    assert found.startswith(f"tables/t.csv:{problem}")


# --- durations ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("1m", 60), ("2h", 7200), ("26h", 93600), ("14d", 1209600), ("every 4h", 14400), ("0.5s", 0.5)],
)
def test_durations(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["5", "5 weeks", "", "-1s", "s", "５s", "1h30m"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="write a number and s, m, h or d"):
        seconds_of(text)
