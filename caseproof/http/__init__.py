"""The one HTTP client of the product, and what takes secrets out of what comes in."""
