"""`python -m driftrec` is the program `driftrec`."""

from driftrec.cli import main

if __name__ == "__main__":
    main()
