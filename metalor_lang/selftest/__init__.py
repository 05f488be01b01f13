"""Checks of this machine and of this installation: `metalor doctor` and `metalor selftest`."""
