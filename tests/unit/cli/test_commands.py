import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hub import __version__
from hub.cli import failure, reserved
from hub.cli.main import COMMANDS, command_line
from hub.cli.session import Session
from hub.errors import AmbiguousId, BrokerUnavailable, ConfigurationError, HubError, Problem
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.names import Names
from hub.settings import front, load


def test_help_lists_every_command(hub):
    shown = hub("--help")
    assert shown.exit_code == 0
    for path in COMMANDS:
        assert f"  {path.split()[0]} " in shown.stdout


def test_the_version(hub):
    assert hub("--version").stdout.strip() == __version__


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_takes_the_common_options(hub, path):
    shown = hub(*path.split(), "--help")
    assert shown.exit_code == 0
    for option in ("--city", "--json", "--verbose"):
        assert option in shown.stdout


@pytest.mark.parametrize("name", reserved.NAMES)
def test_a_reserved_command_says_not_yet(hub, name):
    for words in (name.split(), [*name.split(), "list", "--json", "--since", "1d"]):
        shown = hub(*words)
        assert shown.exit_code == 2
        assert "not yet" in shown.stderr
        assert bool(shown.stdout) == ("--json" in words)
    assert json.loads(shown.stdout)["error"]["code"] == "not-yet"


@pytest.fixture(scope="module")
def whole_command_line():
    return command_line()


@pytest.mark.parametrize("path", [*COMMANDS, *reserved.NAMES, "kafka"])
def test_a_command_is_built_without_the_others_and_is_the_same(hub, whole_command_line, path):
    words = [*path.split(), "--help"]
    whole = CliRunner().invoke(whole_command_line, words, prog_name="hub", env={"COLUMNS": None})
    assert (whole.exit_code, whole.stdout) == (0, hub(*words).stdout)


def test_to_ask_for_one_command_builds_no_other():
    built = command_line(["status"])
    assert ([each.name for each in built.registered_commands], built.registered_groups) == (["status"], [])


def test_an_unknown_command_or_option_is_wrong_usage(hub, city):
    assert hub("stauts").exit_code == 2
    assert hub("check", "--city", city, "--loud").exit_code == 2
    assert hub("events", "list", "--limit", "0", "--city", city).exit_code == 2


@pytest.mark.parametrize("words", [["stauts"], ["check", "--loud"], ["events", "list", "--limit", "0"], ["publish"]])
def test_wrong_usage_is_one_document_for_programs(hub, words):
    shown = hub(*words, "--json")
    assert shown.exit_code == 2
    error = json.loads(shown.stdout)["error"]
    assert error["code"] == "usage"
    assert error["message"] in shown.stderr.replace("\n", " ")


def test_a_folder_without_a_city_is_exit_2_with_the_mend(hub, tmp_path):
    shown = hub("status", "--city", tmp_path)
    assert shown.exit_code == 2
    assert "hub init" in shown.stderr
    assert shown.stdout == ""


def test_the_city_comes_from_the_environment_or_the_current_folder(hub, city, monkeypatch):
    monkeypatch.chdir(city)
    assert hub("check").exit_code == 0
    monkeypatch.chdir(city.parent)
    assert hub("check").exit_code == 2
    monkeypatch.setenv("HUB_CITY", str(city))
    assert hub("check").exit_code == 0


def test_japanese_people_are_spoken_to_in_japanese(hub, city, monkeypatch):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert "問題はありません" in hub("check", "--city", city).stdout


# --- init -----------------------------------------------------------------------------------------------------------


def test_init_writes_a_city_that_checks_and_tests_clean(hub, tmp_path):
    made = hub("init", tmp_path / "new", "--json")
    assert made.exit_code == 0
    assert "hub.yaml" in json.loads(made.stdout)["files"]
    assert hub("check", "--city", tmp_path / "new", "--strict").exit_code == 0
    assert hub("test", "--city", tmp_path / "new").exit_code == 0


def test_init_overwrites_nothing(hub, city):
    (city / "hub.yaml").write_text("city: mine\n")
    assert hub("init", city).exit_code == 2
    assert (city / "hub.yaml").read_text() == "city: mine\n"


