"""``penstock serve``: trained models behind HTTP, their states in the clients' hands. No torch."""
