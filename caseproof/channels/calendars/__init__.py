"""On-call calendars as iCalendar: fetched and kept, read into shifts, and written for whoever subscribes."""
