"""Language: what token comes next in a text."""
