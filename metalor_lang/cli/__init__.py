"""The command line: one file a subcommand, events to terminal."""
