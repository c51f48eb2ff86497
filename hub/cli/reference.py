"""Writes the commands' manual, `docs/reference/commands.md`, from the command line itself.

`python -m hub.cli.reference` prints it; a test compares it with the file.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from textwrap import fill
from typing import Any, get_args

from typer.models import ArgumentInfo, OptionInfo

from hub.cli import reserved
from hub.cli.command import COMMON, Body
from hub.cli.main import COMMANDS
from hub.cli.words import WORDS

HEAD = """# Commands

<!-- Written by `python -m hub.cli.reference > docs/reference/commands.md`; a test keeps it true. -->

Every command takes:

{common}

With `--json` exactly one document goes to stdout, also when the command fails:
`{{"error": {{"code", "message", "place", "mend"}}}}`. Progress and logs go to stderr, logs as one JSON object a line,
without personal data. Lists are `{{"items": […], "next": cursor or null}}`; times are RFC 3339 in UTC (in
texts for people, the city's). The language of these texts follows `LC_ALL`, `LC_MESSAGES` and `LANG`; in Japanese
an error begins with what its code means, and its particulars follow as they stand in JSON. `HUB_DEBUG=1` shows the
traceback of an error, which otherwise goes to a file in `var/log/`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it ran and found trouble |
| 2 | wrong usage or configuration |
| 3 | a needed service is away |
"""

NOTES = {
    "demo": """
The city stands in `demo-city/` of the current folder unless one is named. A folder that holds a city of
its own is refused. Run twice, a second day passes.
""",
    "run": """
SIGTERM or Ctrl-C ends it within ten seconds, finishing what is under way; a second one ends it at once.
The HTTP server is opened with the console, or with intake when a system reports over HTTP: it has a
valid token, or one of its sources says `adapter: http`. Otherwise no port is opened. `/v1/events`
answers 503 in a process without intake; a reserved call answers 501. With `--json` the document,
`{"stages", "url"}`, comes when everything runs.
""",
    "drain": """
Exit 1 when any delivery is planned, sending, waiting, held or unknown at the end, or died meanwhile, and
when a source could not be read; what is scheduled, unmatched, repeated or quarantined is printed and
changes nothing. Exit 3 when there was no ledger or no Kafka for the time of `--wait`. `behind` names
receivers with planned deliveries, `held` the sources that wait until somebody decides of a batch, with its id.
""",
    "publish": """
Answers `{"accepted", "duplicates", "reused", "quarantined": [{"no", "place", "code", "message"}], "batch"}`;
`duplicates` are repeats: of the file, and of what the hub had before. `reused` are those whose id was used before,
by the same system, for other content: dispatch puts them into quarantine (`id-reused`). What is still on its way
through Kafka counts as new, and is a repeat, or reused, nonetheless. Exit 1 when anything was quarantined here.
""",
    "check": """
Errors are exit 2, warnings 0, with `--strict` 1. Rules that still say 要確認 are one line a file, with `--verbose`
each.
""",
    "test": "Exit 1 when a test fails.",
    "explain": """
An event of the ledger is explained by the rules it was planned by; one in a file by the rules and facts
as they stand now, and nothing is written.
""",
    "system pause": "A pause in the place of another ends that one; it is answered as `replaced`.",
    "quarantine fix": """
The file holds what should have come: a CloudEvent, or for rows of a file source the row (or header and
rows, in the source's encoding), for rows of a database a JSON object. It goes the way of the original,
through the same mapping. What was resubmitted is kept with the entry. Input that is still wrong is exit
1 and changes nothing; another row, one that was reported before, is exit 2. Answers `{"no", "status", "events",
"batch", "items", "stage", "waiting", "unsure", "again", "changes"}`: `items` say of whom and what the events are, with
the `name` that is reported, whether anything of the resident was reported before (`known`) and the `known_name`;
`changes` has `[was, is]` by column (of a document by path; `raw`: all of it, where it was no row); `waiting`
counts what is to be linked, `unsure` what a person is to look at; `--dry-run` answers the same and changes nothing.
What dispatch refuses once more as it was is open again, and `again` where it has done so already.
""",
    "quarantine show": """
`by` is who decided; the `note` of a discarded entry is the reason, of a resubmitted one JSON. `before` lists the
decisions that do not stand any more: `{"what": "discard" or "reopen", "by", "reason", "at"}`.
""",
    "quarantine discard": "`--dry-run` answers as `hub quarantine show` does and changes nothing.",
    "quarantine reopen": """
Of what is discarded alone; any other entry is exit 2. What came meanwhile was counted (`seen`), and is still this one
entry. Put right, it is one report: one that the ledger has by now is refused (`reported-before`), or is a repeat.
`--dry-run` answers as `hub quarantine show` does and changes nothing.
""",
    "review list": """
Open are `waiting` (a decision is needed) and `reported` (listed for people to know). `kind` says who put
an item there: `snapshot` is a full extract.
""",
    "review show": """
`would_publish` are the events that accepting it publishes. Of a full extract the former row is not kept, but for the
columns that a mapping asks for (`was`): `facts` are what reports say of the resident today, null when there was never
one. Of a resident whose location is not shown, the rows'
columns and the fields that tell it are covered.
""",
    "review accept": """
Of a range and of filters what is open is meant. One item that is named is answered as it is, and is exit 2 when it is
not open any more; of several each is recorded by itself: `{"count", "items", "refused": [{"no", "code", "message",
"mend"}]}`, exit 1 when any was refused. `--dry-run` shows the item, or lists them, and changes nothing. What cannot
be published now is published by `hub run` or `hub drain`.
""",
    "review reject": "One or several, as `hub review accept`.",
    "source rewind": """
What is read again is the same events and counts as repeats. Of a database `--to` is a value of its
cursor column, of kept files a file's name; files that were moved are to be put back by hand. A reading
that is under way ends where it would have ended: stop intake first. The reason stands in `hub source
list`.
""",
    "source baseline": """
Exit 1 when there is no extract. It needs no Kafka; what is held or open of the source is closed by it.
""",
    "reconcile": """
Answers `{"system", "source", "extract", "counts", "items"}`, each item with `kind` (`differs`,
`missing`, or an open `reported` or `waiting` review of its own rows), what was told and what the extract
has, why, and the command that would mend it. Exit 1 when there is any.
""",
    "kafka status": "Exit 3 when it does not serve.",
    "kafka start": """
Returns when the broker serves; it outlives the command and its process group. A running one is kept.
With `HUB_KAFKA` it only looks whether that one answers.
""",
    "kafka adopt": """
After the topic was deleted and made anew, was given more partitions, or lost what was not read yet: dispatch goes on
with what it holds now. A topic that belongs to another ledger stays refused.
""",
    "morning": """
The rows are the oldest first; before them all stand `at-rest` (no hub has been at work for 26 hours, or one was killed
and not started again) and `kafka` (it does not answer a running hub). `left` are files of this machine that a source
should have read a day ago. Exit 1 when there is any row.
""",
    "status": """
Answers `{"events", "records", "receivers", "delivering", "sources", "quarantine", "awaiting", "kafka"}`: `events` are
those of `hub events list`, `records` what was read from Kafka, repeats included, `delivering` how many processes
deliver now, `awaiting` the jobs that wait for a second person. A receiver's `fault` (with its `fault_code`), `held`
and `breaker` say what keeps it, a source's `held` names the batch for which it waits, its `unread` (`count`, a few
`names`, `since`) files in its folders that no source of the city reads. It needs the ledger alone, not the city's
other files.
""",
    "correct": """
`--again` is for an event that was cancelled by mistake, since a cancellation cannot be cancelled: the same report, with
the values as they stood and those that are given, comes from its source under a new id, once however often it is said.
""",
    "events list": """
Of what is in the log `amended` (by `corrected_by`) says what was done to an event last, `amends` (to `corrects`) what
it does to another, as in `hub events show`.
""",
    "resident": "`amended` and `amends` of an event are those of `hub events show`.",
    "events show": """
`amended` says what was done to the event last (`cancels`, `corrects`, `enriches` or `contradicts`, by `corrected_by`),
`amends` what it does to another (`corrects`). `stands` are the values that stand now of one to which something was
done, null when it was cancelled. Over HTTP a system is not told what stands.
""",
    "db status": "Exit 1 when the ledger is not at the newest revision.",
    "doctor": "Changes nothing. Exit 1 when something must be mended.",
    "token revoke": "Without `--token`, all valid tokens of the system.",
}


def page() -> str:
    """Return the page."""
    parts = [HEAD.format(common=_table(list(COMMON)))]
    parts += [_section(path, body) for path, body in COMMANDS.items()]
    names = ", ".join(f"`hub {name}`" for name in reserved.NAMES)
    parts.append(f"## Reserved\n\nThese answer `not yet` (with `--json` as an error's document) and exit 2: {names}.\n")
    return "\n".join(parts)


def _section(path: str, body: Body) -> str:
    parameters = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
    words = " ".join(filter(None, (f"hub {path}", *(_usage(each) for each in parameters))))
    lines = [f"## hub {path}\n", WORDS[f"help.{path}"][1], f"\n    {words}\n"]
    if parameters:
        lines.append(_table(parameters) + "\n")
    if path in NOTES:
        lines.append(fill(" ".join(NOTES[path].split()), 120) + "\n")
    return "\n".join(lines)


def _usage(parameter: inspect.Parameter) -> str:
    kind, info = _told(parameter)
    if isinstance(info, ArgumentInfo):
        name = _operand(info, parameter)
        return name if parameter.default is inspect.Parameter.empty else f"[{name}]"
    words = _flags(info)[0] + ("" if kind is bool else f" {info.metavar or _metavar(kind)}")
    return words if parameter.default is inspect.Parameter.empty else f"[{words}]"


def _operand(info: ArgumentInfo, parameter: inspect.Parameter) -> str:
    return (info.metavar or parameter.name.upper()).replace("[", "").replace("]", "")


def _table(parameters: list[inspect.Parameter]) -> str:
    rows = [f"| {name} | {said} |" for each in parameters for name, said in _row(each)]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _row(parameter: inspect.Parameter) -> Iterator[tuple[str, str]]:
    kind, info = _told(parameter)
    if isinstance(info, ArgumentInfo):
        name = _operand(info, parameter)
    else:
        name = ", ".join(_flags(info)) + ("" if kind is bool else f" {info.metavar or _metavar(kind)}")
    said = _english(info.help or "")
    if info.envvar:
        said += f" (environment: `{info.envvar}`)"
    if parameter.default not in (inspect.Parameter.empty, None, False):
        said += f" (default: `{parameter.default}`)"
    yield f"`{name}`", said.replace("|", "\\|")


def _told(parameter: inspect.Parameter) -> tuple[Any, Any]:
    """Return a parameter's type and what Typer is told of it."""
    kind, info = get_args(parameter.annotation)
    return kind, info


def _flags(info: OptionInfo) -> list[str]:
    return [str(info.default), *(info.param_decls or ())] if info.default is not ... else list(info.param_decls or ())


def _metavar(kind: Any) -> str:
    return "N" if kind is int else "TEXT"


def _english(said: str) -> str:
    return next((en for ja, en in WORDS.values() if said in (ja, en)), said)


if __name__ == "__main__":
    sys.stdout.write(page())
