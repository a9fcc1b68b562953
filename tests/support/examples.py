"""How many examples Hypothesis draws where a test says it itself; the profiles are in tests/conftest.py."""

from hypothesis import settings


def examples(short: int) -> int:
    """So many in the short run, ten times as many in the full one."""
    return short * (10 if settings.get_current_profile_name() == "full" else 1)
