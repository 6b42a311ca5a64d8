"""What comes back from people: results of triage and inspection, and tips."""
