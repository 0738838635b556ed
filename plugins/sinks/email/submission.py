"""Submits one mail to a server: to all of its recipients, or to each alone where the answer does not say whom it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import aiosmtplib

from gateway import DeliveryFailed, Refused, Unavailable
from plugins.sinks.email import faults
from plugins.sinks.email.faults import Blame, fault_of, is_permanent
from plugins.sinks.email.mail_connections import MailConnections


class Submitted(NamedTuple):
    """Who was not accepted, with the answer and whether it is for ever; the last reply; whether the server hung up."""

    answers: Mapping[str, tuple[str, bool]]
    reply: str
    hung_up: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """One mail on its way. `where` is the server, for errors; `retry_codes` are answers that are never for ever,
    `since` the refused passwords when it was begun."""

    connections: MailConnections
    sender: str
    mail: bytes
    where: str
    retry_codes: Collection[int]
    since: int

    async def submit(self, recipients: Sequence[str], *, others: bool) -> Submitted:
        """To these recipients; `others`: somebody has got it already. Raises DeliveryFailed for what concerns them all."""
        again = self.retry_codes
        try:
            sent = await self.connections.send(self.sender, recipients, self.mail, since=self.since)
        except aiosmtplib.SMTPRecipientsRefused as error:
            answers = {one.recipient: (one.code, one.message) for one in error.recipients}
            if not others and (text := faults.given_to_all(answers, again)) is not None:
                raise Unavailable(f"{self.where}: {text}") from None
            hung_up = all(code == 421 for code, _ in answers.values())
            return Submitted(self._answers_read(answers), "", hung_up)
        except Exception as error:
            if len(recipients) > 1 and faults.names_a_recipient(error):
                return await self._one_by_one(recipients)
            raise faults.judge(error, self.where, again) from None
        reply = faults.one_line(250, sent.reply)
        if sent.renewed:
            reply += " (over a new connection: the kept one had been closed)"
        return Submitted(self._answers_read(sent.refused), reply, False)

    async def _one_by_one(self, recipients: Sequence[str]) -> Submitted:
        """The same mail to each alone, because the answer to the mail spoke of one of them and did not say of whom."""
        answers: dict[str, tuple[str, bool]] = {}
        reply = ""
        for address in recipients:
            try:
                submitted = await self.submit([address], others=True)
            except DeliveryFailed as failure:
                answers[address] = (failure.detail, isinstance(failure, Refused))
            else:
                answers |= submitted.answers
                reply = submitted.reply or reply
        return Submitted(answers, reply, False)

    def _answers_read(self, answers: Mapping[str, tuple[int, str]]) -> dict[str, tuple[str, bool]]:
        """For each the answer as text, and whether it is for ever: what is about us can be mended, however it is said."""
        return {
            address: (
                faults.one_line(code, message),
                is_permanent(code, message, self.retry_codes) and fault_of("RCPT", code, message) is not Blame.TARGET,
            )
            for address, (code, message) in answers.items()
        }
