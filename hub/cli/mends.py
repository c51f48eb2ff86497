"""What an operator does about an error, in Japanese, by its code.

English readers find the mend in the error's own words. Of the city's files and rules `hub check` says where to write
what; whoever reads that writes YAML. Here stands what those need to know who do not: whom to ask, what to look at, and
whether anything is to be done at all.
"""

from __future__ import annotations

_ENGINEER = "設定の担当者に直してもらい、"
_AGAIN = f"{_ENGINEER}届け直してください"  # of an entry in quarantine
_GOES_ON = "設定の担当者に直してもらってください。直れば自動で進みます"  # of a receiver that has stopped
_ROW = (
    "元のシステムで直して、もう一度出してもらい、届いたのを確かめてから閉じてください。"
    "ここで直すなら、直した行をファイルにして hub quarantine fix で入れます"
)
_FILE = "ファイルを作り直してもらい、同じ場所に置いてください。読み終えた行が二重になることはありません"
WAIT = "することはありません。ハブが自動でもう一度試します"
WAIT_THEN = "ハブが自動でもう一度試します。続くようなら、"  # of a delivery with such an error that is still tried
_REPLAY = "hub replay で送り直してください"
_SENT_AGAIN = f"{_ENGINEER}不達になった分を {_REPLAY}"
_LOOK = (
    "届いたかどうかをハブが確かめます。確かめられないときは、相手のシステムを見て、"
    "入っていれば hub deliveries confirm、入っていなければ hub replay を使ってください"
)

