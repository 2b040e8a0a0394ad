"""Training of `pocket`, the tiny vision-language model that ships with the package."""
