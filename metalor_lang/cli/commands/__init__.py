"""One module a subcommand: `run(arguments) -> exit status`, imported when it is called."""
