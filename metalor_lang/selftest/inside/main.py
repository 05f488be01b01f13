"""The program of a measuring step: facts first, then every attempt, as one JSON object on standard output."""

import json
import sys

from metalor_lang.selftest.inside.acts import Given
from metalor_lang.selftest.inside.attempts import ATTEMPTS, outcome_of
from metalor_lang.selftest.inside.facts import facts


def main() -> None:
    """Measure; `sys.argv[1]` is the canary's path."""
    found = facts()
    given = Given(canary=sys.argv[1])
    attempts = {attempt.name: outcome_of(attempt, given) for attempt in ATTEMPTS}
    sys.stdout.write(json.dumps({"facts": found, "attempts": attempts}))
    sys.stdout.flush()
