"""Where tickets live: what Caseproof asks of a ticket desk, and the embedded one."""
