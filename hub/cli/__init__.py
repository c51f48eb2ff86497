"""The command line: one file per noun; heavy imports wait until a command runs."""
