"""How many examples Hypothesis draws where a test says it itself; the profiles are in tests/conftest.py."""

from hypothesis import settings


def examples(short: int, full: int = 0) -> int:
    """So many in the short run; in the full one ``full``, or ten times as many."""
    return (full or short * 10) if settings.get_current_profile_name() == "full" else short
