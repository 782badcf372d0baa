"""The store in a browser: Datasette's raw tables, and pages of our own beside them.

``serving`` listens, ``app`` puts Datasette and our plugin together, ``guard`` refuses who is not
meant, ``pages`` answers; ``reading`` asks the store, ``runs`` and ``comparing`` make sense of it,
``predicted`` asks the trained model in a process of its own, ``figures`` draws.
"""

from __future__ import annotations

__all__: list[str] = []
