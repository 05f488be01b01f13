"""Program to plan: a graph of steps with keys; pure, everything of the outside world is handed in."""
