"""The nouns that pass between rooms: frozen, checked on construction, free of I/O."""
