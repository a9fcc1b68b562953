"""Flow runs: given to cases and incidents, woken, revived and buried."""
