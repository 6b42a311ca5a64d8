"""Run the command line with ``python -m rsmonitor``."""

from rsmonitor.cli import main

if __name__ == "__main__":
    main()
