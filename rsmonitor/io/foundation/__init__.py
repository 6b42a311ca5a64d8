"""What the doors share: atomic writes, the GDAL environment, the clock."""
