"""The web service: a page and an interface over what the ledger and packages hold."""
