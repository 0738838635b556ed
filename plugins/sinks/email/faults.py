"""What a mail server's answer means: again, never for this mail or recipient, or a broken target."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from typing import Final, Literal

import aiosmtplib

from gateway import DeliveryFailed, Refused, Retry, Unavailable, network_failure, redact_start, visible

SmtpStage = Literal["MAIL", "RCPT", "DATA"]

_ENHANCED: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_NOT_OFFERED: Final = re.compile(r"not supported by|No suitable authentication")  # the library has no class for it
_TEXT_CHARS_MAX: Final = 200  # characters of a server's own words
_TOO_LARGE: Final = 552

# Servers' own words, where the number says too little: Postfix answers everything at RCPT, and much with 5.7.1.
_ADDRESS: Final = re.compile(r"<[^<>\s]*>|\S+@\S+")  # because a mailbox may be called sender@ or policy@
_NAMES_US: Final = re.compile(  # also beside words about a mailbox: `Sender address rejected: User unknown`
    r"\bsender (?:address|domain|verif|denied|rejected|is |not )|verification failed for|client host|\b(?:helo|ehlo) command"
    r"|relay(?:ing)? (?:access )?(?:is )?(?:denied|prohibited|not permitted|not allowed)|for sending|from sending"
    r"|sending (?:is|has been|was)|you (?:have|had) (?:reached|exceeded|sent)|you've (?:reached|exceeded|sent)|from you\b"
    r"|your (?:ip|host|server|network|domain)\b",
    re.IGNORECASE,
)
_NAMES_RULE: Final = re.compile(  # which outweighs x.1.x and x.2.x where no mailbox is named
    r"\bclient\b|\bhelo\b|\behlo\b|\brelay|\bpolic(?:y|ies)\b|\bspf\b|\bdkim\b|\bdmarc\b|\brbl\b|dnsbl"
    r"|block ?list|black ?list|spamhaus|your account",
    re.IGNORECASE,
)
_NAMES_RECIPIENT: Final = re.compile(
    r"user unknown|unknown (?:user|recipient|mailbox)|no such (?:user|recipient|mailbox|address|account|person)"
    r"|(?:user|recipient|mailbox|account|address) (?:\S+ )?(?:does not|doesn't|doesnt) exist"
    r"|(?:user|recipient|mailbox|account|address) (?:\S+ )?(?:not found|unavailable|is disabled|disabled|is full|full|inactive)"
    r"|recipient address rejected(?!.*(?:polic|quota|rate|limit|sender|client|helo|ehlo|gr[ae]ylist|spf|dkim|dmarc|rbl|dnsbl"
    r"|black|block|spam|forged|reputation|authori[sz]ed|hostname|reverse|\bptr\b|your ))"
    r"|invalid (?:recipient|mailbox)|bad destination|no mailbox here|not a valid mailbox|mailbox name not allowed",
    re.IGNORECASE,
)
_NAMES_SENDER: Final = re.compile(
    r"\bsender\b|send ?(?:as|on ?behalf)|outbound|submission|daily|sending (?:limit|quota|rate)|your (?:limit|quota)"
    r"|limit for message recipients|recipient limit|(?:quota|limit) exceeded for|mail from",
    re.IGNORECASE,
)
_NAMES_TARGET: Final = re.compile(
    r"client|\bhelo\b|\behlo\b|relay|sender|polic|quota|\brate\b|limit|too many|too much|throttl|authenticat|\bauth\b"
    r"|log ?in|credential|permission|send ?(?:as|on ?behalf)|authoriz|authoris|not permitted|not allowed to send"
    r"|blocked using|block(?:ed)? ?list|black ?list|deny ?list|\brbl\b|dnsbl|spamhaus|reputation|\bdmarc\b|\bspf\b|\bdkim\b"
    r"|reverse dns|\bptr\b|hostname|\bip\b|your (?:ip|host|server|network|domain|account)|tenant|starttls|encrypt|\btls\b"
    r"|service (?:is )?(?:unavailable|not available)|outbound|submission|suspended|transmit|access denied",
    re.IGNORECASE,
)
_NAMES_CONTENT: Final = re.compile(
    r"spam|virus|malware|phish|content|attachment|infected|header|subject|message (?:size|too)|too (?:large|big)",
    re.IGNORECASE,
)


class Blame(enum.Enum):
    """Whose fault a refusal is."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    TARGET = "target"  # the server, or its opinion of us: the same for every mail
    UNSAID = "unsaid"  # nobody is named: what is said to all is about us, what is said to some is about them


def one_line(code: int, message: str) -> str:
    """An answer on one line, without secrets."""
    words = visible(redact_start(" ".join(str(message).split()), 64 * _TEXT_CHARS_MAX))
    return f"{code} {words}".strip()[:_TEXT_CHARS_MAX]


