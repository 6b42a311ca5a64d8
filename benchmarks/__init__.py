"""Measurements beside what they are compared with: scripts, no part of the package."""
