"""Licence files; one reader a format."""
