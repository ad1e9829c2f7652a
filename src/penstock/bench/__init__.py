"""``penstock bench``: this machine's roofline, and Penstock beside its peers. Answers are compared before times are."""
