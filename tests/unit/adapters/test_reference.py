from __future__ import annotations

from pathlib import Path

from hub.adapters import reference, registry

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "adapters.md"


def test_the_page_is_what_the_classes_say() -> None:
    written = PAGE.read_text("utf-8")
    assert written == reference.render(), "mend: python -m hub.adapters.reference > docs/reference/adapters.md"


def test_every_setting_is_described() -> None:
    for name in registry.names():
        adapter = registry.find(name)
        for model in (adapter.SourceSettings, adapter.SinkSettings):
            if model is not None:
                assert all(field.description for field in model.model_fields.values()), name
