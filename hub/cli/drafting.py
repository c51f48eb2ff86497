"""A system's file drafted from a sample: which column means what, whom a row is about, which report it is.

Values of the sample stand neither in the draft nor in its test: a sample may be of real people.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hub.events.catalogue import TYPES
from hub.events.personal import is_personal_number
from hub.routing.functions.dates import wareki
from hub.settings.guessing import Sample

SUBJECTS = r"宛名番号|住民番号|住民コード|整理番号|宛名コード|atenabango|resident(_?no|_?id)?|shimin_?no|被保険者番号"
HISTORY = r"履歴番号|異動履歴|履歴no|rirekibango|連番|枝番"
CODES = r"異動事由(コード)?|事由(コード)?|異動区分|処理区分|idojiyu"
FIELDS: dict[str, str] = {  # field → the names legacy systems give its column
    "effective_on": r"異動(年月)?日|異動年月日|ido(bi|_ymd)|発生日|転居日|転入日|資格取得日|認定日|開始日",
    "notified_on": r"届出(年月)?日|届出年月日|todokede(bi|_ymd)",
    "name": r"氏名(漢字)?|漢字氏名|名前|姓名|shimei(_kanji)?|name",
    "kana": r"氏名カナ|カナ氏名|フリガナ|ふりがな|カナ|shimei_?kana|kana",
    "birth_date": r"生年月日|seinengappi|birth(day|_date)?",
    "sex": r"性別(コード)?|seibetsu|sex",
    "old_address": r"(旧|前|異動前|転出元)住所|kyu_?jusho|zen_?jusho",
    "new_address": r"(新|現|異動後)?住所|shin_?jusho|gen_?jusho|jusho|address",
    "household_no": r"世帯番号|setaibango|household_no",
    "relationship": r"続柄(コード)?|zokugara",
    "died_on": r"死亡(年月)?日|死亡年月日|shibobi",
    "old_name": r"旧氏名|異動前氏名|kyu_?shimei",
    "certificate_no": r"記号番号|証番号|被保険者証番号|受給者番号",
    "reason": CODES,
}
CONSTANTS = {"scheme": '"kokuho"', "benefit": '"jido-teate"', "contract": '"suido"'}
CANDIDATES = (
    "resident.died", "resident.name-changed", "resident.moved", "resident.moved-in", "insurance.enrolled",
)  # fmt: skip
NEEDS = {"resident.died": "died_on", "insurance.enrolled": "certificate_no"}  # a column without which it is not that
INVENTED: dict[str, object] = {
    "name": "守口 太郎", "old_name": "京阪 太郎", "kana": "モリグチ タロウ", "birth_date": "1950-01-31", "sex": "男",
    "effective_on": "2026-11-16", "notified_on": "2026-11-18", "died_on": "2026-11-16", "household_no": "0000077",
    "old_address": {"text": "大日町1-1"}, "new_address": {"text": "京阪本通2-5-5"}, "address": {"text": "大日町1-1"},
    "relationship": "本人", "certificate_no": "守口1-23", "reason": "10",
    "scheme": "kokuho", "benefit": "jido-teate", "contract": "suido",
}  # fmt: skip
CHECK = "確かめる / check"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the columns seem to mean: the event's type (None: it cannot be told) and the expression of each field."""

    event: str | None
    subject: str | None
    sequence: str | None
    fields: dict[str, str]
    unused: tuple[str, ...]
    personal_numbers: tuple[str, ...]


def meaning(sample: Sample) -> Meaning:
    """Return what the columns of a sample seem to mean."""
    secret = tuple(name for name, values in sample.columns.items() if _is_personal_number(name, values))
    columns = {name: values for name, values in sample.columns.items() if name not in secret}
    subject = _named(columns, SUBJECTS) or _number_like(columns)
    sequence = _named(columns, HISTORY)
    found: dict[str, str] = {}
    for field, pattern in FIELDS.items():
        column = _named(
            {name: each for name, each in columns.items() if name not in {subject, *found.values()}}, pattern
        )
        if column is not None:
            found[field] = column
    event = next((each for each in CANDIDATES if _fits(each, found)), None) if subject else None
    known = TYPES[event].fields if event else {}
    fields = {field: _expression(field, column, columns[column]) for field, column in found.items() if field in known}
    if event and "address" in known and "new_address" in found and "address" not in fields:
        fields["address"] = f"address({_row(found['new_address'])})"
    if event:
        fields |= {name: text for name, text in CONSTANTS.items() if name in known and not known[name].optional}
    used = {subject, sequence, *(column for field, column in found.items() if field in known)}
    if "address" in fields:
        used.add(found["new_address"])
    unused = tuple(name for name in columns if name not in used)
    return Meaning(event, subject, sequence, fields, unused, secret)


