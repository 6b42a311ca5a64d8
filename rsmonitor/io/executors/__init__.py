"""Who does the work: an in-process pool now, a cluster later."""
