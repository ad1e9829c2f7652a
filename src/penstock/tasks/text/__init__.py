"""One answer for each text: a class, labels or numbers."""
