"""Implants, assessment and simulation; the pipeline never imports it."""
