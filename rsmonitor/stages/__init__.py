"""The science, pure: arrays and geometry in, arrays and geometry out."""
