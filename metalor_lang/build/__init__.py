"""Where plan and machine meet: contexts, COPY, bases, the walk, outputs."""
