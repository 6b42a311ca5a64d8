"""Maps, chips and plots: what people look at."""
