"""Forecasts: the next steps of each series, with intervals."""