def test_init_of_the_sample(hub, tmp_path):
    assert hub("init", tmp_path / "m", "--sample", "moriguchi").exit_code == 0
    assert (tmp_path / "m" / "systems" / "kokuho.yaml").exists()
    assert hub("init", tmp_path / "n", "--sample", "osaka").exit_code == 2
    assert not (tmp_path / "n").exists()


# --- check, test, explain -------------------------------------------------------------------------------------------


def _edit(city, name, old, new):
    path = city / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_check_names_file_line_and_mend(hub, city):
    _edit(city, "systems/kokuho.yaml", "on: resident.moved", "on: resident.mooved")
    shown = hub("check", "--city", city, "--json")
    assert shown.exit_code == 2
    problem = json.loads(shown.stdout)["items"][0]
    assert problem["place"].startswith("systems/kokuho.yaml:")
    assert "resident.moved" in problem["mend"]


def test_check_sees_what_adapters_refuse(hub, city):
    _edit(city, "systems/kokuho.yaml", "path: out/kokuho/, encoding: utf-8}", "path: out/kokuho/, encodinng: utf-8}")
    shown = hub("check", "--city", city)
    assert shown.exit_code == 2
    assert "encoding" in shown.stdout


def test_check_sees_what_makes_a_file_no_test_and_the_city_runs_all_the_same(hub, city):
    (city / "tests/more.yaml").write_text("- test: a\n  event: {}\n  expects: {}\n  not: [kokuhoo]\n", "utf-8")
    shown = hub("check", "--city", city, "--json")
    places = [problem["place"] for problem in json.loads(shown.stdout)["items"]]
    assert (shown.exit_code, places) == (0, ["tests/more.yaml:3:3"])
    (city / "tests/more.yaml").write_text("- test: a\n  event: {}\n  not: [kokuhoo, zei-]\n", "utf-8")
    refused = hub("test", "--city", city)
    assert refused.exit_code == 2
    assert [line.partition(": ")[0] for line in refused.stderr.splitlines()] == [
        "tests/more.yaml:3:9", "tests/more.yaml:3:18"
    ]  # fmt: skip


def test_warnings_are_trouble_only_when_strict(hub, city):
    _edit(
        city,
        "systems/kokuho.yaml",
        "because: 国民健康保険の資格の喪失",
        "because: {purpose: 国民健康保険の資格の喪失, provision: 要確認}",
    )
    assert hub("check", "--city", city).exit_code == 0
    strict = hub("check", "--city", city, "--strict", "--json")
    assert strict.exit_code == 1
    assert json.loads(strict.stdout)["warnings"] == 1


def test_rules_that_await_confirmation_are_one_line_a_system(hub, city):
    _edit(city, "systems/kokuho.yaml", "because: 国民健康保険の資格の喪失", "because: 要確認")
    short = hub("check", "--city", city).stdout
    assert "systems/kokuho.yaml: 1 rules whose `because` still says" in short
    assert "systems/kokuho.yaml:" in hub("check", "--city", city, "--verbose").stdout
    assert len(json.loads(hub("check", "--city", city, "--json").stdout)["items"]) == 1


@pytest.mark.parametrize("command", ["run", "drain", "events list"])
def test_a_city_that_cannot_run_is_refused_in_one_line(hub, city, command):
    _edit(city, "systems/kokuho.yaml", "on: resident.moved", "onn: resident.moved\n    whenn: x")
    shown = hub(*command.split(), "--city", city)
    assert shown.exit_code == 2
    assert len(shown.stderr.strip().splitlines()) == 1
    assert "hub check" in shown.stderr


def test_a_failed_rule_test_is_exit_1_with_the_difference(hub, city):
    _edit(city, "systems/kokuho.yaml", "send: [name, died_on]", "send: [name]")
    shown = hub("test", "--city", city, "--json")
    assert shown.exit_code == 1
    failed = [each for each in json.loads(shown.stdout)["items"] if not each["passed"]]
    assert failed[0]["differences"][0]["field"] == "died_on"
    assert "died_on" in hub("test", "--city", city).stdout


def test_tests_of_one_file(hub, city):
    (city / "tests" / "more.yaml").write_text(
        "- test: nobody\n  event: {type: resident.moved, subject: '1', data: {name: a, effective_on: 2026-04-01, "
        "old_address: {text: a}, new_address: {text: b}}}\n  not: [kokuho]\n",
        encoding="utf-8",
    )
    for name in ("tests/more.yaml", "more.yaml", city / "tests" / "more.yaml"):
        shown = hub("test", name, "--city", city, "--json")
        assert [each["test"] for each in json.loads(shown.stdout)["items"]] == ["nobody"]
    assert hub("test", "none.yaml", "--city", city).exit_code == 2


