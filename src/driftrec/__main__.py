"""`python -m driftrec` is the program `driftrec`."""

from driftrec.cli.app import main

if __name__ == "__main__":
    main()
