"""Words of everyday texts, our own above all: a secret that is one of them is no reason to hide it in every sentence."""

from __future__ import annotations

from typing import Final

COMMON_WORDS: Final = frozenset(
    """
abcdef abcdefgh absent absolute accept accepted accepts access account accounts acknowledged active address
addresses administrator afresh against aiohttp aiomysql allowed already always another answer answered answers
anybody anything application apprise archive arguments around attachments attempt attempts authentication
authorization autumn awaited backup baseball batman bearer became because become becomes before beginning begins
behind believed belongs beside between bigint blocks bounded bounds brings broken bucket buttons callback
callbacks called caller camera cancel cancelled cannot carried carries certificate certificates change changed
changeme changes channel channels character characters charset checked checks chinese circuit classes clause
client clients closed closes cloudevents coalesce column columns command commit committed company compare
compared compiled complete completed config configuration configured conflict connect connection connections
connects console container content control counted counts covers create created credential credentials critical
current customer database databases decimal decoded default defaults delete deleted deliver delivered deliveries
delivery description descriptor detail development different digest digits disabled dispatcher distribution
docker document domain domains dotted doubled download dragon driver dropped duplicate duration egress either
elements elsewhere encoded encoding english enough environment erased errors escape escaped events everybody
everyone everything exactly example examples exception excluded exists expect expected expired expires expiry
expression expressions failed fields filter fingerprint finished flight folder followed football format formula
forward forwarded forwards function further future gateway gateways grafana grammar handed happened harmless
header headers health healthz height hexadecimal holder however identity ignore ignored implicit imported
imports incoming inline insert inside install installed instead integer internal invalid itself jitter joined
keepalives keyword kubernetes language leased leases leaves length letmein letter letters library limits listed
listen listener listeners literal loaded locale localhost located location locked longer longest looked losses
machine mailbox making malformed manager mapping mariadb markdown markup masked master matched matches
materialized meanwhile memory mention message messages method metrics migrate milliseconds minute mismatch
missing mistake module modules monitor monkey monotonic naming needed neither nested network newest nobody
normal normalise notfound nothing notify number numbers object office oldest opened operate operator option
options others outcome outcomes output outside package parameters parser parsing passed passes passphrase passwd
password passwords pattern paused pauses payload people person pieces placeholder played plugin plugins position
postgres postgresql pragma prefix prepared preview primary princess prints private problem problems process
production program project prometheus properties protocol provider proxies psycopg public publish pydantic
python quarantined question qwerty qwertyuiop raised raises reached readable reader readiness readonly reason
receipt received receiver recipient record recorder recording recordings refusal refuse refused refuses register
regular relative release reload remembered repaired repeat repeats replace replay request requests required
response restart result resume return returned returning returns routes routing running sample samples saying
scalar schema scheme search second seconds secret secrets section security select sender sending served server
servers service services session settings settle several shadow shared should sighup signal signature signatures
signed signing socket somebody something source sources spaces spring sqlite staging stalled standard stands
started starting starts statement statements status statuses stopped stopping storage stored stream streaming
streams strict string subject success summer sunshine superman surrogate synchronous system systems tables
target template templates terminal testing things thread through timeout timestamp timezone together tokens
tolerance transaction transport trying unavailable unique unknown unless unreadable untrusted update urgent
validation validity valueerror values variables variant vendor vendors verdict verification verified verify
version videos waited waiting wanted warning warnings webhook webhooks welcome whatever whether whoever winter
within without writer writes writing written
""".split()  # noqa: SIM905  because five hundred quoted words are a page that nobody reads
)
