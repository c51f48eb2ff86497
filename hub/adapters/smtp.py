"""Hands one mail to an SMTP server, and gives what can go wrong its name."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Literal, Protocol

import truststore

from hub.errors import OutcomeUnknown, Rejected, Transient


class Server(Protocol):
    """How a mail server is reached: read from settings."""

    @property
    def host(self) -> str:
        """Return its name."""

    @property
    def port(self) -> int:
        """Return its port."""

    @property
    def security(self) -> Literal["starttls", "tls", "none"]:
        """Return how the connection is secured."""

    @property
    def user(self) -> str | None:
        """Return who logs in; None: nobody."""

    @property
    def password(self) -> str | None:
        """Return the user's password."""


def send(server: Server, mail: EmailMessage, timeout: float, context: ssl.SSLContext | None = None) -> list[str]:
    """Hand a mail over and return the addresses that were refused beside others that were not.

    Raises `Transient` for what passes or is a setting to mend (an address, the login), `Rejected` when the server
    refuses this mail for good, and `OutcomeUnknown` when it ended after it had been given the mail.
    """
    secure = context or truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    people = [address for _, address in getaddresses(mail.get_all("To", []))]
    with _named():
        connection = _connected(server, timeout, secure)
    with _quitting(connection):
        with _named():
            refused = _announce(connection, server, mail, people, secure)
        _hand_over(connection, mail)
    return refused


def _connected(server: Server, timeout: float, context: ssl.SSLContext) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=timeout)


def _announce(
    connection: smtplib.SMTP, server: Server, mail: EmailMessage, people: list[str], context: ssl.SSLContext
) -> list[str]:
    """Log in and say who writes to whom; return who was refused, if not everybody was."""
    if server.security == "starttls":
        connection.starttls(context=context)
    if server.user is not None:
        connection.login(server.user, server.password or "")
    connection.ehlo_or_helo_if_needed()
    sender = getaddresses([mail["From"]])[0][1]
    code, said = connection.mail(sender)
    if code >= 300:
        raise smtplib.SMTPSenderRefused(code, said, sender)
    answers = {each: connection.rcpt(each)[0] for each in people}
    refused = [each for each, code in answers.items() if code >= 300]
    if len(refused) == len(people):
        raise Transient("every address was refused; mend `to`", reached=True, code="mail-refused")
    return refused


def _hand_over(connection: smtplib.SMTP, mail: EmailMessage) -> None:
    """Give the mail itself: from here on an end without an answer says nothing."""
    try:
        code, _ = connection.data(mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")))
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    except (smtplib.SMTPException, OSError) as error:
        raise OutcomeUnknown(f"no answer to a mail: {type(error).__name__}", code="no-answer") from None
    if code >= 500:
        raise Rejected(f"the server refuses this mail: {code}", code=f"mail-{code}")
    if code >= 300:
        raise Transient(f"the server takes no mail now: {code}", reached=True, code=f"mail-{code}")


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """Name what goes wrong before the mail is given."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise Transient(f"{error.smtp_code}", reached=True, code=f"mail-{error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Transient(type(error).__name__, code="unreachable") from None


@contextlib.contextmanager
def _quitting(connection: smtplib.SMTP) -> Iterator[None]:
    """Take leave at the end; a server that is gone by then has the mail all the same."""
    try:
        yield
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            connection.quit()
        connection.close()
