"""The measurement store: every measurement ever made, in one SQLite file that can be merged."""

from costmodel.store.location import default_path, open_store

__all__ = ["default_path", "open_store"]
