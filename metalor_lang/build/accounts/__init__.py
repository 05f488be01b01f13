"""What is kept of builds that ended, and what the next build of the same recipe says with it: why a step runs."""
