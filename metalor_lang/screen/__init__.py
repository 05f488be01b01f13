"""What a person sees: texts fit for a terminal, colours, and the progress of builds."""
