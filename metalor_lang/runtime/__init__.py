"""Views of snapshots and isolated steps."""