DEATH = {
    "type": "resident.died",
    "subject": "1",
    "data": {"name": "守口 太郎", "died_on": "2026-11-20", "effective_on": "2026-11-20"},
}


def test_explain_an_event_that_is_not_published(hub, city, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(DEATH))
    shown = hub("explain", tmp_path / "event.json", "--city", city, "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert found["told"] == []
    assert {each["system"] for each in found["not_told"]} == {"juki", "kokuho"}
    assert "facts.insurance.kokuho.active" in hub("explain", "-", "--city", city, stdin=json.dumps(DEATH)).stdout


def test_explain_refuses_what_is_no_single_event(hub, city, tmp_path):
    (tmp_path / "two.json").write_text(json.dumps([DEATH, DEATH]))
    assert hub("explain", tmp_path / "two.json", "--city", city).exit_code == 2
    (tmp_path / "none.json").write_text('{"type": "resident.died"}')
    assert hub("explain", tmp_path / "none.json", "--city", city).exit_code == 1


# --- questions to an empty ledger -----------------------------------------------------------------------------------


@pytest.mark.parametrize("noun", ["events", "deliveries", "quarantine"])
def test_lists_have_items_and_next(hub, city, noun):
    shown = hub(noun, "list", "--city", city, "--json", "--since", "3d", "--until", "2026-11-20")
    assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout) == {"items": [], "next": None}
    assert "none" in hub(noun, "list", "--city", city).stdout


@pytest.mark.parametrize("noun", ["events", "deliveries", "quarantine"])
@pytest.mark.parametrize("words", [["--status", "lost"], ["--since", "soon"], ["--cursor", "?"]])
def test_wrong_filters_are_exit_2(hub, city, noun, words):
    assert hub(noun, "list", "--city", city, *words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("events", "list", "--type", "resident.dead"), "did you mean resident.died?"),
        (("deliveries", "list", "--type", "resident.move"), "did you mean resident.moved?"),
        (("deliveries", "list", "--system", "zzzz"), "known: "),
        (("cancel", "--system", "nobody", "--reason", "誤り"), "known: "),
        (("replay", "--type", "resident.dyed", "--reason", "誤り"), "did you mean resident.died?"),
    ],
)
def test_a_filter_that_names_nothing_is_exit_2_with_the_mend(hub, city, words, mend):
    shown = hub(*words, "--city", city)
    assert shown.exit_code == 2
    assert mend in shown.stderr


def test_a_source_that_is_no_system_of_the_city_but_has_events_passes(hub, city):
    ledger = Ledger(f"sqlite:///{city}/var/ledger.db")
    hub("events", "list", "--city", city)
    Names(ledger, "source").number("/systems/elsewhere")
    ledger.close()
    assert hub("events", "list", "--system", "elsewhere", "--city", city).exit_code == 0


def test_to_resume_what_is_not_paused_is_no_trouble(hub, city):
    system = next((city / "systems").glob("*.yaml")).stem
    for _ in range(2):
        shown = hub("system", "resume", system, "--json", "--city", city)
        assert (shown.exit_code, json.loads(shown.stdout)["system"]) == (0, system)
    assert hub("system", "resume", "nope", "--city", city).exit_code == 2


def test_right_values_that_are_no_json_are_wrong_usage(hub, city):
    assert hub("correct", "x", "--reason", "誤り", "--data", "x", "--city", city).exit_code == 2


def test_what_is_not_there_is_exit_1(hub, city):
    assert hub("events", "show", "x", "--city", city).exit_code == 1
    assert hub("deliveries", "show", "juki/x:kokuho.main:0", "--city", city).exit_code == 1
    assert hub("deliveries", "show", "x", "--city", city).exit_code == 1
    assert hub("explain", "x", "--city", city).exit_code == 1
    assert hub("quarantine", "show", "7", "--city", city).exit_code == 1


def test_status_of_a_new_city(hub, city):
    found = json.loads(hub("status", "--city", city, "--json").stdout)
    assert found["events"] == 0
    assert found["kafka"] == {"bootstrap": None, "lag": None}


