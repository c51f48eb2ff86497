"""What a city's files may say, as frozen models.

Expressions stay texts here (`hub.routing` compiles them); adapters' own settings stay in `options`
(`hub.adapters` checks them). Every model knows its `place` (`file:line:column`) for messages.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hub.settings.alerting import Alerts, Mail, Webhook
from hub.settings.calendars import CITY_CALENDAR, Calendar, ClosedDays, DayRange, Maintenance, Roll, Window
from hub.settings.encoding import Encoding
from hub.settings.layouts import Layout, LayoutField
from hub.settings.model import Clock, Count, Expression, Model, Percent, Text

__all__ = [
    "Acknowledged", "Alerts", "Approval", "Because", "Calendar", "Case", "Characters", "City", "ClosedDays",
    "DayRange", "Expression", "Flush", "Guard", "Ids", "Layout", "LayoutField", "Limit", "Mail", "Maintenance",
    "Model", "Protected", "Protection", "Publication", "Receiver", "Retry", "SendItem", "Source", "Subscription",
    "System", "TableRow", "Text", "Unmappable", "Verify", "Webhook", "Window", "Within",
]  # fmt: skip


class Because(Model):
    """Why a system may be told: the purpose, and the provision it rests on (`要確認` until confirmed)."""

    purpose: str
    provision: str = ""


class Within(Model):
    """A deadline: `days` from `from_` (`effective`, `notified`, `known`), rolled from closed days by `roll`."""

    days: int = Field(ge=0)
    from_: Literal["effective", "notified", "known"] = Field(default="known", alias="from")
    roll: Roll = "none"


class Protected(Model):
    """What a receiver gets about a protected resident."""

    mode: Literal["full", "without-location", "flag-only", "none"] = "without-location"
    send_flag: bool = False


class Ids(Model):
    """The system's own number for a resident, and what to do when the hub does not know it.

    `table` names a table of the city, `tables/NAME.csv`: code is the city's number, value the system's own.
    """

    name: str
    pattern: str = ""
    missing: Literal["hold", "blank", "reject"] = "hold"
    table: str | None = None


class Unmappable(Model):
    """What stands in the place of a character that a system does not have, and whether its department hears of it."""

    show: str = "〓"
    notify: bool = True


class Characters(Model):
    """How a system writes characters: its encoding, its own ones (外字), and what it does not have.

    `gaiji`, `mj` and `shrink` are tables of the city, `tables/NAME.csv`; docs/how-to/gaiji.md has their columns.
    """

    encoding: Encoding | None = None
    gaiji: str | None = None
    mj: str | None = None
    shrink: str | None = None
    unmappable: Literal["reject"] | Unmappable = "reject"

    @property
    def tables(self) -> dict[str, str]:
        """Return the names of its tables by key."""
        named = {"gaiji": self.gaiji, "mj": self.mj, "shrink": self.shrink}
        return {key: name for key, name in named.items() if name is not None}


class Verify(Model):
    """Who a typed or scanned record is about: found by the number given, believed when facts agree.

    `system` names the system whose own number `id` is; without it, it is the city's.
    """

    id: Expression | None = None
    system: str | None = None
    verify: dict[str, Expression] = {}
    need: Count = 2
    mismatch: Literal["review", "quarantine"] = "review"
    unknown: Literal["provisional", "review", "quarantine"] = "review"


class Guard(Model):
    """Limits that hold a whole batch before Kafka until a person releases or rejects it."""

    rows: tuple[int, int] | None = None
    change: Percent | None = None
    per_event: dict[str, int] = {}
    missing_file_by: Clock | None = None
    breach: Literal["hold"] = "hold"


class Source(Model):
    """Where a system's reports come from: an adapter, its own options, and how often it is read.

    `every` is in seconds; `identity` is an expression giving the list of values that make a report the same report.
    `typed` says that people type or scan what it brings; None leaves that to its adapter.
    """

    name: str
    adapter: str
    options: dict[str, Any] = {}
    every: float = Field(default=5.0, gt=0)
    identity: Expression | None = None
    after: Literal["move", "keep", "delete"] = "move"
    mode: Literal["changes", "snapshot"] = "changes"
    key: Expression | None = None
    compare: tuple[str, ...] = ()
    shares_state_with: str | None = None
    as_of: Expression | None = None
    on_change: Literal["report", "publish", "review"] = "report"
    on_new: Literal["report", "publish", "review"] = "report"
    on_missing: Literal["report", "publish", "review"] = "review"
    reconcile: dict[str, Expression] = {}
    guard: Guard | None = None
    identify: Verify | None = None
    typed: bool | None = None
    text: Characters | None = None


class Case(Model):
    """One kind of change in a source: the first case whose `when` is true makes the event, or ignores the row."""

    event: str | None = None
    when: Expression | None = None
    map: dict[str, Expression] = {}
    cancels: dict[str, Expression] | None = None
    corrects: dict[str, Expression] | None = None
    ignore: str | None = None


class Publication(Model):
    """How the rows of one source become events. The short form (`event`, `map`) is one case without `when`."""

    source: str  # the name of a source of this system
    subject: Expression = ""
    id: Expression | None = None
    sequence: Expression | None = None
    local_id: Expression | None = None
    defaults: dict[str, Expression] = {}
    cases: tuple[Case, ...] = ()
    otherwise: Literal["quarantine", "ignore"] = "quarantine"


SendItem = str | dict[str, Expression]


class Subscription(Model):
    """A rule: which events a system is told of, when, what exactly, and why."""

    id: str
    system: str
    on: tuple[str, ...]
    when: Expression | None = None
    send: tuple[SendItem, ...] = ()
    require: tuple[str, ...] = ()
    because: Because | None = None
    within: Within | None = None
    unknown: Literal["skip", "send", "ask"] = "skip"
    deliver: Literal["on-report", "on-effective-date"] | None = None
    after_death: Literal["cancel", "deliver"] = "cancel"
    protected: Protected | None = None
    unidentified: bool = False
    to: tuple[str, ...] = ()  # receivers; empty = all of the system's
    enabled: bool = True


class Retry(Model):
    """When a delivery that failed is tried again: `delays` in seconds, then every `then` seconds."""

    delays: tuple[float, ...] = (5.0, 60.0, 300.0, 1800.0, 7200.0)
    then: float = 14400.0
    give_up: Literal["never"] | Count = "never"


class Flush(Model):
    """When a batch is handed to the sink: at `rows` deliveries or after `seconds`."""

    rows: Count | None = None
    seconds: float | None = Field(default=None, gt=0)


class AnswerBy(Model):
    """When a receiver's answer to what was delivered before that day must be there, on days its calendar has open."""

    at: Clock
    calendar: str | None = None
    unanswered: Literal["wait", "dead"] = "wait"  # what becomes of it then


