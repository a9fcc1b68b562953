"""What reaches people: mail that comes (inbound) and goes (outbound), Teams, the telephone (voice), calendars."""
