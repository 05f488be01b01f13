"""Talk to a build: statements run as they are typed, and every one can be taken back."""
