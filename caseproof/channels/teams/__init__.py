"""Teams: a card, and the web hook that posts it."""
