"""What a model is asked: the same words in every form.

They never say "the table" or "the picture", so that a gap can only come from the form.
"""

INSTRUCTION = """\
Solve this cross-math puzzle. Equations run across and down, and every ? stands for a positive \
integer. Work step by step, then end with the missing integers, row by row from left to right, \
as <answer>first, second, ...</answer>."""
"""What every model is asked in every modality."""

COPY = """\
Copy this grid as a markdown table, exactly as it is: one line for each row, one column for each \
square, ? for a square with a question mark, and nothing in a square that is not part of the grid. \
Do not solve it."""
"""What a model is asked about a picture that it missed, to find out what it saw."""
