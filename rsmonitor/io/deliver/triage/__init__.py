"""The triage file and its QGIS project: where an analyst says what a site is."""
