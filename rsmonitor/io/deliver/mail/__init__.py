"""Packages as letters: written, and handed to a mail server."""
