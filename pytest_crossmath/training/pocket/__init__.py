"""Training `pocket`, the tiny vision-language model that ships with the package."""
