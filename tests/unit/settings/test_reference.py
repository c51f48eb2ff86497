"""docs/reference/city-folder.md says every setting, with its default."""

import re
from pathlib import Path

import pytest

from hub.settings import models
from hub.settings.load import ENVIRONMENT_KEYS
from hub.settings.reader import NOT_WRITTEN, keys_of
from hub.settings.shapes import seconds_of
from hub.settings.yaml import parse_yaml

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "city-folder.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
MODELS = [model for model in vars(models).values() if isinstance(model, type) and issubclass(model, models.Model)]
ELSEWHERE = {  # keys that stand outside their model's mapping, and keys of the mapping that become others
    models.City: (ENVIRONMENT_KEYS, {"kafka.prefix"}),
    models.Source: (NOT_WRITTEN, set()),
    models.Receiver: (NOT_WRITTEN, set()),
    models.Subscription: ({"system"}, set()),
    models.Publication: ({"source"}, {"from"}),
}


def documented(model):
    """Return the keys of the model's table with their defaults."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| \S.* \|$", SECTIONS.get(model.__name__, ""), re.MULTILINE)
    return {key: default.strip("`") for key, default in rows}


@pytest.mark.parametrize("model", [model for model in MODELS if model is not models.Model], ids=lambda m: m.__name__)
def test_every_key_is_documented(model):
    left_out, added = ELSEWHERE.get(model, (set(), set()))
    keys = ({*keys_of(model)} - set(left_out)) | added
    assert set(documented(model)) == keys, f"mend docs/reference/city-folder.md, section {model.__name__}"


def plain(default):
    """Return a default as the page may say it: durations as seconds, nothing as None."""
    value = parse_yaml(default, "default").value if default != "—" else None
    parts = value if isinstance(value, list) else [value]
    plain_parts = [
        seconds_of(part) if isinstance(part, str) and re.fullmatch(r"\d+[smhd]", part) else part for part in parts
    ]
    return tuple(plain_parts) if isinstance(value, list) else plain_parts[0]


@pytest.mark.parametrize("model", [model for model in MODELS if model is not models.Model], ids=lambda m: m.__name__)
def test_every_default_is_the_models(model):
    for name, field in model.model_fields.items():
        said = documented(model).get(field.alias or name)
        if said is None or said == "required" or isinstance(field.default, models.Model):
            continue
        assert plain(said) == (field.default or (field.default if field.default is False else None)), name


@pytest.mark.parametrize("model", [model for model in MODELS if model is not models.Model], ids=lambda m: m.__name__)
def test_what_is_required_is_said(model):
    said = {key for key, default in documented(model).items() if default == "required"}
    required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
    written_elsewhere = {models.Publication: {"from"}}.get(model, set())
    assert said - written_elsewhere == required - set(ELSEWHERE.get(model, ((), ()))[0])


def test_every_link_of_the_page_leads_to_a_section():
    links = set(re.findall(r"\]\(#(\w+)\)", PAGE))
    assert links <= {name.lower() for name in SECTIONS}
