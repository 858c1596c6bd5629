"""Mail, handed to an SMTP server."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage

from atomic_agents.core.channel import Message

_SECONDS = 4.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Mail:
    """An SMTP server, who writes to whom, and how the way there is kept private: `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    kind: str = "email"

    def check(self) -> str:
        """What is wrong with the addresses."""
        strange = [address for address in (self.sender, *self.to) if "@" not in address or not address.isprintable()]
        return f"{strange[0]!r} is not a mail address" if strange else ""

    def send(self, message: Message, leaving: Callable[[], None]) -> str:
        """Hand the mail to the server.

        Raises:
            OSError: the server cannot be reached or breaks off, or takes it for some of the addresses only.
        """
        if refused := self.check():
            return refused
        try:
            without = self._hand_over(self._mail(message), leaving)
        except smtplib.SMTPRecipientsRefused as error:
            return f"{self.host} refused {', '.join(error.recipients)}"
        except smtplib.SMTPResponseException as error:
            said = (
                error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
            )
            return f"{self.host} answered {error.smtp_code}: {' '.join(str(said).split())}"
        except smtplib.SMTPNotSupportedError as error:
            return f"{self.host}: {error}"
        if without:
            raise OSError(f"{self.host} refused {', '.join(without)} and took it for the others")
        return ""

    def _hand_over(self, mail: EmailMessage, leaving: Callable[[], None]) -> Iterable[str]:
        """Hand a mail over; the addresses that the server refuses."""
        server = self._server()
        try:
            if self.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self.user:
                server.login(self.user, self.password)
            leaving()
            without = server.send_message(mail)
            with contextlib.suppress(OSError):  # it is taken, however the server says goodbye
                server.quit()
        finally:
            server.close()
        return without

    def _server(self) -> smtplib.SMTP:
        # The library would look the machine's own name up in the DNS, which can take longer than the mail may.
        name = socket.gethostname() or "localhost"
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, name, timeout=_SECONDS, context=context)
        return smtplib.SMTP(self.host, self.port, name, timeout=_SECONDS)

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = message.title, self.sender, ", ".join(self.to)
        mail["Auto-Submitted"] = "auto-generated"
        lines = [message.text, "", *(f"{key}: {value}" for key, value in message.facts.items() if key in _FOOT)]
        mail.set_content("\n".join(lines) + "\n", cte="quoted-printable")
        return mail


_FOOT = ("agent", "vault", "at")


def opened(values: Mapping[str, object]) -> Mail:
    """From `host`, `port`, `security`, `from`, `to`, `user` and `password`."""
    to = _texts(values["to"])
    security = str(values.get("security", "starttls"))
    port = values.get("port")
    return Mail(
        host=str(values["host"]),
        port=port if isinstance(port, int) else _PORTS[security],
        security=security,
        sender=str(values.get("from", to[0])),
        to=to,
        user=str(values.get("user", "")),
        password=str(values.get("password", "")),
    )


def _words(said: bytes | str) -> str:
    return " ".join((said.decode(errors="replace") if isinstance(said, bytes) else said).split())


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else (str(value),)
