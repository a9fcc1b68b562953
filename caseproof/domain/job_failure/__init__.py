"""Job failures (JF): the states, the events and the conditions of closing that are theirs."""
