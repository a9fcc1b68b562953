"""Mail that comes (inbound) and goes (outbound), and on-call calendars."""
