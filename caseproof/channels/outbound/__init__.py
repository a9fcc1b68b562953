"""Mail that goes: composed in the languages of retailers, and sent."""
