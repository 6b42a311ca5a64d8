"""County borders: where they come from."""
