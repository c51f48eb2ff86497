from __future__ import annotations

from pathlib import Path

from hub.adapters import reference, registry

PAGES = Path(__file__).parents[3] / "docs" / "reference"


def test_the_pages_are_what_the_classes_say() -> None:
    found = {path.relative_to(PAGES).as_posix() for path in (PAGES / "adapters").glob("*.md")}
    made = reference.pages()
    assert found | {"adapters.md"} == set(made), "mend: python -m hub.adapters.reference docs/reference"
    for name, text in made.items():
        assert (PAGES / name).read_text("utf-8") == text, "mend: python -m hub.adapters.reference docs/reference"


def test_every_setting_is_described() -> None:
    for name in registry.names():
        adapter = registry.find(name)
        for model in (adapter.SourceSettings, adapter.SinkSettings):
            if model is not None:
                assert all(field.description for field in model.model_fields.values()), name
