"""What the commands do, a module for each group of the table."""
