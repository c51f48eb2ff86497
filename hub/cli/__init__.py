"""The command line: one file per noun; whatever is slow to import waits inside the commands."""
