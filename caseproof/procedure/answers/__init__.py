"""J8: what retailers answer, by mail, on the page and by hand, and what it becomes."""