MENDS: dict[str, str] = {
    # --- the command line, and what an error is where nothing more exact is said ----------------------------
    "not-found": "番号を一覧で確かめてください",
    "unavailable": "止まっているサービスを動かして、もう一度実行してください。hub doctor がどれかを示します",
    "broker-unavailable": "Kafka を動かして、もう一度実行してください（手元の Kafka は hub kafka start）",
    "kafka": "Kafka を動かして、もう一度実行してください（手元の Kafka は hub kafka start）",
    "ledger-unavailable": "データベースが動いているか、ディスクに空きがあるかを確かめて、もう一度実行してください",
    "ledger": "データベースが動いているか、ディスクに空きがあるかを確かめて、もう一度実行してください",
    "malformed": _ROW,
    "transient": WAIT,
    "rejected": f"相手のシステムの担当課に断られた理由を聞き、直ったら {_REPLAY}",
    "outcome-unknown": _LOOK,
    "receiver-stopped": "理由に書かれたことを直してください。直れば自動で進みます",
    "fenced": WAIT,
    "no-city": "市のフォルダに移って実行するか、--city で市のフォルダを示してください",
    "configuration-error": "hub check で誤りの場所を見て、設定の担当者に直してもらってください",
    "ambiguous-id": "候補の中から「システム/番号」の形で選んでください",
    "port-taken": "ほかの番号を --port で選んでください。同じハブがすでに動いていないかも確かめてください",
    "address": "--host と --port を確かめてください",
    "closed": WAIT,
    "not-installed": "書かれているコマンドで入れてから、もう一度実行してください",
    "fault": "記録をそのままにして、ハブの保守担当に知らせてください。元のデータは失われていません",
    # --- who it is, systems' own numbers and characters ------------------------------------------------------
    "identity-mismatch": f"誰の届出かを担当課に確かめてください。{_ROW}",
    "identity-unknown": f"誰の届出かを担当課に確かめてください。{_ROW}",
    "identify-need": "記載の内容だけでは誰の届出かを確かめられません。担当課に確かめてください",
    "local-id": f"そのシステムの番号の形を確かめてください。{_ROW}",
    "id-unknown": (
        "そのシステムの番号が届くと自動で進みます。届かないときは担当課に確かめてください。"
        "不達になったものは、番号が届いてから hub replay で送り直します"
    ),
    "local-id-mixed": _AGAIN,
    "local-id-taken": (
        "二人が同じ番号になっています。どちらの番号かを担当課に確かめ、誤っているほうを直してもらってください"
    ),
    "subject": "宛名番号を元のシステムで直して、もう一度出してもらってください",
    "pattern": _AGAIN,
    "table": _AGAIN,
    "gaiji": (
        "その字が何かを担当課に確かめ、外字の表（tables/）に加えてから、hub quarantine resubmit で届け直してください"
    ),
    # --- a city's files, met while it runs -------------------------------------------------------------------
    "adapter": _AGAIN,
    "adapter-setting": _AGAIN,
    "setting": _GOES_ON,
    "expression": _AGAIN,
    "template": _GOES_ON,
    "test": "試験の書き方を直してください",
    "unreadable": (
        "ファイルやフォルダをハブが読めるようにしてください（置き場所、権限）。読めるようになれば自動で進みます"
    ),
    "settling": WAIT,
    "empty": "空の項目を元のシステムで埋めて、もう一度出してもらってください",
    "key-missing": f"値が空です。元の届出を訂正するか、設定を直してもらい、{_REPLAY}",
    "file-name": _GOES_ON,
    "font": "印刷に使う書体を入れてください。設定の担当者に聞いてください",
    "never-confirmed": "設定の担当者に知らせてください",
    "silence": "設定の担当者に知らせてください",
    "identify-missing": "設定の担当者に知らせてください",
    # --- input: why it is in quarantine ---------------------------------------------------------------------
    "json": f"送り元のシステムの担当者に知らせてください。{_FILE}",
    "text": "送り元のシステムの担当者に知らせ、正しい文字で出し直してもらってください",
    "attribute": "送り元のシステムの担当者に知らせ、出し直してもらってください",
    "content-type": "送り元のシステムの担当者に知らせ、CloudEvents の形で出し直してもらってください",
    "data": _ROW,
    "key": "送り元のシステムの担当者に知らせ、出し直してもらってください",
    "too-large": "ファイルなら分けて出してもらい、お知らせなら文面を短くしてもらってください",
    "identity": "番号のもとになる項目が空です。元のシステムで埋めて、もう一度出してもらってください",
    "id-reused": (
        "届出の内容があとから直されたのなら、元の報告を訂正して（hub correct）、これは閉じてください。"
        "別の届出なら、別の番号で出し直してもらいます。元のシステムが復元されていないかも確かめてください"
    ),
    "reported-before": (
        "別の届出の行を入れていないか、番号が合っているかを確かめてください。同じ届出なら、これは閉じてください"
    ),
    "source-other": "送り元のシステムの担当者に知らせ、自分のシステム名で出し直してもらってください",
    "subject-other": (
        "訂正は、元の報告と同じ宛名番号で出します。別の人の報告だったときは、元の報告を取り消し（hub cancel）、"
        "正しい人で出し直してもらってください"
    ),
    "target": (
        "訂正した報告そのものを取り消すか、正しい値で訂正し直してください。"
        "取消しが誤りだったときは、取り消された元の報告を hub correct で届け直します（--again）"
    ),
    "target-unknown": "元の報告が届いたら、hub quarantine resubmit で届け直してください",
    "type-unknown": "種別の書き誤りか、設定の誤りです。送り元の担当者か設定の担当者に知らせてください",
    "version-unknown": "ハブより新しい版の形です。ハブの保守担当に知らせてください",
    "older-running": "古い版のプロセスをすべて終えてから、もう一度実行してください",
    "delivery-unknown": (
        "相手の回答の番号が、送った配達のどれとも合いません。相手のシステムの担当課に確かめてください"
    ),
    "edit": "直した内容を JSON の形で書き直してください",
    "column": f"列の名前が変わっていないかを担当課に確かめてください。変わっていれば{_AGAIN}",
    "no-case": (
        f"設定にない種類の行です。伝えるべきものなら{_ENGINEER}届け直してください。"
        "伝えないものなら理由をつけて閉じてください"
    ),
    "kinds": _AGAIN,
    "wareki": f"日付を確かめてください。{_ROW}",
    "era": f"日付を確かめてください。{_ROW}",
    "age_on": f"日付を確かめてください。{_ROW}",
    "birthday_on": f"日付を確かめてください。{_ROW}",
    "school_year": f"日付を確かめてください。{_ROW}",
    "fiscal_year": f"日付を確かめてください。{_ROW}",
    "kana": _ROW,
    "zenkaku": _ROW,
    "hankaku": _ROW,
    "digits": _ROW,
    "pad": _ROW,
    "chars": _ROW,
    "bytes": _ROW,
    **dict.fromkeys(("charAt", "indexOf", "lastIndexOf", "join", "split", "substring", "replace", "trim"), _ROW),
    **dict.fromkeys(("reverse", "lowerAscii", "upperAscii", "max", "min", "int", "uint", "double"), _ROW),
    **dict.fromkeys(("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"), _ROW),
    **dict.fromkeys(("getHours", "getMinutes", "getSeconds", "getMilliseconds", "duration"), _ROW),
    "date": f"日付を確かめてください。{_ROW}",
    "time": f"日時を確かめてください。{_ROW}",
    "lookup": (
        "表（tables/）にそのコードを加えてもらい、hub quarantine resubmit で届け直してください。"
        "コードの誤りなら元のシステムで直してもらいます"
    ),
    "resident": (
        "その番号の人がまだ知られていません。番号の対応が届いたら、hub quarantine resubmit で届け直してください"
    ),
    "local_id": (
        "そのシステムの番号がまだ知られていません。番号の対応が届いたら、hub quarantine resubmit で届け直してください"
    ),
    # --- files ----------------------------------------------------------------------------------------------
    "csv-columns": f'項目の中のカンマや改行が、引用符（"）で囲まれているかを見てください。{_ROW}',
    "csv-empty": _FILE,
    "csv-encoding": (
        "ファイルの文字コードが設定と違います。いつもの文字コードで出し直してもらうか、設定の担当者に知らせてください"
    ),
    "csv-header": f"見出しが変わっていないかを担当課に確かめてください。{_FILE}",
    "csv-line-end": "改行を CRLF か LF にして出し直してもらってください",
    "csv-quote": f'引用符（"）が閉じているかを見てください。{_ROW}',
    "csv-too-long": _FILE,
    "jsonl-encoding": _ROW,
    "jsonl-object": _ROW,
    "jsonl-syntax": _ROW,
    "jsonl-too-long": _ROW,
    "layout-column": _AGAIN,
    "layout-constant": f"様式が変わっていないかを担当課に確かめてください。{_ROW}",
    "layout-count": f"送る途中で切れたのかもしれません。{_FILE}",
    "layout-empty": _FILE,
    "layout-encoding": f"文字コードが設定と違います。{_ROW}",
    "layout-header": f"様式が変わっていないかを担当課に確かめてください。{_FILE}",
    "layout-length": f"様式が変わっていないかを担当課に確かめてください。{_ROW}",
    "layout-number": _ROW,
    "layout-overflow": (
        f"相手の様式に入らない長さです。元の値を確かめ、様式を直せないかを設定の担当者に相談して、{_REPLAY}"
    ),
    "layout-sequence": f"途中の行が抜けています。{_FILE}",
    "layout-sign": f"値の中の改行などを元のシステムで取り除いてもらい、{_REPLAY}",
    "layout-total": f"送る途中で切れたのかもしれません。{_FILE}",
    "layout-trailer": f"送る途中で切れたのかもしれません。{_FILE}",
    "excel-cell": _GOES_ON,
    "excel-columns": "見出しのない列の値を消すか、見出しをつけて、ブックを置き直してください",
    "excel-error": "エラーのセル（#REF! など）を直して、ブックを置き直してください",
    "excel-header": "見出しの行を直して、ブックを置き直してください",
    "excel-too-large": "ブックを分けて置き直してください",
    "excel-unreadable": "シートの名前と、パスワードがかかっていないかを確かめて、ブックを置き直してください",
    "rows": "相手の答えの形が変わっています。設定の担当者に知らせてください",
    "topic": "設定の担当者に知らせてください",
    "position": "読む前に消えた記録があります。設定の担当者に知らせ、消えた分を送り元に確かめてください",
    "pages": "設定の担当者に知らせてください",
    "row-twice": "どちらの行が正しいかを担当課に確かめ、全件データを出し直してもらってください",
    "as-of": _FILE,
    "snapshot": "設定の担当者に知らせてください",
    "differences": (
        "差分のファイルが読み終わると自動で進みます。差分の読取りが止まっていないかを hub source list で見てください"
    ),
    "set-back": (
        "元のデータベースが復元されていないかを担当課に確かめてください。復元されていれば、"
        "違いが始まる所から読み直します（hub source rewind）"
    ),
    "db-type": _AGAIN,
    "json-object": "送り元のシステムの担当者に知らせてください",
    "json-too-large": "申請システムの担当者に知らせてください",
    "zip-broken": "ZIP を申請システムから取り直して、同じ場所に置いてください",
    "zip-empty": "ZIP を申請システムから取り直して、同じ場所に置いてください",
    "zip-too-large": "申請システムの担当者に知らせ、分けて出してもらってください",
    "attachment-missing": "添付ファイルを含めて ZIP を取り直し、同じ場所に置いてください",
    "attachment-too-large": "申請システムの担当者に知らせてください。添付ファイルは申請システムで見てください",
    "attachment-unclaimed": "どの申請のものかを担当課に確かめてください",
    "airead": "AIRead の出力の設定を確かめて、出し直してください",
    "unsure": "紙と見比べ、正しければそのまま認め、違っていれば直してください",
    "ocr-failed": "紙を見て、手で入力してください",
    "file-missing": "抜けている番号のファイルを送り元に確かめてください。届くと自動で進みます",
    "file-number": (
        "壊れていたファイルの出し直しなら hub quarantine resubmit で入れます。"
        "そうでなければ元のシステムが復元されていないかを担当課に確かめてください。同じものなら閉じ、"
        "新しいものなら番号を正しくして出し直してもらいます"
    ),
    "unencodable": (
        f"相手の文字コードにない字です。代わりの字を担当課と決め、元の報告を訂正するか設定に置き換えを加えて、{_REPLAY}"
    ),
    # --- deliveries -----------------------------------------------------------------------------------------
    "unreachable": "相手のシステムとネットワークが動いているかを確かめてください",
    "no-answer": "相手のシステムが応答するかを確かめてください",
    "broker-away": "Kafka が動いているかを確かめてください",
    "robot": "ロボットの画面で理由を見てください",
    "rate": WAIT,
    "not-posted": WAIT,
    "dx-suite": "DX Suite の画面を見てください",
    "ledger-away": "台帳のデータベースが動いているかを確かめてください",
    "confirm": "相手のシステムが応答するかを確かめてください",
    "sending": _LOOK,
    "acknowledged": f"相手の回答にある理由を担当課と直し、{_REPLAY}",
    "unanswered": (
        "相手のシステムが取り込んだかを担当課に確かめてください。取り込んでいなければ hub replay で送り直し、"
        "取り込んでいれば hub deliveries drop で閉じます"
    ),
    "answer-contradicts": "相手のシステムの今の状態を担当課に確かめてください",
    "earlier-unconfirmed": (
        "先の配達の回答が来ると自動で進みます。来ないときは、先の配達を hub deliveries show で見てください"
    ),
    "database": f"相手のデータベースが断った理由を担当課に見てもらい、直ったら {_REPLAY}",
    "raced": WAIT,
    "on-cancel": f"取消しのときにどうするかを設定に加えてもらい、{_REPLAY}",
    "restored-missing": (
        "取消しの前の値がわかりません。相手のシステムを手で直してもらい、hub deliveries drop で閉じてください"
    ),
    "absent": WAIT,
    "header": _SENT_AGAIN,
    "oauth2": "接続の鍵（client_secret など）の期限が切れていないかを確かめてください",
    "signature": "呼び出した相手と鍵が合っているかを、設定の担当者に確かめてもらってください",
    "timestamp": "ハブと相手の時計を合わせてください",
    "undecidable": "今の状態でできることを hub deliveries show で見てください",
    "replayed": "することはありません。同じ呼出しは一度だけ受け取られています",
    "E0001": f"足りない項目を元の届出で確かめて訂正し、{_REPLAY}",
    "E0002": f"使えない字の代わりを担当課と決めて訂正し、{_REPLAY}",
    "E0003": f"けた数を確かめて訂正し、{_REPLAY}",
    "E0004": f"合わない項目を元の届出で確かめて訂正し、{_REPLAY}",
    "url": _SENT_AGAIN,
    "http": f"断られた理由を相手の担当課に確かめてください（相手の答えはエラーに書かれています）。直ったら {_REPLAY}",
    "mail": "メールサーバーの担当者に知らせてください",
    "mail-refused": "あて先を設定の担当者に直してもらってください。直れば自動で進みます",
    "login": "ログインの名前とパスワード（または鍵）が変わっていないかを確かめてください。直れば自動で進みます",
    "host-key": (
        "相手のサーバーが入れ替わっていないかを、必ず担当者に確かめてください。確かなら、設定の鍵を新しくしてもらいます"
    ),
    "place-away": "置き場所のサーバーとネットワークが動いているかを確かめてください",
    "place-refused": "置き場所の権限と空きを確かめてください。直れば自動で進みます",
    "file": "フォルダの権限とディスクの空きを確かめてください。直れば自動で進みます",
    "file-locked": "ファイルを開いている人やプログラムを閉じてください。閉じれば自動で進みます",
    "foreign-hand": "ハブのものでないファイルを別の場所に移してください。移せば自動で進みます",
    "path-changed": "書き終わるまで path を元に戻してもらってください。戻せば自動で進みます",
    "not-taken": (
        "相手のシステムが前のファイルを引き取ると自動で進みます。引き取られないときは担当課に確かめてください"
    ),
    "held": "ディスクの空きを確かめてください。空けば自動で進みます",
}
STANDING: dict[str, str] = {  # of a delivery that stands so for no error's sake: by its reason, else by its status
    "scheduled": "その日になると自動で届けます",
    "waiting": WAIT,
    "earlier-waiting": "同じ住民の先の配達が終わると自動で進みます",
    "window": "受付時間になると自動で届けます。待てないときは hub drain --close-windows",
    "maintenance": "保守が終わると自動で進みます",
    "paused": "止めた人に確かめ、よければ再開してください（システムは hub system resume、作業は hub jobs resume）",
    "breaker": "相手が応答するようになると自動で進みます。相手のシステムが動いているかを確かめてください",
    "protection-unknown": (
        "支援措置の一覧が新しくなると自動で進みます。一覧が今日も届いているかを hub source list で見てください"
    ),
    "incomplete": (
        "足りない項目を確かめ、元の報告を訂正してください（hub correct）。なくてもよければ hub deliveries release"
    ),
    "approval": "別の人が確かめて承認してください（hub jobs approve）",
    "ask": "理由を見て、送ってよければ hub deliveries release、送らないなら hub deliveries drop を使ってください",
    "unknown": _LOOK,
    "expired": (
        "期限を過ぎました。まだ伝えるべきなら hub replay、もう要らなければ hub deliveries drop を使ってください"
    ),
    "exhausted": (
        "何度試しても受け取られませんでした。相手のシステムを担当課に確かめ、直ったら hub replay で送り直してください"
    ),
    "rejected": "相手のシステムの担当課に断られた理由を聞き、直ったら hub replay で送り直してください",
    "unconfirmed": (
        "相手のシステムが取り込んだかを担当課に確かめてください。取り込んでいなければ hub replay で送り直し、"
        "取り込んでいれば hub deliveries drop で閉じます"
    ),
    "altered": "相手のシステムに届いた内容を担当課に確かめてください",
    "disabled": "することはありません。ルールか受け口を使わないことにしています",
    "no-receiver": "この受け口は今は使われていません。設定の担当者に確かめてください",
    "protected": "することはありません。支援措置のある人の居所は、この受け口に伝えません",
}
