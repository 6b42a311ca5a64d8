"""The field pack: what an inspector takes into hills without network."""
