"""Generated from service/oracle.proto by service/generate.py; not written by hand."""