def _fits(event: str, found: Mapping[str, str]) -> bool:
    needed = [name for name, field in TYPES[event].fields.items() if not field.optional and name not in CONSTANTS]
    special = NEEDS.get(event)
    return all(name in found for name in needed) and (special is None or special in found)


def _named(columns: Mapping[str, object], pattern: str) -> str | None:
    whole = re.compile(pattern, re.IGNORECASE)
    return next((name for name in columns if whole.fullmatch(unicodedata.normalize("NFKC", name).strip())), None)


def _number_like(columns: Mapping[str, list[str]]) -> str | None:
    """Return the column whose values are digits of one length, each its own, and not dates: a number of people."""
    for name, values in columns.items():
        filled = [value for value in values if value]
        if (
            len(filled) > 1
            and len(set(filled)) == len(filled)
            and all(re.fullmatch("[0-9]{5,15}", value) for value in filled)
            and len({len(value) for value in filled}) == 1
            and date_form(values) is None
        ):
            return name
    return None


def date_form(values: list[str]) -> str | None:
    """Return how the dates of a column are read, an expression with `{}` for the column; None if they are no dates."""
    filled = [value for value in values if value.strip()]
    if not filled:
        return None
    for form, made in (("wareki({})", filled), ('wareki("R" + {})', [f"R{value}" for value in filled])):
        try:
            if all(wareki(value) for value in made):
                return form
        except ValueError:
            continue
    return None


def _expression(field: str, column: str, values: list[str]) -> str:
    kind = next((type_.fields[field].kind for type_ in TYPES.values() if field in type_.fields), "")
    if kind == "date":
        return (date_form(values) or "wareki({})").format(_row(column))
    return f"address({_row(column)})" if kind == "address" else _row(column)


def _row(column: str) -> str:
    plain = re.fullmatch(r"[^\W\d]\w*", column) is not None
    return f"row.{column}" if plain else f"row[{json.dumps(column, ensure_ascii=False)}]"


def _is_personal_number(name: str, values: list[str]) -> bool:
    """Say whether a column holds 個人番号: by its name, or because every value has the right check digit."""
    filled = [value for value in values if value]
    if is_personal_number(name):
        return True
    return len(filled) > 2 and all(re.fullmatch("[0-9]{12}", value) and _checks(value) for value in filled)


def _checks(number: str) -> bool:
    digits = [int(sign) for sign in reversed(number)]
    rest = sum(digit * (n + 1 if n <= 6 else n - 5) for n, digit in enumerate(digits[1:], 1)) % 11
    return digits[0] == (0 if rest <= 1 else 11 - rest)


# --- the files -----------------------------------------------------------------------------------------------------


def draft(name: str, pattern: str, sample: Sample, *, example: bool = True) -> dict[str, str]:
    """Return the files of a draft by their path from the city's folder; with an `example` of a system that is told."""
    told = meaning(sample)
    files = {f"systems/{name}.yaml": "\n".join(_system(name, pattern, sample, told)) + "\n"}
    if sample.adapter == "fixed_width":
        files[f"layouts/{name}.yaml"] = "\n".join(_layout(sample)) + "\n"
    if example and told.event is not None:
        files[f"systems/{name}-example.yaml"] = _receiver(name, told)
        files[f"tests/{name}.yaml"] = _test(name, told)
    return files


def _system(name: str, pattern: str, sample: Sample, told: Meaning) -> Iterator[str]:
    yield "# yaml-language-server: $schema=../schemas/system.schema.json"
    yield f"# 見本のファイルから推し量った下書きです。「{CHECK}」の行を担当課と確かめてください。"
    yield f"# A draft, guessed from a sample. Lines marked `{CHECK}` are to be confirmed with the department."
    yield from (f"# ! {doubt}" for doubt in sample.doubts)
    yield ""
    yield f"system: {name}"
    yield f"title: {{ja: {name}, en: {name}}}   # {CHECK}"
    yield f"owner: 担当課                       # {CHECK}"
    yield ""
    yield "sources:"
    yield "  main:"
    yield f"    adapter: {sample.adapter}"
    yield f"    path: {json.dumps(f'in/{name}/{pattern}', ensure_ascii=False)}   # このフォルダから / from this folder"
    if sample.adapter == "fixed_width":
        yield f"    layout: layouts/{name}.yaml"
    if sample.adapter == "csv":
        yield f"    encoding: {sample.encoding}"
        if sample.delimiter != ",":
            yield f"    delimiter: {json.dumps(sample.delimiter)}"
        if not sample.header:
            names = json.dumps(list(sample.columns), ensure_ascii=False)
            yield f"    columns: {names}   # 見出し行なし / no header line"
    if told.subject is not None:
        parts = [_row(column) for column in (told.subject, told.sequence) if column]
        parts += [] if told.sequence else [text for field, text in told.fields.items() if field == "effective_on"]
        yield f"    identity: {_quoted('[' + ', '.join(parts) + ']')}   # 同じ値の行は同じ報告 / {CHECK}"
    yield "    after: move                    # 読んだファイルは done/ へ。読むだけの共有なら keep"
    yield ""
    yield from _publishes(told)
    yield from _remarks(told)
    yield ""
    yield "receives: {}"


