import json

from hub.adapters import registry


def test_every_adapter_is_listed_with_what_it_promises(hub):
    items = json.loads(hub("adapters", "list", "--json").stdout)["items"]
    assert [each["name"] for each in items] == registry.names()
    kafka = next(each for each in items if each["name"] == "kafka")
    assert kafka["features"]["sink"]
    assert not kafka["features"]["source"]
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
