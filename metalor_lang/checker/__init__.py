"""Tree to program: every name, stage, flag, context and source resolved before the first step."""
