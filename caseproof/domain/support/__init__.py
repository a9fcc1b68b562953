"""Support cases: a problem climbs the ladder L1, L2, product team, development, through the gates of E1 to E6."""
