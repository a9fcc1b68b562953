"""J5: notices, reminders and the word that it works again, to retailers."""
