"""How much of each attack is run; `make adversarial` asks for all of it, `make test` for a little."""

import os
from typing import Final

EVERY: Final = int(os.environ.get("METALOR_ATTACK_EVERY", "12"))
"""Extractors other than our own run on each n-th hostile layer set."""

LOOKUPS: Final = int(os.environ.get("METALOR_ATTACK_LOOKUPS", "30000"))
"""Path look-ups under attack, over all places."""

MUTANTS: Final = int(os.environ.get("METALOR_ATTACK_MUTANTS", "300"))
"""Mutated archives that are compared with other readers."""

SEED: Final = int(os.environ.get("METALOR_ATTACK_SEED", "1"))
"""Start of every random choice."""
