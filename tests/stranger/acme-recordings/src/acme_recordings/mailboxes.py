"""The sink `acme-mailbox`: a message for each of several people; who has got it is remembered between the tries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from gateway import (
    AddressGuard,
    Answer,
    Classify,
    ConfigFile,
    Delivery,
    DeliveryFailed,
    DeliveryResult,
    Event,
    Forbidden,
    Http,
    Language,
    Options,
    Proxy,
    Rate,
    Refused,
    Retry,
    Secret,
    SecretUrl,
    Sink,
    Timezone,
    Trust,
    Unavailable,
    Url,
    Via,
    failure_of,
    inert,
    judge,
    redact,
    redact_start,
    sample,
    secret,
    visible,
)


class Person(Options):
    """One reader."""

    name: str = Field(description="As the letter box says it.")


class MailboxOptions(Options):
    """Where the letter boxes are, and whose."""

    url: Url = Field(description="The post office.")
    door: SecretUrl | None = Field(None, description="A back door whose address is the key; used for failures.")
    token: Annotated[Secret, secret(min_length=8)] = Field(description="The stamp.")
    people: tuple[Person, ...] = Field(min_length=1, description="Who gets it.")
    fastest: Rate = Field(Rate(100, 1), description="What the post office allows.")
    proxy: Proxy | None = Field(None, description="What stands between here and the post office.")
    ca: ConfigFile | None = Field(None, description="A private authority.")
    timezone: Timezone = Field("UTC", description="The zone of times in the text.")
    language: Language = Field("en", description="The language of the text.")


class Mailboxes(Sink):
    """A letter for each person. 299 from the post office means that the letter box is full."""

    type = "acme-mailbox"
    Options = MailboxOptions
    options: MailboxOptions
    default_rate = "100/s"
    via: Via

    async def open(self) -> None:
        proxy = self.options.proxy.reveal() if self.options.proxy is not None else None
        self.via = Via(ca=self.options.ca, proxy=proxy)
        await self.http.prepare(self.options.url, self.via)
        self.log.info("mailboxes_open", people=len(self.options.people), stamp=self.options.token.reveal())

    async def close(self) -> None:
        self.log.info("mailboxes_closed")

    @classmethod
    def usual_rate(cls, options: Any) -> str | None:
        return str(options.fastest)

    @property
    def wanted_trust(self) -> Trust:
        return Trust.FIELDS

    def advice(self) -> Sequence[str]:
        return ("one reader only: who reads it on holidays?",) if len(self.options.people) == 1 else ()

    async def deliver(self, delivery: Delivery) -> str:
        if len(delivery.event.stream or "") > 4000:
            raise Refused("no letter is that long")
        done = set(delivery.memo.get("done", ()))
        failed: list[DeliveryFailed] = []
        for person in self.options.people:
            if person.name not in done:
                try:
                    await self.letter(self.http, person.name, delivery.event)
                except Unavailable:
                    raise
                except DeliveryFailed as error:
                    failed.append(error)
                else:
                    done.add(person.name)
        if failed:
            after = next((error.after for error in failed if isinstance(error, Retry)), None)
            status = failed[0].status
            service = any(isinstance(error, Retry) and error.service for error in failed)
            if not any(isinstance(error, Retry) for error in failed):
                raise Refused(failed[0].detail, status=status)
            raise Retry(failed[0].detail, after, {"done": sorted(done)}, status=status, service=service)
        return f"{len(done)} letters"

    async def letter(self, http: Http, person: str, event: Event) -> Answer:
        headers = {
            "X-Stamp": self.options.token.reveal(),
            "X-Letter": f"{event.id}/{person}",
            "X-Lang": self.options.language,
        }
        text = inert(visible(f"{event.type} {event.stream}"))
        said = {"to": person, "text": text, "zone": self.options.timezone}
        classify: Classify = full_is_later
        return await http.post(self.options.url, json=said, headers=headers, classify=classify, via=self.via)

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        results: list[DeliveryResult] = []
        for one in deliveries:
            try:
                results.append(await self.deliver(one))
            except DeliveryFailed as error:
                results.append(error)
        return results

    async def preview(self, delivery: Delivery) -> str:
        return redact(f"{len(self.options.people)} letters about {delivery.event.id}")

    async def connect(self) -> str:
        """Whether a letter would be taken, by one that nobody gets."""
        try:
            await self.letter(self.http, "nobody", sample("recording.started"))
        except DeliveryFailed as error:
            return redact_start(error.detail, 80)
        return "the post office takes letters"


def full_is_later(answer: Answer) -> None:
    """The post office's own meaning of 299; everything else is as usual."""
    if answer.status == 299:
        raise Retry(f"the box is full: {answer.quoted}", timedelta(minutes=1), status=299)
    if answer.status == 418:
        raise failure_of(answer, permanent=(418,))
    judge(answer)


def own_network() -> AddressGuard:
    """For fetch_untrusted inside Acme."""
    return AddressGuard(allow=(ip_network("127.0.0.0/8"),))


def is_ours(host: str) -> bool:
    """Whether an address may be called from inside Acme."""
    try:
        own_network().check(ip_address(host))
    except Forbidden:
        return False
    return True


def path_of(options: MailboxOptions) -> Path | None:
    return options.ca