def _publishes(told: Meaning) -> Iterator[str]:
    sign = "" if told.event else "# "
    if not told.event:
        yield "# 何の異動か、列の名前からは分かりませんでした。列を当てはめてください。"
        yield "# What the rows report could not be told from the columns' names: fill it in."
    yield f"{sign}publishes:"
    yield f"{sign}  - from: main"
    yield f"{sign}    event: {told.event or 'resident.moved'}   # {CHECK}"
    subject = _quoted(_row(told.subject)) if told.subject else "row.宛名番号"
    yield f"{sign}    subject: {subject}   # 誰のことか / whom it is about"
    if told.sequence is not None:
        yield f"{sign}    sequence: {_quoted(f'int({_row(told.sequence)})')}"
    yield f"{sign}    map:"
    for field, text in (told.fields or {"effective_on": "wareki(row.異動日)"}).items():
        yield f"{sign}      {field}: {_quoted(text)}"


def _remarks(told: Meaning) -> Iterator[str]:
    if told.unused:
        yield f"# 使っていない列 / columns not used: {', '.join(_on_one_line(name) for name in told.unused)}"
    for column in told.personal_numbers:
        yield f"# ! {_on_one_line(column)}: 個人番号は渡さないでください / a My Number must not be passed on"
    reason = told.fields.get("reason")
    if reason is not None:
        yield "# 種別が幾つもあるとき、`event` と `map` の代わりに:"
        yield "# For several kinds of change, instead of `event` and `map`:"
        moved, printed = _quoted(f'{reason} == "10"'), _quoted(f'{reason} == "99"')
        yield "#   cases:"
        yield f"#     - {{event: {told.event}, when: {moved}, map: {{…}}}}"
        yield f"#     - {{ignore: 異動ではない, when: {printed}}}"
        yield "#   otherwise: quarantine"


def _layout(sample: Sample) -> Iterator[str]:
    yield f"# 項目の名前と幅は、ファイルの仕様書に合わせて直してください。{CHECK}"
    yield f"encoding: {sample.encoding}"
    yield "widths: bytes"
    yield f"newline: {sample.newline}"
    yield f"length: {sum(sample.widths)}"
    yield "record:"
    for name, width in zip(sample.columns, sample.widths, strict=True):
        yield f"  - {{name: {name}, width: {width}}}"


def _sent(told: Meaning) -> list[str]:
    known = TYPES[told.event or ""].fields
    plain = [name for name in told.fields if not known[name].locating and name not in ("notified_on", "reason")]
    return plain[:3]


def _receiver(name: str, told: Meaning) -> str:
    return f"""# yaml-language-server: $schema=../schemas/system.schema.json
# 知らせを受けるシステムの例です。実在のシステムに置き換えてください。
# An example of a system that is told: put a real one in its place.

system: {name}-example
title: {{ja: 知らせを受ける例, en: An example that is told}}
owner: 担当課

subscribes:
  - id: all
    on: {told.event}
    send: [{", ".join(_sent(told))}]   # この項目だけ / these fields and nothing else
    because: {{purpose: 下書きの確認, provision: 要確認}}
    protected: without-location
receives: {{adapter: jsonl, path: out/{name}-example/}}
"""


def _test(name: str, told: Meaning) -> str:
    known = TYPES[told.event or ""].fields
    data = {field: INVENTED[field] for field in told.fields if field in INVENTED and field in known}
    expected = {field: data[field] for field in _sent(told) if field in data}
    return f"""- test: 下書きのとおりに伝わる / it is told as drafted
  event:
    type: {told.event}
    subject: "1000001"
    data: {json.dumps(data, ensure_ascii=False)}
  expect: {{{name}-example: {json.dumps(expected, ensure_ascii=False)}}}
  not: [{name}]
"""


def _on_one_line(name: str) -> str:
    """Return a column's name as a comment can hold it: a header may have line breaks and control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w.()]+", text) else "'" + text.replace("'", "''") + "'"
