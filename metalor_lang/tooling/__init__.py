"""What editors and the prompt ask of a recipe: completion, signatures, colours. Text in, data out."""
