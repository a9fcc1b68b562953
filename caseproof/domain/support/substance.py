"""What these are called for those who look for them here."""

from caseproof.domain.substance import (
    is_address,
    is_one_of,
    same_text,
    says_something,
    stands_in,
    texts_of,
)

__all__ = ["is_address", "is_one_of", "same_text", "says_something", "stands_in", "texts_of"]
