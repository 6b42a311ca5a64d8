"""Who does the work: this process, or a Dask cluster."""
