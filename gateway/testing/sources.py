"""The promises every source keeps, as a class to inherit: it fails closed, names things for ever, and keeps credentials in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import cycle
from typing import Any, ClassVar

from gateway.errors import Malformed, Untrusted
from gateway.events.cloudevents import fingerprint, from_document, to_document, to_json
from gateway.model import EVENT_TYPES, Event, Trust, Verified
from gateway.plugin import Callback, Played, Scene, Source, contract
from gateway.states import REFUSAL_CODES
from gateway.testing.corpus import cases
from gateway.testing.factories import NOW, callback

_BYTES_CHANGED = 60  # of a body, one at a time


class SourcePromises:
    """Inherit from this in a test class whose name begins with `Test`, and give it `make_source`.

    The source's own `play` writes the callbacks, so that what is tested is what `gateway send` sends.
    """

    signed_fields: ClassVar[Sequence[str]] = ()
    """JSON fields the signature covers: each is changed in turn, and the callback must be refused or lose trust."""
    credentials: ClassVar[Sequence[str]] = ()
    """JSON fields and headers that carry the signature: without one of them the callback must be refused."""
    secrets: ClassVar[Sequence[str]] = ()
    """The keys in clear, as `make_source` configured them: they must be in nothing a person sees."""
    expires: ClassVar[bool] = True
    """Whether this vendor's callbacks can be too old."""
    now: ClassVar[datetime] = NOW

    def make_source(self) -> Source:
        """A source called `live`, with keys, that accepts what its `play` makes."""
        raise NotImplementedError

    # -- what the promises are made of

    def play(self, source: Source, type: str, **scene: Any) -> Played:
        return source.play(Scene(type=type, number=scene.pop("number", 1), now=self.now, **scene))

    def receive(self, played: Played) -> Callback:
        return callback(played, received_at=self.now)

    def take(self, source: Source, received: Callback) -> tuple[Verified, Sequence[Event]]:
        verified = contract.checked_verdict(source, source.verify(received))
        return verified, contract.checked(source, received, source.normalise(received, verified))

    def refusal(self, source: Source, received: Callback) -> Untrusted | Malformed | None:
        """How this callback is refused; None: it is accepted. Any other exception is a broken promise."""
        try:
            self.take(source, received)
        except (Untrusted, Malformed) as error:
            return error
        return None

    def changed(self, played: Played) -> Iterator[tuple[str, Played]]:
        """The callback with each of `signed_fields` changed, one at a time, under the signature as it was."""
        document = json.loads(played.body) if self.signed_fields else {}
        for name in self.signed_fields:
            value = document.get(name)
            other = value + 1 if isinstance(value, int) else f"{value or ''}x"
            if isinstance(value, str) and value.isdecimal():
                other = str(int(value) + 1)
            yield name, replace(played, body=json.dumps({**document, name: other}).encode())

    def captured(self, played: Played) -> Iterator[tuple[str, Played]]:
        """What the holder of this callback can send under its signature: a field changed, emptied, taken out or put in, a
        byte of the body changed, a header that carries no credential changed."""
        for name in set(played.headers) - {*self.credentials, "content-type"}:
            yield name, replace(played, headers={**played.headers, name: played.headers[name] + "x"})
        for at in range(0, len(played.body), max(1, len(played.body) // _BYTES_CHANGED)):
            other = b"0" if played.body[at : at + 1] == b"1" else b"1"
            yield f"byte {at}", replace(played, body=played.body[:at] + other + played.body[at + 1 :])
        try:
            document = json.loads(played.body)
        except ValueError:
            return
        for name, value in document.items() if isinstance(document, dict) else ():
            rest = {key: document[key] for key in document if key != name}
            others = [value + 1] if type(value) is int else [f"{value}x", ""] if isinstance(value, str) else ["x"]
            for changed in (rest, *({**document, name: other} for other in others)):
                yield name, replace(played, body=json.dumps(changed).encode())
        if isinstance(document, dict):
            yield "a new field", replace(played, body=json.dumps({**document, "put_in": "x"}).encode())

    def check_captured(self, source: Source, played: Played) -> None:
        """Whatever somebody makes of a captured callback is refused, or says the same, or has no more trust than what he
        could not change, or is the one content more that its seal does not let through."""
        genuine, events = self.take(source, self.receive(played))
        contents = [fingerprint(event) for event in events]
        for name, other in self.captured(played):
            received = self.receive(other)
            try:
                verified, made = self.take(source, received)
            except (Untrusted, Malformed):
                continue
            if [fingerprint(event) for event in made] == contents or verified.trust.rank < Trust.FIELDS.rank:
                continue
            if verified.trust is Trust.FIELDS and name not in self.signed_fields:
                continue
            seal = verified.seal
            assert seal is not None, f"{name} can be changed, and the trust is {verified.trust}"
            assert seal.most == 1, f"{name} can be changed, and the seal lets {seal.most} contents through"
            assert seal == genuine.seal, f"{name} can be changed, and the seal with it"

    def without(self, played: Played, name: str) -> Played:
        """The callback without this credential, be it a field or a header."""
        headers = {key: value for key, value in played.headers.items() if key.lower() != name.lower()}
        try:
            document = json.loads(played.body)
        except ValueError:
            return replace(played, headers=headers)
        if name not in document:
            return replace(played, headers=headers)
        return Played(
            body=json.dumps({key: document[key] for key in document if key != name}).encode(), headers=headers
        )

    def check_always(self, source: Source, event: Event) -> None:
        """What the source says of all its events holds of this one: else `check` calls a route impossible that is not."""
        for key, globs in source.always.items():
            value = getattr(event, key) or ""
            fits = any(fnmatchcase(value, glob) for glob in globs) if globs else not value
            assert fits, f"{key} is {value!r}, and `always` says {list(globs)}"

    # -- the promises

    def test_every_scene_is_verified_and_becomes_events(self) -> None:
        source = self.make_source()
        assert contract.class_problem(source.__class__, Source) is None
        assert source.scenes, "a source that cannot be played cannot be tried by its users"
        for type in source.scenes:
            verified, events = self.take(source, self.receive(self.play(source, type)))
            assert verified.scheme
            for event in events:
                assert event.type in EVENT_TYPES
                assert event.source == source.name
                assert event.provider
                assert event.trust is verified.trust
                self.check_always(source, event)

    def test_an_odd_value_in_any_field_is_a_refusal_or_an_event(self) -> None:
        """Each value of the corpus in each field of a callback, signed as the vendor signs; the kinds take turns."""
        source = self.make_source()
        for case, type in zip(cases("value"), cycle(source.scenes), strict=False):
            try:
                value, said = json.loads(case.value), json.loads(self.play(source, type).body)
            except ValueError:
                continue
            for name in set(said) - set(self.credentials) if isinstance(said, dict) else ():
                try:
                    played = self.play(source, type, fields={name: value})
                except ValueError:  # what cannot be played cannot be tried
                    continue
                with suppress(Untrusted, Malformed):
                    for event in self.take(source, self.receive(played))[1]:
                        json.loads(to_json(event))
                        self.check_always(source, event)

    def test_a_callback_without_its_signature_is_refused(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            for name in self.credentials:
                bare = self.without(self.play(source, type), name)
                assert isinstance(self.refusal(source, self.receive(bare)), Untrusted), (type, name)

    def test_an_odd_header_in_the_place_of_a_credential_is_refused_and_nothing_else(self) -> None:
        """Each of the corpus, alone, and before and behind the genuine one, where it may be passed over."""
        source = self.make_source()
        received = self.receive(self.play(source, source.scenes[0]))
        headers = received.headers.items()
        names = {name.lower() for name in self.credentials}
        for place, (name, genuine) in enumerate(headers):
            if name not in names:
                continue
            for case in cases("header"):
                odd = (name, case.value)
                for these in ([odd], [odd, (name, genuine)], [(name, genuine), odd]):
                    sent = [*headers[:place], *these, *headers[place + 1 :]]
                    how = self.refusal(source, self.with_headers(received, sent))
                    assert how is not None or len(these) > 1, f"{case} in {name} is taken"

    def with_headers(self, received: Callback, headers: Sequence[tuple[str, str]]) -> Callback:
        """The same request with other headers, of which some may be there twice."""
        return Callback.of(
            *(received.source, received.body),
            headers=headers, path=received.path, method=received.method, peer=received.peer, received_at=received.received_at,
        )  # fmt: skip

    def test_a_changed_signed_field_is_refused_or_loses_trust(self) -> None:
        """And trust says no more than that of what else the holder of a captured callback can change."""
        source = self.make_source()
        for type in source.scenes:
            played = self.play(source, type)
            before = source.verify(self.receive(played)).trust
            for name, changed in self.changed(played):
                received = self.receive(changed)
                if self.refusal(source, received) is None:
                    assert source.verify(received).trust.rank < before.rank, (type, name)
            self.check_captured(source, played)

    def test_a_tampered_callback_is_refused(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            refusal = self.refusal(source, self.receive(self.play(source, type, tampered=True)))
            assert isinstance(refusal, Untrusted), type
            assert refusal.code in REFUSAL_CODES - {"source_failed"}

    def test_an_expired_callback_is_refused(self) -> None:
        source = self.make_source()
        for type in source.scenes if self.expires else ():
            refusal = self.refusal(source, self.receive(self.play(source, type, expired=True)))
            assert isinstance(refusal, Untrusted), type
            assert refusal.code == "signature_expired"

    def test_a_repeat_has_the_same_ids_and_another_callback_has_others(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            received = self.receive(self.play(source, type))
            first, again = self.take(source, received)[1], self.take(self.make_source(), received)[1]
            other = self.take(source, self.receive(self.play(source, type, number=2)))[1]
            assert first == again
            assert not {event.id for event in first} & {event.id for event in other}

    def test_every_event_survives_the_store(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            for event in self.take(source, self.receive(self.play(source, type)))[1]:
                again = from_document(json.loads(to_json(event)), raw=event.raw)
                assert to_document(again) == to_document(event)
                assert again.raw == event.raw

    def test_no_credential_is_in_an_event(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            played = self.play(source, type)
            said = {**json.loads(played.body), **played.headers} if played.body.startswith(b"{") else played.headers
            hidden = [str(said[name]) for name in self.credentials if name in said]
            for event in self.take(source, self.receive(played))[1]:
                shown = to_json(event)
                for text in (*hidden, *self.secrets):
                    assert text not in shown, type
                assert not set(self.credentials) & set(event.extra)

    def test_no_credential_is_in_an_error_or_in_advice(self) -> None:
        source = self.make_source()
        for type in source.scenes:
            played = self.play(source, type)
            tricks = [self.play(source, type, tampered=True), *(changed for _, changed in self.changed(played))]
            tricks += [self.without(played, name) for name in self.credentials]
            for trick in tricks:
                refusal = self.refusal(source, self.receive(trick))
                for secret in self.secrets:
                    assert secret not in str(refusal)
                    assert secret not in " ".join(source.advice())
                    assert secret not in repr(source.options)

    def test_hostile_bodies_are_refused_and_nothing_else(self) -> None:
        source = self.make_source()
        for case in cases("body"):
            assert self.refusal(source, callback(case.value, received_at=self.now)) is not None, case.id

    def test_every_option_is_described(self) -> None:
        for name, field in self.make_source().Options.model_fields.items():
            assert field.description, name
