"""``python -m costmodel.cli`` is the ``costmodel`` command."""

from costmodel.cli.main import main

if __name__ == "__main__":
    main()