def is_permanent(code: int, message: str, again: Collection[int] = ()) -> bool:
    """Whether trying again is of no use. An enhanced code (RFC 3463) knows better than the code before it."""
    if code in again or not 400 <= code <= 599:
        return False
    enhanced = _ENHANCED.match(message)
    return enhanced[1] == "5" if enhanced and enhanced[1] in "45" else code >= 500


def fault_of(stage: SmtpStage, code: int, message: str) -> Blame:
    """Whose fault it is, by the enhanced status (RFC 3463): x.1.x and x.2.x are about a recipient, x.6.x and sizes about
    the message, and the rest about us, the server or its rules; words where there is no number, or too wide a one."""
    words = " ".join(str(message).split())
    enhanced = _ENHANCED.match(words)
    subject, detail = (int(enhanced[2]), int(enhanced[3])) if enhanced else (None, None)
    words = _ADDRESS.sub("<>", words)
    if stage == "MAIL":
        large = (code == _TOO_LARGE and subject != 2) or (subject, detail) in {(3, 4), (2, 3)}
        ours = _NAMES_SENDER.search(words) or _NAMES_US.search(words) or "quota" in words.lower()
        return Blame.MESSAGE if large and not ours else Blame.TARGET
    if (subject, detail) == (2, 3):
        return Blame.MESSAGE
    if _NAMES_US.search(words):
        return Blame.TARGET
    if subject in {1, 2}:
        rule = _NAMES_SENDER.search(words) or _NAMES_RULE.search(words)
        about_us = (subject == 1 and detail in {7, 8, 9}) or (rule and not _NAMES_RECIPIENT.search(words))
        return Blame.TARGET if about_us else Blame.RECIPIENT
    if subject == 6 or (subject, detail) == (3, 4):
        return Blame.MESSAGE
    if _NAMES_RECIPIENT.search(words):
        return Blame.RECIPIENT
    if _NAMES_TARGET.search(words):
        return Blame.TARGET
    if stage == "RCPT":
        return Blame.UNSAID
    if code == _TOO_LARGE or _NAMES_CONTENT.search(words):
        return Blame.MESSAGE
    return Blame.TARGET  # what is answered to the mail is answered to all of its recipients


def given_to_all(answers: Mapping[str, tuple[int, str]], again: Collection[int] = ()) -> str | None:
    """The answer that shuts the whole target, where every recipient of a mail was refused and not for its own sake."""
    for code, message in answers.values():
        if is_permanent(code, message, again) and fault_of("RCPT", code, message) in {Blame.TARGET, Blame.UNSAID}:
            return one_line(code, message)
    return None


def names_a_recipient(error: Exception) -> bool:
    """Whether the answer to a whole mail speaks of one of its recipients, without saying of whom."""
    if not isinstance(error, aiosmtplib.SMTPDataError):
        return False
    return fault_of("DATA", error.code, error.message) is Blame.RECIPIENT


def judge(error: BaseException, where: str, again: Collection[int] = ()) -> DeliveryFailed:
    """The outcome of a mail that failed as a whole. `again`: codes from 500 on that mean later."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        # not the server's words, because some repeat what was sent to them
        if is_permanent(error.code, error.message, again):
            return Unavailable(f"{where} does not let us in ({error.code}): check username and password")
        return Retry(f"{where} cannot check the password now ({error.code})", service=True)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{where}: {one_line(error.code, error.message)}"
        if not is_permanent(error.code, error.message, again):
            return Retry(text, service=True)
        if isinstance(error, aiosmtplib.SMTPDataError):
            fault = fault_of("DATA", error.code, error.message)
        elif isinstance(error, aiosmtplib.SMTPSenderRefused):
            fault = fault_of("MAIL", error.code, error.message)
        else:
            fault = Blame.TARGET  # of the greeting, or of our name
        return Unavailable(text) if fault is Blame.TARGET else Refused(text)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return Unavailable(f"{where} cannot do what is asked of it: {one_line(0, error.message)[2:]}")
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return Retry(f"{where} closed the connection", service=True)
    if isinstance(error, aiosmtplib.SMTPTimeoutError | TimeoutError):
        return Retry(f"{where} did not answer in time", service=True)
    if isinstance(error, aiosmtplib.SMTPConnectError | OSError):
        return network_failure(error, where)
    if isinstance(error, aiosmtplib.SMTPException) and _NOT_OFFERED.search(str(error.message)):
        what = "STARTTLS" if "STARTTLS" in str(error.message) else "a way to log in that we know"
        return Unavailable(f"{where} does not offer {what}; see `tls`, `port` and `username`")
    return Retry(f"{where}: {type(error).__name__}", service=isinstance(error, aiosmtplib.SMTPException))
