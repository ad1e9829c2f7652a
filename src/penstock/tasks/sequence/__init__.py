"""One answer for each series: a class, labels or numbers."""
