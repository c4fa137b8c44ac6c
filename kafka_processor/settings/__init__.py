"""How single settings are parsed: text, files, keys."""
