"""Mail: what comes (inbound) and what goes (outbound)."""
