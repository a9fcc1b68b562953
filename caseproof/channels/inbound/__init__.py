"""Mail that comes: fetched, read, and told apart."""
