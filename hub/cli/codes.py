"""What an error's code means, in Japanese: it stands before the error's own words, which name the particulars.

A code is stable and says what kind of error it is; the words after it (English, as in JSON and in logs) say of what.
What is to be done about it stands in `hub.cli.mends`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hub.cli.language import lang
from hub.cli.words import WORDS

CODES: dict[str, str] = {
    # --- the command line, and what an error is where nothing more exact is said ----------------------------
    "usage": "入力した語が正しくありません",
    "usage-error": "指定が正しくありません",
    "configuration-error": "市の設定に誤りがあります",
    "ambiguous-id": "同じ番号が複数の報告元で使われています",
    "not-found": "見つかりません",
    "not-yet": "まだ使えません",
    "unexpected": "予期しないエラーです",
    "unavailable": "必要なサービスが応答しません",
    "broker-unavailable": "Kafka が応答しません",
    "ledger-unavailable": "台帳のデータベースが応答しません",
    "malformed": "入力の形が正しくありません",
    "transient": "今は受け取れません（あとでもう一度送ります）",
    "rejected": "相手が受け取りを断りました",
    "outcome-unknown": "届いたかどうかわかりません",
    "receiver-stopped": "受け口は人が直すまで進めません",
    "fenced": "ほかのプロセスが引き継ぎました",
    "address": "住所またはアドレスが正しくありません",
    "port-taken": "その番号（ポート）は使われています",
    "closed": "始める前に閉じられました",
    "not-installed": "必要なパッケージが入っていません",
    "kafka": "Kafka が応答しません",
    "ledger": "台帳のデータベースが応答しません",
    "fault": "ハブの側の不具合です",
    # --- who it is, systems' own numbers and characters ------------------------------------------------------
    "identity-mismatch": "記載の番号は、記載の内容とは別の人のものです",
    "identity-unknown": "記載の番号の人がいません",
    "identify-missing": "誰の届出かを確かめる設定（identify）がありません",
    "identify-need": "照合する事実が足りません",
    "subject-unused": "この subject は使われません",
    "ids-missing": "そのシステムには番号の設定（ids）がありません",
    "id-unknown": "そのシステムでの番号がわかりません",
    "local-id": "そのシステムの番号の形ではありません",
    "local-id-mixed": "番号とほかの事実を一つの項目にまとめられません",
    "local-id-taken": "その番号は、すでに別の人の番号です",
    "subject": "宛名番号の形が正しくありません",
    "pattern": "番号の形（pattern）が読めません",
    "table": "その表がありません",
    "gaiji": "外字の対応が表にありません",
    # --- a city's files -------------------------------------------------------------------------------------
    "no-city": "市のフォルダではありません",
    "yaml": "YAML として読めません",
    "scalar": "値の書き方が正しくありません",
    "shape": "値の形が正しくありません",
    "alias": "参照（*）の先がありません",
    "tag": "タグ（!）は使えません",
    "key-twice": "同じ項目が二度書かれています",
    "key-unknown": "そのような項目はありません",
    "key-missing": "必要な項目がありません",
    "name": "その名前は使えません",
    "file-name": "ファイル名が正しくありません",
    "system-name": "ファイル名とシステム名が違います",
    "encoding": "文字コードが UTF-8 ではないか、使えない文字があります",
    "unreadable": "読めません",
    "settling": "ファイルが書き終わるのを待っています",
    "empty": "空です",
    "secret": "パスワードなどがそのまま書かれています",
    "secret-absent": "秘密の値が見つかりません",
    "csv": "CSV として読めません",
    "columns": "列の数が見出しと違います",
    "column-missing": "必要な列がありません",
    "column-unknown": "そのような列はありません",
    "code-twice": "同じコードが二度書かれています",
    "calendar-unknown": "そのような暦はありません",
    "silence": "誤りの一覧に終わりがないので、載っていないことが取込みの確認になりません",
    "never-confirmed": "相手の回答を待つ設定ですが、回答の受け取り方が書かれていません",
    "adapter": "そのようなアダプターはありません",
    "adapter-setting": "アダプターの設定が正しくありません",
    "setting": "接続の設定が正しくありません",
    "test": "試験の書き方が正しくありません",
    # --- rules and mappings ---------------------------------------------------------------------------------
    "type-unknown": "そのような種別のイベントはありません",
    "version-unknown": "その版は知られていません",
    "system-unknown": "そのようなシステムはありません",
    "source-unknown": "そのような報告元はありません",
    "receiver-unknown": "そのような受け口はありません",
    "receiver-missing": "受け口がないので、誰にも伝わりません",
    "field-unknown": "そのような項目はイベントにありません",
    "field-missing": "必要な項目が割り当てられていません",
    "fact-unknown": "そのような事実はありません",
    "path-unknown": "そのような値はありません",
    "attribute-unknown": "その属性を持つイベントはまれです",
    "expression": "式が正しくありません",
    "size-of-text": "文字数ではなくバイト数になります",
    "because-missing": "利用目的が書かれていません",
    "because-unconfirmed": "根拠の確認が済んでいません",
    "protected-missing": "居所を送るのに、支援措置の扱いが書かれていません",
    "send-twice": "同じ項目を二度送っています",
    "require-unknown": "必須とした項目を送っていません",
    "rule-twice": "同じ名前のルールが二つあります",
    "shadowed": "前のルールがすべて受け取るので、当てはまりません",
    "never": "決して当てはまらない条件です",
    "on-amendment": "訂正と取消しはルールに問われません",
    "place-shared": "同じ場所のファイルを、ほかのところでも読み書きしています",
    "table-days": "表の行の期間が正しくありません",
    "table-empty": "表の行に空の欄があります",
    "personal-number": "個人番号（マイナンバー）や住民票コードは渡せません",
    "cancel-unread": "取り消された内容が、新しい内容と区別されずに送られます",
    "unpublished": "誰も報告しない種別です",
    "idle": "報告も購読もしていないシステムです",
    # --- input: why it is in quarantine ---------------------------------------------------------------------
    "json": "JSON として読めません",
    "text": "文字の並びが正しくありません",
    "attribute": "イベントの属性が正しくありません",
    "content-type": "CloudEvents の形ではありません",
    "data": "イベントの中身（data）が正しくありません",
    "key": "Kafka の記録のキーが宛名番号と違います",
    "too-large": "大きすぎます",
    "identity": "イベントの番号を作れません",
    "id-reused": "同じ番号が違う内容で前に使われています",
    "reported-before": "その番号の報告は前に届いています",
    "source-other": "ほかのシステムを名のっています",
    "subject-other": "訂正と元の報告の宛名番号が違います",
    "target": "訂正・取消しの相手が正しくありません",
    "target-unknown": "訂正・取消しの相手が届いていません",
    "older-running": "古い版のプロセスがまだ配達しています",
    "delivery-unknown": "返ってきた結果がどの配達のものかわかりません",
    "edit": "直した内容が正しくありません",
    "column": "そのような列はありません",
    "no-case": "どの場合（cases）にも当てはまりません",
    "kinds": "種類の違う値を比べています",
    "wareki": "日付として読めません",
    "era": "元号で書けない日付です",
    "age_on": "年齢を数えられません",
    "birthday_on": "誕生日を数えられません",
    "school_year": "学年を数えられません",
    "fiscal_year": "年度を数えられません",
    "kana": "かなに直せません",
    "zenkaku": "全角に直せません",
    "hankaku": "半角に直せません",
    "digits": "数字を取り出せません",
    "pad": "けたをそろえられません",
    "chars": "文字数を数えられません",
    "bytes": "バイト数を数えられません",
    "charAt": "その位置に文字がありません",
    "indexOf": "文字の位置を調べられません",
    "lastIndexOf": "文字の位置を調べられません",
    "join": "つなげられない値があります",
    "split": "分けられない値です",
    "substring": "その範囲に文字がありません",
    "replace": "置き換えられない値です",
    "trim": "前後の空白を除けない値です",
    "reverse": "逆に並べられない値です",
    "lowerAscii": "小文字に直せない値です",
    "upperAscii": "大文字に直せない値です",
    "max": "大小を比べられない値です",
    "min": "大小を比べられない値です",
    "date": "日付として読めません",
    **dict.fromkeys(("getFullYear", "getMonth", "getDate", "getDayOfMonth"), "日時ではない値です"),
    **dict.fromkeys(("getDayOfWeek", "getDayOfYear", "getHours", "getMinutes"), "日時ではない値です"),
    **dict.fromkeys(("getSeconds", "getMilliseconds"), "日時ではない値です"),
    "int": "整数として読めません",
    "uint": "整数として読めません",
    "double": "数として読めません",
    "time": "日時として読めません",
    "duration": "時間の長さとして読めません",
    "lookup": "コード表にないコードです",
    "resident": "宛名番号に直せません",
    "local_id": "そのシステムの番号に直せません",
    # --- files ----------------------------------------------------------------------------------------------
    "csv-columns": "列の数が見出しと違います",
    "csv-empty": "空のファイルで、見出しもありません",
    "csv-encoding": "その文字コードでは読めません",
    "csv-header": "見出しが正しくありません",
    "csv-line-end": "行の終わりが CR だけです",
    "csv-quote": "引用符が閉じていないか、余分です",
    "csv-too-long": "行が長すぎます",
    "jsonl-encoding": "UTF-8 として読めない行です",
    "jsonl-object": "行が JSON のオブジェクトではありません",
    "jsonl-syntax": "行が JSON として読めません",
    "jsonl-too-long": "行が長すぎます",
    "layout-column": "割り当てが読む列が様式にありません",
    "layout-constant": "決まった値と違います",
    "layout-count": "件数が合いません（ファイルが欠けているかもしれません）",
    "layout-empty": "空のファイルで、見出しもありません",
    "layout-encoding": "その文字コードでは読めません",
    "layout-header": "先頭の行が正しくありません",
    "layout-length": "行の長さが違います",
    "layout-number": "数字として読めません",
    "layout-overflow": "けたに収まりません",
    "layout-sequence": "連番が抜けています",
    "layout-sign": "改行などの制御文字があります",
    "layout-total": "合計が合いません（ファイルが欠けているかもしれません）",
    "layout-trailer": "末尾の行が正しくないか、ありません",
    "excel-cell": "セルに書けない値です",
    "excel-columns": "見出しのない列に値があります",
    "excel-error": "セルがエラーになっています",
    "excel-header": "見出しの行が正しくありません",
    "excel-too-large": "大きすぎるブックです",
    "excel-unreadable": "Excel のブックとして読めません",
    "rows": "行の並びが決められた場所にありません",
    "topic": "そのようなトピックはありません",
    "position": "読む前に記録が消えたか、トピックが作り直されました",
    "pages": "次のページに進めません",
    "row-twice": "同じ全件データに同じ人の違う行があります",
    "as-of": "いつの時点のデータかわかりません",
    "snapshot": "全件データ（snapshot）の設定が正しくありません",
    "differences": "差分を先に読む必要があります",
    "set-back": "前に読んだところより手前で終わっています（復元されたデータベースかもしれません）",
    "db-type": "文字にできない型の列です",
    "json-object": "行が JSON のオブジェクトではありません",
    "json-too-large": "大きすぎる JSON です",
    "zip-broken": "ZIP として読めません",
    "zip-empty": "ZIP に申請がありません",
    "zip-too-large": "大きすぎる ZIP です",
    "attachment-missing": "書かれている添付ファイルがありません",
    "attachment-too-large": "添付ファイルが大きすぎます",
    "attachment-unclaimed": "どの申請のものでもない添付ファイルがあります",
    "airead": "AIRead の CSV の形ではありません",
    "unsure": "読取りが確かでない項目があります",
    "ocr-failed": "読み取れなかった紙があります",
    "file-missing": "前の番号のファイルがまだ来ていません",
    "file-number": "前に読んだ番号のファイルがまた来ました",
    "unencodable": "その文字コードにない文字です",
    # --- deliveries -----------------------------------------------------------------------------------------
    "unreachable": "つながりません",
    "no-answer": "答えがありません",
    "broker-away": "Kafka が応答しません",
    "robot": "ロボットが今回は処理できませんでした",
    "rate": "続けて送れる数を超えました",
    "not-posted": "前のお知らせが送れなかったので、まだ送っていません",
    "template": "お知らせの文面の設定に誤りがあります",
    "font": "印刷に使う書体（フォント）がありません",
    "dx-suite": "DX Suite に送れないか、まだ読み取れません",
    "ledger-away": "台帳のデータベースが応答しません",
    "confirm": "届いたかどうかの確認",
    "sending": "送っている間にハブが止まりました",
    "acknowledged": "相手の回答で取込み不可とされました",
    "unanswered": "期限までに相手の回答がありませんでした",
    "answer-contradicts": "相手の回答が今の状態と食い違っています",
    "earlier-unconfirmed": "同じ住民の先の配達に、相手の回答がまだありません",
    "database": "データベースが受け取りを断りました",
    "raced": "ほかのプロセスが同じ配達を書いています",
    "on-cancel": "取消しの扱い（on_cancel）が決められていません",
    "restored-missing": "取消しで戻す値がわかりません",
    "absent": "相手はまだ持っていません",
    "header": "送り先に渡す見出し（ヘッダー）を作れません",
    "oauth2": "相手に入るための許可（トークン）をもらえません",
    "signature": "誰からの呼出しか確かめられません",
    "timestamp": "呼出しの時刻が離れすぎています",
    "undecidable": "その配達に、この操作で変わることはありません",
    "replayed": "同じ番号の呼出しを前に受け取っています",
    "E0001": "必須の項目がないと断られました",
    "E0002": "使えない文字があると断られました",
    "E0003": "けた数が違うと断られました",
    "E0004": "項目どうしが合わないと断られました",
    "url": "送り先の URL を作れません",
    "http": "相手が断りました（HTTP）",
    "mail": "メールを送れません",
    "mail-refused": "どのあて先も断られました",
    "login": "ログインを断られました",
    "host-key": "相手のサーバーの鍵が設定と違います",
    "place-away": "置き場所につながりません",
    "place-refused": "置き場所に断られました",
    "file": "ファイルに書けません",
    "file-locked": "ファイルが使用中です",
    "foreign-hand": "ハブのものでない手が加わったファイルです",
    "path-changed": "書きかけのうちに path が変わりました",
    "not-taken": "前のファイルがまだ引き取られていません",
    "held": "まとまりを保管できません",
}
# Statuses of a delivery of which there is more to say.
STANDS = frozenset({"scheduled", "waiting", "held", "unknown", "warning", "dead", "suppressed"})
AUTOMATIC = "自動で"  # in what is said of errors that the hub tries again after
STATES = ("reason", "state")  # words that stand where a code may, too
NUMBERED = re.compile("-[0-9]+$")  # http-503: the code with the number that was answered


def meaning(code: str) -> str:
    """Return what a code, or a status or its reason, means; an unknown one, of an adapter from outside, is itself."""
    said = (CODES.get(code), CODES.get(NUMBERED.sub("", code)), *(WORDS.get(f"{kind}.{code}") for kind in STATES))
    found = next(filter(None, said), code)
    return found if isinstance(found, str) else found[0]


def in_words(code: str, message: str) -> str:
    """Return an error for people: in Japanese what kind of error it is, then its own words."""
    if lang() != "ja":
        return message
    from hub.cli.phrases import phrase

    kind, said = meaning(code) if code else "", phrase(message)
    return kind if kind == said else f"{kind}: {said}" if kind else said


def mend(code: str) -> str:
    """Return what a person does about an error, in Japanese; nothing elsewhere, where its words tell it."""
    if lang() != "ja":
        return ""
    from hub.cli.mends import MENDS

    return MENDS.get(code) or MENDS.get(NUMBERED.sub("", code), "")


def mend_of(delivery: Mapping[str, Any]) -> str:
    """Return what a person does about a delivery (in its JSON) as it stands; nothing where that is nothing.

    What will not be tried any more is never told to go on by itself.
    """
    from hub.cli.mends import STANDING, WAIT, WAIT_THEN

    status, reason = delivery["status"], delivery["reason"]
    own = mend(delivery["error"]["code"]) if delivery["error"] else ""
    if lang() != "ja" or status not in STANDS:
        return ""
    if status == "waiting" and own not in {"", WAIT}:
        return WAIT_THEN + own
    if status == "dead" and reason == "rejected" and own and AUTOMATIC not in own:
        return own
    return STANDING.get(reason or status) or mend(reason or "") or (own if status == "warning" else "")


def no_receiver() -> str:
    """Return what a person does about a delivery whose receiver the city does not use, in Japanese."""
    from hub.cli.mends import STANDING

    return STANDING["no-receiver"] if lang() == "ja" else ""


def listed(codes: str) -> str:
    """Return codes, with commas between them, for people."""
    return "、".join(map(meaning, codes.split(", "))) if lang() == "ja" else codes


def error_of(delivery: Mapping[str, Any]) -> str | None:
    """Return the last error of a delivery (in its JSON) for people."""
    error = delivery["error"]
    return in_words(error["code"], error["message"]) if error else None
