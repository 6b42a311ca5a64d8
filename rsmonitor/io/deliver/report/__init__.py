"""The weekly report of a county, and the summary of a prefecture or province."""
