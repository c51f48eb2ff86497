"""The particulars of the commonest errors, in Japanese.

Errors say in English of what they are; what stands before that, what kind of error and what to do, is Japanese for all
of them (`hub.cli.codes`, `hub.cli.mends`). Here are those that an operator meets day by day: a text whose whole is one
of the patterns is said in Japanese, with its values as they are; any other stays as it is. Of what stands in brackets
behind it, the mends that are known go, since `hub.cli.mends` says them, and what names something is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from hub.cli.codes import CODES

_VALUE = r"(?P<value>'.*')"
_NAMES = {
    "the subject": "宛名番号",
    "the sequence": "履歴番号（sequence）",
    "the id": "イベントの番号（id）",
    "the identity": "見分ける項目（identity）",
    **dict.fromkeys(("second", "seconds"), "秒"),
    **dict.fromkeys(("minute", "minutes"), "分"),
    **dict.fromkeys(("hour", "hours"), "時間"),
    **dict.fromkeys(("day", "days"), "日"),
    "characters": "文字",
    "bytes": "バイト",
    "changed": "変わっています",
    "new": "新しい行です",
    "missing": "なくなっています",
    "half": "半分",
    "the header": "見出し",
    "the layout": "様式",
}
# Pattern → Japanese. Names in braces are the pattern's groups; those of `_NAMES` are said in Japanese.
PHRASES: Mapping[str, str] = {
    # --- dates, codes and characters ---------------------------------------------------------------------------
    rf"(?P<fn>\w+\(\)): {_VALUE} is a date that does not exist": "{value} はない日付です",
    rf"(?P<fn>\w+\(\)): {_VALUE} is not a date in any known form": "{value} は日付として読めない書き方です",
    rf"(?P<fn>\w+\(\)): {_VALUE} is not a date YYYY-MM-DD \(wareki\(\) reads other forms\)": (
        "{value} は YYYY-MM-DD の形の日付ではありません"
    ),
    rf"(?P<fn>\w+\(\)): {_VALUE} names no era: add its letter, as in R.*": "{value} には元号がありません",
    rf"(?P<fn>\w+\(\)): {_VALUE} is outside the era (?P<era>\S+) \((?P<first>\S+) to (?P<last>\S+)\)": (
        "{value} は{era}（{first} から {last}）の外です"
    ),
    rf"(?P<fn>\w+\(\)): {_VALUE} is before 1873, when the calendar was another": (
        "{value} は明治6年（1873年）より前の日付です"
    ),
    r"(?P<fn>\w+\(\)): there is no table (?P<table>\S+)": "表 {table} がありません",
    r"(?P<fn>\w+\(\)): the table (?P<table>\S+) has no code (?P<code>'.*')": "表 {table} にコード {code} がありません",
    r"(?P<fn>\w+\(\)): the table (?P<table>\S+) has no line for the code (?P<code>'.*') on (?P<day>\S+)": (
        "表 {table} のコード {code} は、{day} に使える行がありません"
    ),
    rf"(?P<fn>\w+\(\)): {_VALUE} cannot be written in (?P<encoding>\S+)": "{value} は {encoding} にない字です",
    # --- rows and what they become -----------------------------------------------------------------------------
    r"(?P<what>the subject|the sequence|the id|the identity) is empty": "{what}が空です",
    r"nothing tells this report from others: the identity is empty": "見分ける項目（identity）がすべて空です",
    r"no case fits the row": CODES["no-case"],
    r"there is no column (?P<column>.+)": "列 {column} がありません",
    r"nobody has the number that was given": CODES["identity-unknown"],
    r"the id (?P<id>\S+) was used before by (?P<system>\S+) for other content": (
        "{system} の番号 {id} は、前に違う内容で届いています"
    ),
    r"the id (?P<id>\S+) was used before by (?P<system>\S+) for other content, in batch (?P<batch>.+)": (
        "{system} の番号 {id} は、前に違う内容で届いています（まとまり {batch}）"
    ),
    r"the event that this corrects is not known": "訂正・取消しの元の報告が、まだ届いていません",
    r"this correction is about another resident than (?:the one it names|its target)": (
        "訂正と元の報告とで、宛名番号が違います"
    ),
    r"another row of this extract has the same key": "同じ全件データに、同じ見分け（key）の行がほかにもあります",
    # --- files -------------------------------------------------------------------------------------------------
    r"(?P<given>\d+) columns where the header has (?P<wanted>\d+)": "列が {given} 個あります。見出しは {wanted} 個です",
    r"the bytes (?P<bytes>.+) are no (?P<encoding>\S+) \(byte (?P<at>\d+) of the line\)": (
        "行の {at} バイト目（{bytes}）が {encoding} の文字ではありません"
    ),
    r"columns (?P<columns>[0-9, ]+) of the header have the same name": "見出しに同じ名前の列があります: {columns} 列目",
    r"(?P<what>the header|the layout) has no column (?P<columns>.+?), which the mapping reads \((?P<place>[^()]+)\)": (
        "{what}に列 {columns} がありません（使う所: {place}）"
    ),
    r"the file is empty: not even a header": CODES["csv-empty"],
    r"a quote is not closed, or not where it belongs": CODES["csv-quote"],
    r"a line break is a carriage return alone \(CR\)": CODES["csv-line-end"],
    r"a line is longer than (?P<limit>\d+) bytes": "行が {limit} バイトより長いです",
    r"the record has (?P<given>\d+) (?P<unit>characters|bytes), the layout (?P<wanted>\d+)": (
        "行の長さが {given} {unit}です。様式は {wanted} {unit}です"
    ),
    r"(?P<field>.+) has room for (?P<room>\d+) (?P<unit>characters|bytes), the value takes (?P<taken>\d+)": (
        "{field} には {room} {unit}まで入ります。値は {taken} {unit}です"
    ),
    r"(?P<sign>\S+) in (?P<field>.+) is not in (?P<encoding>\S+)": "{field} の {sign} は {encoding} にない字です",
    # --- what was typed ----------------------------------------------------------------------------------------
    r"no such status: (?P<given>.+)": "そのような状態はありません: {given}",
    r"there is no (?:system|source) (?P<given>[^\s`]+)": "{given} はありません",
    r"there is no event type (?P<given>[^\s`]+)": "そのような種別はありません: {given}",
    r"not a time: (?P<given>.+)": "日時として読めません: {given}",
    r"its id belongs to another event": "その番号は、ほかのイベントのものです",
    r"the quarantine entry (?P<no>\d+) is discarded already": "隔離 {no} はもう閉じてあります",
    r"the quarantine entry (?P<no>\d+) is resubmitted already": "隔離 {no} はもう届け直してあります",
    r"the quarantine entry (?P<no>\d+) is open already": "隔離 {no} は未処理です",
    # --- batches -----------------------------------------------------------------------------------------------
    r"(?P<rows>\d+) rows?, fewer than (?P<least>\d+)": "{rows} 行しかありません（ふつうは {least} 行以上）",
    r"(?P<rows>\d+) rows?, more than (?P<most>\d+)": "{rows} 行もあります（ふつうは {most} 行まで）",
    r"(?P<rows>\d+) rows?, not between (?P<least>\d+) and (?P<most>\d+)": (
        "{rows} 行です（ふつうは {least} から {most} 行）"
    ),
    r"(?P<rows>\d+) rows?, more than (?P<change>\S+) away from the usual (?P<usual>\S+) \(median of the last \d+\)": (
        "{rows} 行です。いつもの {usual} 行から {change} より離れています"
    ),
    r"(?P<count>\d+) (?P<type>[a-z][a-z.-]+), more than (?P<most>\d+)": (
        "{type} が {count} 件あります（ふつうは {most} 件まで）"
    ),
    r"(?P<rows>\d+) rows? of (?P<known>\d+) (?P<kind>changed|new|missing), more than (?P<most>\S+)": (
        "{known} 行のうち {rows} 行が{kind}（{most}より多い）"
    ),
    r"the extract is empty": "全件データが空です",
    r"the extract ends in the middle of a line": "全件データが行の途中で終わっています",
    r"the list of protected residents is empty": "支援措置の一覧が空です",
    r"the list of protected residents, (?P<list>\S+), has never been read": "支援措置の一覧をまだ一度も読んでいません",
    r"the list of protected residents, (?P<list>\S+), has not been read for more than (?P<age>\S+) (?P<unit>[a-z]+)": (
        "支援措置の一覧を{age} {unit}より長く読んでいません"
    ),
    r"nothing had come on (?P<day>\S+) by (?P<time>[0-9:]+)": "{day} の {time} までに届いていません",
    # --- what waits for a person --------------------------------------------------------------------------------
    r"changed: (?P<columns>.+)": "変わりました: {columns}",
    r"missing": "全件データからなくなりました",
    r"new": "全件データに新しく出ました",
    r"review (?P<no>\d+) is not open any more": "{no} はもう決めてあるか、解消しています",
    r"there is no review (?P<no>\d+)": "{no} はありません",
    # --- deliveries --------------------------------------------------------------------------------------------
    r"(?P<table>\S+) refused it: (?P<why>.+)": "{table} が断りました: {why}",
    r"no answer within (?P<seconds>\S+) s": "{seconds} 秒のうちに答えがありません",
    r"cannot (?P<what>\w+) (?P<path>.+): No space left on device": "{path} に書けません: ディスクがいっぱいです",
    r"cannot (?P<what>\w+) (?P<path>.+): Permission denied": "{path} を扱う権限がありません",
    r"cannot (?P<what>\w+) (?P<path>.+): No such file or directory": "{path} がありません",
    r"(?P<path>.+) does not end with a whole line \(after byte (?P<at>\d+)\)": (
        "{path} の {at} バイト目より後ろが、書きかけの行です"
    ),
    r"no connection: ConnectError .+": "つながりません。相手が動いていないか、宛先が違います",
    r"Kafka at (?P<at>\S+) does not answer: .+": "宛先 {at}",
    r"Kafka at (?P<at>\S+) does not take records: .+": "{at} が記録を受け取りません",
    r"Apache Kafka: starting": "Kafka を起動しています",
    r"Apache Kafka: it does not answer for (?P<seconds>\d+) seconds and is ended": (
        "Kafka が {seconds} 秒応答しないので、止めます"
    ),
    # --- jobs --------------------------------------------------------------------------------------------------
    r"which deliveries\?": "どの配達かが書かれていません",
    r"job (?P<no>\d+) was asked for by (?P<by>.+)": "作業 {no} は {by} さんが頼んだものです",
    r"job (?P<no>\d+) is (?P<status>\w+): there is nothing to approve": "作業 {no} は承認を待っていません",
    r"the hub ended while this was being sent": CODES["sending"],
    r"no answer had come by its time": CODES["unanswered"],
}
# What may stand in brackets behind an error → Japanese; nothing where it is a mend that `hub.cli.mends` says.
TAILS: Mapping[str, str] = {
    r"another person must approve it": "承認は別の人がします",
    r"hub kafka status; or check HUB_KAFKA": "",
    r"name delivery keys, or filters such as --system and --status": (
        "配達の番号を並べるか、--system、--status などで絞ります"
    ),
    r"add a case for it, or an `ignore` with its reason": "",
    r"see whether the system's database was restored; give the report a new id if it is a new fact": "",
    r"resubmit this when the event has arrived": "",
    r"`subject` of the event and of its target must be the same": "",
    r"cancel the event under its own subject and publish a new one under the right one": "",
    r"write as many as the header has; a delimiter within a cell needs quotes around the cell": "",
    r"set the source's `encoding` to the files' own": "",
    r"have it written anew": "",
    r'close every quote, and write a quote within a cell twice \(""\)': "",
    r"have the file written with CRLF or LF at the end of each line": "",
    r"only the hub may write this file: put aside what is not the hub's; it then goes on by itself": "",
    r"put the file aside; the receiver then goes on by itself": "",
    r"add data\.\S+: .+": "",
    r"write a real day as YYYY-MM-DD": "",
    r"write it in quotes": "",
    r"give [a-z ,_-]+": "",
    r"did you mean (?P<name>\S+)\?": "{name} のことですか",
    r"(?:known are|known:|one of:?) (?P<names>.+)": "使える名前: {names}",
    r"give it an id of its own with `hub quarantine fix`, or discard it": (
        "別の番号にして hub quarantine fix で入れるか、閉じます"
    ),
    r"no event: (?P<codes>.+)": "イベントにできません: {codes}",
    r"hub review (?:list|show \d+)": "",
    r"hub quarantine reopen (?P<no>\d+) --reason TEXT": (
        "閉じたのを取り消すなら hub quarantine reopen {no} --reason 理由"
    ),
    r"write 2026-11-20, 2026-11-20T09:00:00\+09:00, 2h or 3d \(ago\)": (
        "2026-11-20、2026-11-20T09:00:00+09:00、または 2h・3d（前）と書きます"
    ),
    r"write 2026-11-20, 2026-11-20T09:00:00\+09:00, 2h or 3d \(from now\)": (
        "2026-11-20、2026-11-20T09:00:00+09:00、または 2h・3d（先）と書きます"
    ),
    r"correct (?:the header or )?the mapping; columns found: (?P<count>[0-9]+)": "列は {count} 個です",
    r"correct the layout or the mapping; columns: (?P<names>.+)": "ある列: {names}",
    r"the first (?P<kept>[0-9,]+) of (?P<whole>[0-9,]+) bytes are kept": (
        "長いので、{whole} バイトのうち初めの {kept} バイトだけが残っています"
    ),
}
_BRACKETS = re.compile(r"(?P<text>.+?) \((?P<tail>[^()]*(?:\([^()]*\)[^()]*)*)\)", re.DOTALL)
_WITHIN = re.compile(r"(?P<text>.*), in: (?P<expression>.*)", re.DOTALL)
_FIELD = re.compile(r"(?P<type>[a-z][a-z.-]+) v[0-9]+: (?P<faults>.+)", re.DOTALL)
_FAULTS = {
    r"is missing": "がありません",
    r"is empty": "が空です",
    r"is not a field of .+": "という項目はありません",
    r"is not written right": "の書き方が正しくありません",
    r"is not a day of the calendar": "はない日付です",
    r"must be a date written YYYY-MM-DD": "は YYYY-MM-DD の形の日付で書きます",
    r"must be text, not .+": "は文字で書きます",
    r"must be an object, not .+": "は項目の集まりで書きます",
}


def phrase(message: str) -> str:
    """Return an error's words in Japanese as far as they are known here."""
    text, behind = _tails(message)
    if within := _WITHIN.fullmatch(text):
        text, behind = within["text"], [f"式: {within['expression']}", *behind]
    said = _said(text, PHRASES)
    told = [said] if said else [_said(part, PHRASES) for part in text.split("; ")]
    japanese = "、".join(filter(None, told)) if all(told) else _faults(text)
    return message if japanese is None else japanese + "".join(f"（{each}）" for each in behind)


def _tails(message: str) -> tuple[str, list[str]]:
    """Return a text without what is known of what stands in brackets behind it, and that in Japanese."""
    told: list[str] = []
    while (found := _BRACKETS.fullmatch(message)) and (said := _said(found["tail"], TAILS)) is not None:
        message, told = found["text"], [*([said] if said else []), *told]
    return message, told


def _said(text: str, phrases: Mapping[str, str]) -> str | None:
    for pattern, japanese in phrases.items():
        if found := _compiled(pattern).fullmatch(text):
            return japanese.format_map({name: _NAMES.get(value, value) for name, value in found.groupdict().items()})
    return None


def _faults(text: str) -> str | None:
    """Say of an event's fields what is wrong with each, by their Japanese names."""
    found = _FIELD.fullmatch(text)
    if found is None:
        return None
    told = [_fault(found["type"], part) for part in found["faults"].split("; ")]
    return "、".join(filter(None, told)) if all(told) else None


def _fault(type_: str, part: str) -> str | None:
    from hub.cli.naming import field_name

    place, _, said = part.partition(" ")
    for pattern, japanese in _FAULTS.items():
        if re.fullmatch(pattern, said):
            return f"{field_name(type_, place.removeprefix('data.'))}{japanese}"
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)
