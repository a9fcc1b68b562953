"""J1 to J4: the daily check, opening a case, and the stop, for one job and for thousands."""
