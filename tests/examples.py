"""How many examples a property is tried with: the same ones at every everyday run, others and more in a search.

`make test` must not fail by luck, and `make fuzz` is there to be lucky: what it finds becomes an `@example` of the test.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

EVERYDAY = 100  # examples of a property that says no number
SEARCH_TIMES = 10  # so many times more in a search
QUICK = 20  # examples of the same property in `make fast`

# No deadline, and not too slow to draw, because a busy machine is not a failure.
_PATIENT: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def register() -> None:
    """Make the everyday profile the usual one; `--hypothesis-profile` takes another: `quick` or `search`."""
    # No database, because what an earlier run found would make the next one another.
    settings.register_profile("everyday", max_examples=EVERYDAY, derandomize=True, database=None, **_PATIENT)
    settings.register_profile("quick", settings.get_profile("everyday"), max_examples=QUICK)
    settings.register_profile("search", max_examples=EVERYDAY * SEARCH_TIMES, print_blob=True, **_PATIENT)
    settings.load_profile("everyday")


def examples(count: int, *suppressed: HealthCheck, **options: Any) -> settings:
    """Settings for a property that takes long: `count` examples every day, more of them in a search, and fewer in `make fast`."""
    count = max(1, count * settings().max_examples // EVERYDAY)
    quiet = {*_PATIENT["suppress_health_check"], *suppressed}
    return settings(max_examples=count, suppress_health_check=sorted(quiet, key=str), **options)
