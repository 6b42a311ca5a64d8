"""The forms of the satellite parcel enforcement (卫片)."""
