"""What goes over HTTP, and what is hidden of it."""
