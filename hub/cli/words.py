"""What the command line says, in Japanese and English."""

from __future__ import annotations

from hub.cli.language import lang

WORDS: dict[str, tuple[str, str]] = {
    # --- options ---------------------------------------------------------------------------------------------------
    "option.city": ("市のフォルダ（既定: 今のフォルダ）", "the city's folder (default: the current one)"),
    "option.json": ("JSON 文書を一つだけ標準出力に書く", "write one JSON document to stdout, nothing else"),
    "option.verbose": ("経過の記録も標準エラーに書く", "log what happens to stderr, not warnings alone"),
    "option.version": ("版を表示する", "show the version"),
    "option.system": ("システム（繰り返し可）", "a system (may be repeated)"),
    "option.status": ("状態（繰り返し可）", "a status (may be repeated)"),
    "option.type": ("イベントの種別（繰り返し可）", "an event type (may be repeated)"),
    "option.resident": ("宛名番号", "the resident's number"),
    "option.batch": ("まとまり（ファイルなど）の番号", "a batch id"),
    "option.since": (
        "記録時刻の初め: 日付、RFC 3339、または 2h・3d 前",
        "recorded since: a date, RFC 3339, or 2h or 3d ago",
    ),
    "option.until": (
        "記録時刻の終わり（日付はその日を含む）",
        "recorded before: as --since; a date means the whole day",
    ),
    "option.error": ("エラーに含まれる語", "a word in the error"),
    "option.limit": ("一度に示す件数", "how many at a time"),
    "option.cursor": ("続き（前の一覧の next）", "go on from here: the `next` of the list before"),
    "option.file": (
        "CloudEvents のファイル（JSON、配列、JSONL。- は標準入力）",
        "a file of CloudEvents (JSON, an array, JSON lines; - is stdin)",
    ),
    "option.as": (
        "報告するシステム。source がなければ補い、違えば断る",
        "the reporting system: fills an absent source and refuses another",
    ),
    "option.facts-only": ("事実として覚えるだけで、誰にも伝えない", "learn the facts, tell nobody"),
    "option.wait": ("何も進まないときに待つ時間", "how long to go on without any progress"),
    "option.close-windows": (
        "受付時間を待たずに、たまっている分も渡す",
        "hand over at once what waits for a window",
    ),
    "option.strict": ("警告も誤りとして扱う", "let warnings count as trouble"),
    "option.sample": ("見本の市の名前", "the name of a sample city"),
    "option.dir": ("書き込むフォルダ", "the folder to write to"),
    "option.event": ("イベントの番号", "an event's id, or <source system>/<id>"),
    "option.delivery": ("配達の番号", "a delivery's key"),
    "option.from": ("jar のあるフォルダ（ネットワークを使わない）", "a folder with the jars: no network is used"),
    # --- groups and commands ---------------------------------------------------------------------------------------
    "help.hub": (
        "庁内システムの連携基盤。一度届け出れば、知るべきシステムすべてに伝わる。",
        "The hub between a city hall's systems: reported once, told to all that need to know.",
    ),
    "help.init": ("市のフォルダをひな形から作る", "Write the folder of a new city, commented and working."),
    "help.check": (
        "設定の誤りを、場所と直し方とともに示す",
        "Find what is wrong with the city's files, where, and the mend.",
    ),
    "help.publish": ("CloudEvents を Kafka に届ける", "Publish CloudEvents; returns when Kafka has them."),
    "help.drain": (
        "残りがなくなるまで、読み取り・振り分け・配達をする",
        "Read, dispatch and deliver until nothing is left that time would mend.",
    ),
    "help.status": ("待ち・遅れ・失敗の今のようす", "Systems, lag, what waits and what failed."),
    "help.events": ("報告されたイベント", "What was reported."),
    "help.events list": ("イベントの一覧（新しい順）", "List events, the newest first."),
    "help.events show": (
        "一つのイベントと、誰に伝わり誰に伝わらないか",
        "Show one event, who is told of it, and who is not and why.",
    ),
    "help.deliveries": ("各システムへの配達", "What each system is told."),
    "help.deliveries list": ("配達の一覧（新しい順）", "List deliveries, the newest first."),
    "help.deliveries show": ("一つの配達とその試行", "Show one delivery and its attempts."),
    "help.kafka": ("市の手元で動く Kafka", "The city's local Kafka."),
    "help.kafka start": ("起動し、止めるまで動かしておく", "Start it; it stays until `hub kafka stop`."),
    "help.kafka stop": ("止める", "Stop it."),
    "help.kafka status": ("動いているか（いなければ終了コード 3）", "Tell whether it serves (exit 3 if not)."),
    "help.kafka install": ("必要な jar を前もって用意する", "Fetch its jars beforehand."),
    "help.kafka adopt": (
        "作り直されたトピックで続けることを認める",
        "Go on with a topic that was made anew, by a person's decision.",
    ),
    "help.db": ("台帳のデータベース", "The ledger's database."),
    "help.db upgrade": ("新しい版の形にする", "Bring it to this program's revision."),
    "help.db status": ("版を示す", "Show its revision."),
    # --- answers ---------------------------------------------------------------------------------------------------
    "failure.unexpected": (
        "予期しないエラー {kind}: {error}（詳細: {log}）",
        "unexpected error {kind}: {error} (details: {log})",
    ),
    "init.done": ("{count} 個のファイルを {folder} に書きました", "wrote {count} files to {folder}"),
    "init.next": ("次に: cd {folder} && hub check", "next: cd {folder} && hub check"),
    "check.clean": ("問題はありません", "nothing to mend"),
    "check.counts": ("誤り {errors} 件、警告 {warnings} 件", "{errors} errors, {warnings} warnings"),
    "publish.done": (
        "受け付け {accepted} 件（うち重複 {duplicates} 件）、隔離 {quarantined} 件、まとまり {batch}",
        "{accepted} accepted ({duplicates} of them repeats), {quarantined} quarantined, batch {batch}",
    ),
    "publish.progress": ("送信", "publishing"),
    "drain.read": (
        "読み取り {rows} 行: イベント {events}、対象外 {ignored}、隔離 {quarantined}",
        "read {rows} rows: {events} events, {ignored} ignored, {quarantined} quarantined",
    ),
    "drain.dispatched": (
        "振り分け {events} 件: 重複 {duplicates}、伝える先なし {unmatched}、隔離 {quarantined}",
        "dispatched {events} events: {duplicates} duplicates, {unmatched} unmatched, {quarantined} quarantined",
    ),
    "drain.scheduled": ("予定日待ち {count} 件", "{count} scheduled"),
    "drain.left": ("残り: {left}", "left: {left}"),
    "drain.died": (
        "受け取りを断られた配達 {count} 件（hub deliveries list --status dead）",
        "{count} deliveries were refused for good (hub deliveries list --status dead)",
    ),
    "drain.fault": ("読めない情報源 {source}: {error}", "the source {source} cannot be read: {error}"),
    "drain.clear": ("すべて届きました", "everything is delivered"),
    "list.empty": ("該当なし", "none"),
    "list.more": ("続き: --cursor {cursor}", "more: --cursor {cursor}"),
    "column.recorded": ("記録", "recorded"),
    "column.event": ("イベント", "event"),
    "column.type": ("種別", "type"),
    "column.subject": ("宛名番号", "subject"),
    "column.source": ("報告元", "source"),
    "column.status": ("状態", "status"),
    "column.deliveries": ("配達", "deliveries"),
    "column.system": ("システム", "system"),
    "column.delivery": ("配達", "delivery"),
    "column.attempts": ("試行", "attempts"),
    "column.error": ("エラー", "error"),
    "column.why": ("理由", "why"),
    "column.rule": ("ルール", "rule"),
    "column.receiver": ("受け口", "receiver"),
    "column.behind": ("未読", "unread"),
    "column.waiting": ("待ち", "waiting"),
    "column.dead": ("不達", "dead"),
    "column.breaker": ("遮断", "breaker"),
    "column.since": ("いつから", "since"),
    "column.read": ("読み取り", "read"),
    "column.rows": ("行", "rows"),
    "column.events": ("イベント", "events"),
    "column.quarantined": ("隔離", "quarantined"),
    "column.fault": ("障害", "fault"),
    "events.seen": ("同じ報告を {count} 回受けました", "reported {count} times"),
    "events.told": ("伝える先", "told"),
    "events.not-told": ("伝えない先", "not told"),
    "status.events": ("イベント {events} 件、隔離 {quarantine} 件", "{events} events, {quarantine} in quarantine"),
    "status.kafka": ("Kafka {bootstrap}: 未処理 {lag} 件", "Kafka {bootstrap}: {lag} events not dispatched yet"),
    "status.no-kafka": ("Kafka は動いていません", "Kafka is not running"),
    "kafka.serving": (
        "Kafka {version} が {bootstrap} で動いています（pid {pid}）",
        "Kafka {version} serves at {bootstrap} (pid {pid})",
    ),
    "kafka.elsewhere": ("HUB_KAFKA の Kafka {bootstrap} が応答します", "the Kafka of HUB_KAFKA, {bootstrap}, answers"),
    "kafka.away": (
        "HUB_KAFKA の Kafka {bootstrap} が応答しません",
        "the Kafka of HUB_KAFKA, {bootstrap}, does not answer",
    ),
    "kafka.stopped": ("Kafka は止まっています", "Kafka is not running"),
    "kafka.ended": ("Kafka を止めました", "Kafka is stopped"),
    "kafka.installed": ("jar を {folder} に用意しました", "the jars are in {folder}"),
    "kafka.adopted": (
        "トピック {topic} を世代 {generation} として引き継ぎました",
        "the topic {topic} is adopted as generation {generation}",
    ),
    "db.upgraded": ("{before} から {now} にしました", "upgraded from {before} to {now}"),
    "db.current": ("台帳は版 {now} で、最新です", "the ledger is at revision {now}, the newest"),
    "db.old": (
        "台帳は版 {now} です（最新は {head}: hub db upgrade）",
        "the ledger is at {now}, the newest is {head}: run hub db upgrade",
    ),
    "db.empty": ("空", "empty"),
    "not-yet": ("`hub {name}` はまだありません", "`hub {name}`: not yet"),
}


def word(key: str, **values: object) -> str:
    """Return what is said under that key, in the person's language; raises KeyError for a key that is not there."""
    ja, en = WORDS[key]
    return (ja if lang() == "ja" else en).format(**values)
