import json

from hub.adapters import registry


def test_every_adapter_is_listed_with_what_it_promises(hub):
    items = json.loads(hub("adapters", "list", "--json").stdout)["items"]
    assert [each["name"] for each in items] == registry.names()
    pull = next(each for each in items if each["name"] == "pull")
    assert pull["features"]["sink"]
    assert not pull["features"]["source"]
    shown = hub("adapters", "list")
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in registry.names())


def test_every_adapter_has_a_manual_page_with_its_settings(hub):
    for name in registry.names():
        page = json.loads(hub("adapters", "show", name, "--json").stdout)["page"]
        assert hub("adapters", "show", name).stdout.startswith(f"# `{name}`")
        adapter = registry.find(name)
        for model in filter(None, (adapter.SourceSettings, adapter.SinkSettings)):
            assert all(f"| `{setting}` |" in page for setting in model.model_fields)


def test_an_unknown_adapter_is_wrong_usage_with_the_mend(hub):
    shown = hub("adapters", "show", "cvs")
    assert shown.exit_code == 2
    assert "did you mean `csv`?" in shown.stderr


def test_a_guard_before_calls_is_wrong(hub, city):
    (city / "systems" / "shinsei.yaml").write_text(
        "system: shinsei\nowner: 課\npublishes:\n"
        "  - from: {adapter: http, webhook: {secret: 0123456789abcdef}, guard: {rows: [1, 2]}}\n"
        "    event: resident.died\n    subject: row.no\n    map: {name: row.name, effective_on: row.on}\n",
        "utf-8",
    )
    shown = hub("check", "--city", city)
    assert "a guard does not stand before calls" in shown.stdout
    assert shown.exit_code == 2
