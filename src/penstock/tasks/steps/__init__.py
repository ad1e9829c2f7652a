"""An answer at every step: a class, labels or numbers; without a target, the numbers of the next step."""