def test_the_ledger_is_at_the_newest_revision_after_its_first_use(hub, city):
    assert hub("db", "status", "--city", city).exit_code == 1
    assert json.loads(hub("db", "upgrade", "--city", city, "--json").stdout)["before"] is None
    assert hub("db", "status", "--city", city).exit_code == 0


def test_tokens_are_shown_once_and_taken_back(hub, city):
    text = json.loads(hub("token", "new", "juki", "--city", city, "--json").stdout)["token"]
    listed = hub("token", "list", "--city", city, "--json").stdout
    assert text not in listed
    assert json.loads(listed)["items"][0]["system"] == "juki"
    assert hub("token", "new", "nobody", "--city", city).exit_code == 2
    assert hub("token", "revoke", "juki", "--city", city).exit_code == 0
    assert hub("token", "revoke", "juki", "--city", city).exit_code == 2


def test_doctor_changes_nothing(hub, city):
    before = sorted(city.rglob("*"))
    assert hub("doctor", "--city", city).exit_code == 0
    assert sorted(city.rglob("*")) == before


def test_doctor_says_what_to_mend(hub, city):
    hub("status", "--city", city)  # makes the ledger
    shown = json.loads(hub("doctor", "--city", city, "--json").stdout)
    assert {"city", "Python", "disk", "var", "ledger", "clocks"} <= {each["name"] for each in shown["items"]}
    _edit(city, "systems/kokuho.yaml", "on: resident.moved", "on: resident.mooved")
    ill = hub("doctor", "--city", city, "--json")
    assert ill.exit_code == 1
    assert [each["mend"] for each in json.loads(ill.stdout)["items"] if each["name"] == "city"] == ["hub check"]


def test_schemas_are_written(hub, city, tmp_path):
    assert hub("schemas", tmp_path / "s", "--city", city).exit_code == 0
    assert json.loads((tmp_path / "s" / "resident.moved.v1.json").read_text())
    (tmp_path / "file").touch()
    assert hub("schemas", tmp_path / "file", "--city", city).exit_code == 2


def test_kafka_that_is_not_running(hub, city):
    shown = hub("kafka", "status", "--city", city, "--json")
    assert shown.exit_code == 3
    assert json.loads(shown.stdout)["running"] is False
    assert hub("kafka", "stop", "--city", city).exit_code == 0


def test_publish_refuses_a_file_that_is_not_there_and_a_system_that_is_none(hub, city):
    assert hub("publish", "nothing.jsonl", "--city", city).exit_code == 2
    assert hub("publish", "-", "--as", "nobody", "--city", city, stdin="").exit_code == 2


def test_run_refuses_a_stage_that_is_none(hub, city):
    assert hub("run", "--only", "intake,cooking", "--city", city).exit_code == 2


def test_a_broker_elsewhere_that_is_away_is_exit_3(hub, city, monkeypatch):
    monkeypatch.setenv("HUB_KAFKA", "127.0.0.1:1")
    for words in (["drain", "--wait", "1s"], ["publish", "-"], ["kafka", "start"], ["kafka", "status"]):
        shown = hub(*words, "--city", city, stdin="")
        assert shown.exit_code == 3, shown.stderr
        assert "127.0.0.1:1" in shown.stderr + shown.stdout


# --- failures -------------------------------------------------------------------------------------------------------


def test_an_unexpected_error_is_one_line_and_a_log_file(hub, city, monkeypatch):
    def broken(*_args, **_named):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr("hub.settings.load.load_city", broken)
    shown = hub("check", "--city", city)
    assert shown.exit_code == 1
    assert len(shown.stderr.strip().splitlines()) == 1
    (log,) = (city / "var" / "log").glob("error-*.log")
    assert str(log) in shown.stderr
    assert "ZeroDivisionError: no such luck" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_errors_for_programs_are_one_document(hub, tmp_path):
    shown = hub("status", "--city", tmp_path, "--json")
    assert shown.exit_code == 2
    assert json.loads(shown.stdout)["error"]["problems"][0]["place"] == "hub.yaml"


