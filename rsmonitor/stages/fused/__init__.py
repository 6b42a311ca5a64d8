"""Stages again, each in one pass over the pixels; the plain ones are their oracles."""
