"""Training a language model on text, from files to a model folder: ``penstock.train.run.train``."""
