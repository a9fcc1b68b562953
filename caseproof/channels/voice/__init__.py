"""The telephone: a call is placed, speaks, hears a key, and is followed to its end."""
