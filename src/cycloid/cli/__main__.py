"""`python -m cycloid.cli`: the command line without its script."""

from cycloid.cli import main

if __name__ == "__main__":
    main()
