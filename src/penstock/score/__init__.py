"""``penstock score``: every row of many files, on all cores or on a Ray cluster, by the same scorer. No torch."""
