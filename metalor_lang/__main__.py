"""`python -m metalor_lang` is `metalor`."""

from metalor_lang.cli.main import entry

if __name__ == "__main__":
    entry()
