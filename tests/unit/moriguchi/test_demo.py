"""The demonstration's script, against a hub in memory."""

import io
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from hub.errors import HubError, NotFound, Unavailable, UsageError
from hub.moriguchi import demo
from hub.moriguchi.app_hub import AppHub
from hub.moriguchi.cast import choose
from hub.moriguchi.command_hub import CommandHub
from hub.moriguchi.sample import install_sample, set_water_port, water_port
from hub.moriguchi.standins import Suido
from hub.moriguchi.town import Town
from hub.moriguchi.words import EN, JA
from hub.settings.load import load_city

from .fake_hub import FakeHub
from .test_sample_city import CITY


@pytest.fixture
def folder(tmp_path):
    install_sample(tmp_path)
    with Suido(tmp_path) as suido:  # a free port, since tests run side by side
        set_water_port(tmp_path, suido.start(0))
    return tmp_path


def play(hub, lang="ja", width=80, residents=600):
    out = io.StringIO()
    code = demo.run_demo(hub, residents=residents, lang=lang, out=Console(file=out, width=width))
    return code, out.getvalue()


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_day_passes_twice(folder, lang):
    words = JA if lang == "ja" else EN
    hub = FakeHub(folder)
    code, first = play(hub, lang)
    assert code == 0, first
    code, second = play(hub, lang)
    assert code == 0, second
    assert words["again"] in second
    assert words["again"] not in first
    for said in (first, second):
        assert words["done"] in said
        assert "令和8年13月40日" in said
        for key in ("scene-family", "scene-death", "scene-birth", "scene-application"):
            assert words[key] in said
        assert max(cell_len(line) for line in said.splitlines()) <= 80
    people = [set(re.findall(r"2720940[0-9]{8}", said)) for said in (first, second)]
    assert len(people[0] - people[1]) > 2  # another family, another death


def test_both_legacy_systems_rows_change(folder):
    code, said = play(FakeHub(folder))
    assert code == 0
    assert len(re.findall(r"▸ 大阪府守口市", said)) == 2


def test_both_rows_change_on_later_days_too(folder):
    hub = FakeHub(folder)
    for _ in range(3):
        code, said = play(hub, residents=300)
        assert code == 0, said
        assert len(re.findall(r"│ ▸", said)) == 2


def test_the_outage_is_seen_and_made_up_for(folder):
    _, said = play(FakeHub(folder))
    assert JA["late"] in said
    assert int(re.search(r"水道あて([0-9]+)件", said)[1]) >= 2


def test_a_hub_that_tells_nobody_is_told_on(folder, monkeypatch):
    hub = FakeHub(folder)
    monkeypatch.setattr(hub, "_apply", lambda each: each["system"] not in {"suido", "kokuho"})
    code, said = play(hub)
    assert code == 1
    said = said.replace("\n", "")
    assert JA["bad-waiting"] in said
    assert JA["bad-row"].format(system="水道") in said
    assert JA["bad-row"].format(system="国民健康保険") in said


def test_a_hub_that_lies_about_the_water_service_is_told_on(folder, monkeypatch):
    hub = FakeHub(folder)
    apply = hub._apply
    monkeypatch.setattr(hub, "_apply", lambda each: each["system"] == "suido" or apply(each))
    code, said = play(hub)
    assert code == 1
    assert JA["bad-water"] in said.replace("\n", "")


def test_a_narrow_terminal_is_no_harm(folder):
    code, said = play(FakeHub(folder), width=60)
    assert code == 0
    assert max(cell_len(line) for line in said.splitlines()) <= 60


def test_languages_say_the_same_things():
    assert JA.keys() == EN.keys()
    for key, text in JA.items():
        assert set(re.findall(r"{(\w+)", text)) == set(re.findall(r"{(\w+)", EN[key])), key


# --- the sample in a folder -----------------------------------------------------------------------------------------


def test_the_hubs_own_folder_of_the_sample_is_its_users_alone(tmp_path):
    install_sample(tmp_path / "city")
    assert not (tmp_path / "city" / "var").stat().st_mode & 0o077


def test_installing_writes_what_is_missing_and_keeps_what_is_there(tmp_path):
    written = install_sample(tmp_path)
    assert {path.relative_to(tmp_path) for path in written} == {
        path.relative_to(CITY) for path in CITY.rglob("*") if path.is_file()
    }
    (tmp_path / "hub.yaml").write_text("city: elsewhere\n")
    (tmp_path / "systems" / "zei.yaml").unlink()
    assert install_sample(tmp_path) == [tmp_path / "systems" / "zei.yaml"]
    assert (tmp_path / "hub.yaml").read_text() == "city: elsewhere\n"
    assert (tmp_path / "var" / "standins" / "juki.db").exists()


