"""Parsers of single settings: text, files, keys."""
