"""The outside: scenes, stores, licence files, deliveries, executors."""
