"""What an AI-OCR is not sure of, as a person at the desk meets it: through the command line, over a real broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHINSEI = """system: shinsei
owner: 総合窓口課
sources:
  shomen: {adapter: ai_ocr, service: airead, path: in/ocr/*.csv, thresholds: {宛名番号: 99}, typed: false}
publishes:
  - from: shomen
    event: form.scanned
    id: row.document
    subject: row.items.宛名番号
    map: {form: '"異動届"', document: row.document, fields: row.fields, effective_on: wareki(row.items.届出日)}
"""
HOIKU = """system: hoiku
owner: こども施設課
subscribes: [{id: forms, on: form.scanned, send: [form, document, fields], because: 試験}]
receives: {adapter: jsonl, path: out/forms.jsonl}
"""
HEAD = "ItemName,Page,GID,RID,Value,conf,x,y,w,h\n"
SHEET = HEAD + "".join(
    f"{name},{page},1,1,{value},{sure},0,0,9,9\n"
    for page, name, value, sure in (
        (1, "宛名番号", "1000001", 99.9),
        (1, "届出日", "令和8年11月16日", 99),
        (2, "宛名番号", "1000O02", 71),
        (2, "届出日", "令和8年11月l6日", 55),
        (3, "宛名番号", "1000003", 98),
        (3, "届出日", "令和8年11月16日", 99),
        (4, "宛名番号", "1000004", 98),
        (4, "届出日", "令和8年11月16日", 99),
    )
)


@pytest.fixture
def shell(tmp_path: Path, topic_prefix: str, kafka_bootstrap: str, new_shell: Any) -> Any:
    folder = tmp_path / "city"
    (folder / "systems").mkdir(parents=True)
    (folder / "in/ocr").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: test\nkafka: {{prefix: {topic_prefix}}}\n")
    (folder / "systems/shinsei.yaml").write_text(SHINSEI)
    (folder / "systems/hoiku.yaml").write_text(HOIKU)
    (folder / "in/ocr/scan.csv").write_bytes(SHEET.encode("cp932"))
    return new_shell(folder, HUB_KAFKA=kafka_bootstrap)


def test_a_person_puts_right_accepts_or_rejects_what_was_read_and_the_rest_goes_on(shell: Any) -> None:
    assert shell("check").returncode == 0
    assert shell.json("drain")["unsure"] == 3
    items = shell.json("review", "list", "--kind", "unsure")["items"]
    by_summary = {each["summary"]: each for each in items}
    misread = by_summary.pop("unsure: 宛名番号, 届出日")
    assert by_summary.keys() == {"unsure: 宛名番号"}
    right, torn = (each for each in items if each is not misread)
    assert shell("morning").stdout.count("unsure") >= 1
    shown = shell.json("review", "show", str(misread["no"]))
    assert (shown["errors"][0]["code"], shown["would_publish"]) == ("wareki", [])

    refused = shell("review", "fix", str(misread["no"]), "--set", "宛名番号=1000002")
    assert (refused.returncode, "届出日" in refused.stderr or "wareki" in refused.stderr) == (1, True)
    both = ("--set", "宛名番号=1000002", "--set", "届出日=令和8年11月16日")
    fixed = shell.json("review", "fix", str(misread["no"]), *both, "--reason", "原本を確認")
    assert (fixed["status"], fixed["events"], fixed["note"]) == ("accepted", 1, "原本を確認")
    assert shell.json("review", "accept", str(right["no"]))["status"] == "accepted"
    assert shell.json("review", "reject", str(torn["no"]), "--reason", "二枚重なり")["status"] == "rejected"

    assert shell.json("drain")["clear"]
    told = [json.loads(line) for line in (shell.folder / "out/forms.jsonl").read_text().splitlines()]
    assert sorted(each["subject"] for each in told) == ["1000001", "1000002", right["subject"]]
    assert shell.json("review", "list")["items"] == []
