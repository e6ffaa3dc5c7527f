"""Places: province, district, commune, village; with a dated location class."""
