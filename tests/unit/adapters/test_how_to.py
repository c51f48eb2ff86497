"""The how-to pages about adapters: every block of YAML is a city's, with nothing to mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hub
from hub.adapters import registry
from hub.adapters.contract import Site
from hub.cli.check import adapter_problems, problems_of
from hub.settings.load import load_city
from hub.settings.models import City
from tests.conformance.helpers import site
from tests.unit.adapters.expressions import REAL

TRIED = (
    *("fixed-width.md", "sftp.md", "object-storage.md", "http.md", "pull.md", "kafka.md", "databases.md"),
    *("rpa.md", "uipath.md", "winactor.md", "chat.md", "mail.md", "print.md", "online-application.md", "ai-ocr.md"),
)
SECRETS = (
    *("KOKUHO_SFTP", "S3_ACCESS", "S3_SECRET", "JUKI_SECRET", "SHINSEI_HOOK", "SUIDO_PASSWORD", "DX_KEY"),
    *("LW_CLIENT", "LW_SECRET", "MAIL_USER", "MAIL_PASSWORD", "UIPATH_CLIENT", "UIPATH_SECRET"),
)
PAGES = Path(hub.__file__).parents[1] / "docs" / "how-to"


def written(folder: Path, page: str) -> City:
    """Write the page's blocks into a folder, as the files they name, and load it."""
    text = (PAGES / page).read_text("utf-8")
    layouts = re.findall(r"^`(layouts/\w+\.yaml)`:\n\n```yaml\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    systems: dict[str, str] = {}
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        if block in [content for _, content in layouts]:
            continue
        found = re.search(r"^system: (\w+)$", block, re.MULTILINE)
        name = found[1] if found else f"other{len(systems)}"
        systems[f"systems/{name}.yaml"] = block if found else f"system: {name}\n{block}"
    for path, content in {"hub.yaml": "", **dict(layouts), **systems}.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)
    if layouts:
        (folder / "layouts" / "ido.yaml").write_text("record: [{name: 番号, width: 1}]")
    for name in ("files.pub", "id_ed25519", "line-works.pem"):
        (folder / "secrets").mkdir(exist_ok=True)
        (folder / "secrets" / name).write_text("ssh-ed25519 AAAA")
    given = {**dict.fromkeys(SECRETS, "0123456789abcdef"), "ZEI_TEAMS": "https://x"}
    return load_city(folder, environ=given)


@pytest.mark.parametrize("page", TRIED)
def test_a_page_leaves_nothing_to_mend(page: str, tmp_path: Path) -> None:
    city = written(tmp_path, page)
    assert city.systems
    assert adapter_problems(city)[0] == []
    said = [problem for problem in problems_of(city) if problem.level == "error" or "cancel" in problem.code]
    assert [str(problem) for problem in said] == []


def test_the_layout_of_the_page_is_whole(tmp_path: Path) -> None:
    city = written(tmp_path, "fixed-width.md")
    receiver = city.systems["kaigo"].receives["main"]
    fields = ("name", "effective_on", "died_on")
    where = Site(tmp_path, site(tmp_path).timezone, "kaigo", "main", fields=fields, layouts=city.layouts)
    assert registry.open_sink(receiver.adapter, receiver.options, where, REAL)