def test_the_water_port_can_be_moved(tmp_path):
    install_sample(tmp_path)
    set_water_port(tmp_path, 12345)
    assert water_port(tmp_path) == 12345
    assert load_city(tmp_path).systems["suido"].receives["main"].options["url"].startswith("http://127.0.0.1:12345/")


def test_a_town_grows_but_is_filled_once(tmp_path):
    install_sample(tmp_path)
    town = Town(tmp_path)
    town.settle(300)
    first = town.facts.read_bytes()
    town.facts.unlink()
    town.settle(300)
    assert not town.facts.exists()
    town.settle(400)
    assert town.juki.settled() == 400
    cut = b"\n".join(first.splitlines()[:-12])
    assert town.facts.read_bytes().startswith(cut)


def test_nobody_can_be_cast_in_an_empty_town():
    assert choose([], date(2026, 11, 20)) is None


def test_a_town_that_is_too_small_grows(folder):
    hub = FakeHub(folder)
    out = io.StringIO()
    assert demo.run_demo(hub, residents=1, lang="en", out=Console(file=out, width=80)) == 0
    assert Town(folder).juki.settled() > 300


# --- the hub in this process ---------------------------------------------------------------------------------------


def test_a_fresh_hub_knows_of_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_KAFKA", "127.0.0.1:1")  # there, but not asked
    with AppHub(tmp_path) as hub:
        assert hub.folder == tmp_path
        assert hub.events(since="2026-11-20T00:00:00Z") == hub.deliveries(since="2026-11-20T00:00:00Z") == []
        assert hub.deliveries(since="2026-11-20T00:00:00Z", system="suido") == hub.quarantine() == []
        with pytest.raises(NotFound):
            hub.event("juki/1")
    assert (tmp_path / "hub.yaml").exists()


# --- the hub by its commands ------------------------------------------------------------------------------------------


class Commands:
    """Stands in for `subprocess.run`: answers by the command's first words."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __call__(self, command, **_):
        words = command[3:]
        assert words[-3:] == ["--city", "DIR", "--json"]
        self.asked.append(words[:-3])
        code, out = self.answers[words[0]]
        return subprocess.CompletedProcess(command, code, out.pop(0) if isinstance(out, list) else out, "no")


def commands(monkeypatch, **answers):
    made = Commands(**answers)
    monkeypatch.setattr(subprocess, "run", made)
    return made, CommandHub(Path("DIR"))


def test_lists_are_read_to_their_end(monkeypatch):
    made, hub = commands(
        monkeypatch, events=(0, ['{"items":[{"id":1}],"next":"c"}', '{"items":[{"id":2}],"next":null}'])
    )
    assert hub.events(since="2026") == [{"id": 1}, {"id": 2}]
    assert made.asked == [
        ["events", "list", "--since", "2026", "--limit", "1000"],
        ["events", "list", "--since", "2026", "--limit", "1000", "--cursor", "c"],
    ]


def test_a_drain_that_broke_is_one(monkeypatch):
    _, hub = commands(monkeypatch, drain=(1, '{"error": {"code": "unexpected", "message": "broken"}}'))
    with pytest.raises(HubError, match="broken"):
        hub.drain()


@pytest.mark.parametrize(("code", "error"), [(1, HubError), (2, UsageError), (3, Unavailable)])
def test_exit_codes_become_errors(monkeypatch, code, error):
    _, hub = commands(monkeypatch, events=(code, ""))
    with pytest.raises(error, match="no"):
        hub.event("juki/1")


def test_a_drain_that_leaves_something_is_no_error(monkeypatch):
    made, hub = commands(monkeypatch, drain=(1, '{"clear": false}'))
    assert hub.drain(wait=2.5) is False
    assert made.asked == [["drain", "--wait", "2.5s", "--close-windows"]]


@pytest.mark.parametrize(("code", "asked"), [(0, ["status"]), (1, ["status", "start", "stop"])])
def test_kafka_is_stopped_only_if_it_was_started_here(monkeypatch, folder, code, asked):
    codes = iter([code, 0, 0])
    words = []

    def run(command, **_):
        words.append(command[4])
        return subprocess.CompletedProcess(command, next(codes), "{}", "")

    monkeypatch.setattr(subprocess, "run", run)
    with CommandHub(folder):
        pass
    assert words == asked


def test_the_water_service_runs_alone(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.moriguchi.standins", str(folder), str(water_port(folder))],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr.readline().startswith("suido: http://127.0.0.1:")
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stderr.close()
