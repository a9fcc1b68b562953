"""Who is called, and why: people, their hours, shifts and leave in; answers out. Pure, the time is a parameter."""