def test_a_group_of_errors_is_named_by_its_gravest():
    group = ExceptionGroup("several", [HubError("a"), ExceptionGroup("inner", [BrokerUnavailable("b")])])
    assert failure.named_error(group).exit_code == 3
    assert failure.named_error(ExceptionGroup("several", [HubError("a"), ValueError("b")])) is None


def test_candidates_and_problems_reach_programs(capsys, tmp_path):
    assert failure.report(AmbiguousId("7", ["juki/7", "koseki/7"]), tmp_path, as_json=True) == 2
    assert json.loads(capsys.readouterr().out)["error"]["candidates"] == ["juki/7", "koseki/7"]
    assert failure.report(ConfigurationError([Problem("a:1:1", "wrong")]), tmp_path, as_json=False) == 2
    assert "a:1:1: wrong" in capsys.readouterr().err


# --- how it starts --------------------------------------------------------------------------------------------------


SLOW = {"sqlalchemy", "alembic", "aiokafka", "faststream", "cel", "fastapi", "asyncio", "rich", "yaml"}
SLOW |= {"hub.app", "hub.settings.models", "hub.settings.load", "hub.events.catalogue", "hub.stages.inquiry"}


def _loaded(code, **environ):
    """What a process has loaded at its end."""
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{code}"
    named = {**os.environ, **environ}
    named.pop("COLUMNS", None)  # a width asks for drawn tables
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=named)
    return set(done.stderr.split())


def test_help_imports_nothing_slow():
    loaded = _loaded("from hub.cli.main import command_line; command_line()")
    assert sorted((SLOW | {"pydantic", "orjson"}) & loaded) == []


@pytest.mark.parametrize("kafka", ["", "127.0.0.1:1"])
def test_status_imports_nothing_slow(hub, city, kafka):
    hub("status", "--city", city)  # makes the ledger's tables
    code = "from hub.cli.main import main; sys.argv = ['hub', 'status']; main()"
    loaded = _loaded(code, HUB_CITY=str(city), HUB_KAFKA=kafka)
    assert sorted((SLOW - {"yaml"}) & loaded) == []


@pytest.mark.parametrize("topic", [False, True])
def test_a_kafka_that_is_away_has_no_lag(hub, city, monkeypatch, topic):
    hub("status", "--city", city)  # makes the ledger's tables
    if topic:
        ledger = Ledger(f"sqlite:///{city}/var/ledger.db")
        EventLog(ledger).open_generation("hub.events", "a-uuid", 1)
        ledger.close()
    monkeypatch.setenv("HUB_KAFKA", "127.0.0.1:1")
    assert json.loads(hub("status", "--city", city, "--json").stdout)["kafka"] == {
        "bootstrap": "127.0.0.1:1",
        "lag": None,
    }


def test_a_wait_that_is_no_duration_starts_nothing(hub, city):
    shown = hub("drain", "--city", city, "--wait", "abc")
    assert shown.exit_code == 2
    assert not (city / "var" / "kafka").exists()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "city: moriguchi\n"])
def test_a_city_that_names_no_time_zone_has_the_usual_one(tmp_path, text):
    (tmp_path / "hub.yaml").write_text(text)
    assert front.timezone(tmp_path) == front.TIMEZONE


def test_messages_have_no_holes(hub, city):
    shown = hub("adapters", "show", "nope")
    assert shown.stderr.startswith("there is no adapter `nope`")
    system = next((city / "systems").glob("*.yaml")).stem
    assert f"there is no valid token of {system}" in hub("token", "revoke", system, "--city", city).stderr
    assert "hub quarantine list" in hub("quarantine", "show", "999", "--city", city).stderr


def test_a_command_reads_the_citys_files_once_and_again_after_an_edit(city, monkeypatch):
    read = []
    whole = load.load_city
    monkeypatch.setattr(load, "load_city", lambda folder: read.append(folder) or whole(folder))
    session = Session(city)
    assert session.city() is session.city()
    assert len(read) == 1
    path = city / "hub.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    session.city()
    assert len(read) == 2


def test_what_needs_a_person_is_told_though_the_citys_files_are_broken(hub, city):
    (city / "systems" / "broken.yaml").write_text("system: [", encoding="utf-8")
    for words in (("morning",), ("jobs", "list"), ("identity", "list")):
        assert hub(*words, "--city", city).exit_code == 0
    assert hub("check", "--city", city).exit_code == 2