class Acknowledged(Model):
    """How a receiver's answer comes back: a source whose rows name deliveries by their `key` or their `no`.

    `error` and `warning` say of a row (`row`) that it is a refusal, or taken with a remark; `about` says of a file, by
    its name (`file`), which batch it answers.
    """

    from_: dict[str, Any] = Field(alias="from")
    match: dict[str, Expression] = {}
    lists: Literal["errors", "all"] = "errors"
    taken: Expression | None = None
    error: Expression | None = None
    warning: Expression | None = None
    about: Expression | None = None
    by: AnswerBy | None = None


class Receiver(Model):
    """One way into a system: an adapter, its own options, and how deliveries behave on it."""

    name: str
    system: str
    adapter: str
    options: dict[str, Any] = {}
    parallel: Count = 1
    retry: Retry = Retry()
    maintenance: tuple[Maintenance, ...] = ()
    window: Window | None = None
    flush: Flush = Flush()
    max_rows: Count | None = None
    deliver: Literal["on-report", "on-effective-date"] = "on-report"
    on_dead: Literal["pass", "stop"] = "pass"
    order_until: Literal["delivered", "confirmed"] = "delivered"
    acknowledged: Acknowledged | None = None
    effects: Literal["inward", "outward"] = "inward"
    late: Literal["restate", "deliver", "review"] = "restate"
    enabled: bool = True

    @property
    def key(self) -> str:
        """Return `<system>.<receiver>`, the receiver's name in keys, leases and lists."""
        return f"{self.system}.{self.name}"


class System(Model):
    """One departmental system: what it publishes, what it subscribes to, how it receives."""

    system: str
    title: Text = {}
    owner: str = ""
    ids: Ids | None = None
    protected: Protected | None = None
    text: Characters | None = None
    sources: dict[str, Source] = {}
    publishes: tuple[Publication, ...] = ()
    subscribes: tuple[Subscription, ...] = ()
    receives: dict[str, Receiver] = {}

    def reads(self, source: Source) -> bool:
        """Say whether intake reads a source: events come of its rows, or they are compared with what is known.

        A full extract may be there for `hub reconcile` alone: its changes are what the system was told.
        """
        published = any(each.source == source.name for each in self.publishes)
        asked = {"on_change", "on_new", "on_missing", "shares_state_with"} & source.model_fields_set
        return published or (source.mode == "snapshot" and (bool(asked) or not self.receives))


class Protection(Model):
    """The list of protected residents and how much it is trusted."""

    list_: str | None = Field(default=None, alias="list")
    max_age: float = 93600.0  # seconds
    empty: Literal["refuse", "accept"] = "refuse"
    max_drop: Percent = "5%"
    on_stale: Literal["hold"] = "hold"


class Limit(Model):
    """How many events one person may change at once; above it another person must approve the job."""

    above: int = Field(ge=0)


class Approval(Model):
    """What needs a second person, by command; absent: nothing does."""

    cancel: Limit | None = None
    correct: Limit | None = None


class TableRow(Model):
    """One line of tables/*.csv; `from_`/`until` bound it in time (texts, empty = open)."""

    code: str
    value: str
    from_: str = Field(default="", alias="from")
    until: str = ""


class City(Model):
    """The whole folder. `folder` is absolute; `ledger_url` and `bootstrap` come from the environment.

    `bootstrap` None means the managed local Kafka under `var/`; `ledger_url` is always a SQLAlchemy URL.
    """

    city: str = "city"
    folder: str = "."
    timezone: str = "Asia/Tokyo"
    calendar: str = "city"
    authority: dict[str, tuple[str, ...]] = {}
    protection: Protection | None = None
    prefix: str = "hub"  # kafka.prefix
    approval: Approval = Approval()
    alerts: Alerts = Alerts()
    systems: dict[str, System] = {}
    tables: dict[str, tuple[TableRow, ...]] = {}
    layouts: dict[str, Layout] = {}
    calendars: dict[str, Calendar] = {"city": CITY_CALENDAR}
    ledger_url: str = Field(default="", repr=False)  # may hold a password
    bootstrap: str | None = None

    def receivers(self) -> list[Receiver]:
        """Return every receiver of every system, in file and written order."""
        return [receiver for system in self.systems.values() for receiver in system.receives.values()]

    def subscriptions(self) -> list[Subscription]:
        """Return every subscription of every system, in file and written order."""
        return [rule for system in self.systems.values() for rule in system.subscribes]
