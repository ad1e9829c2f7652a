"""A trained model carried to where there is no Python: a folder of files, each format a module."""
