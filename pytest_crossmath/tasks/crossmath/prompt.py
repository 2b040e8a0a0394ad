"""The prompts: the same words in every form.

They never mention a table or a picture, so any gap can only come from the form.
"""

INSTRUCTION = """\
Solve this cross-math puzzle. Equations run across and down, and every ? stands for a positive \
integer. Work step by step, then end with the missing integers, row by row from left to right, \
as <answer>first, second, ...</answer>."""
"""The instruction for every model in every modality."""

COPY = """\
Copy this grid as a markdown table, exactly as it is: one line for each row, one column for each \
square, ? for a square with a question mark, and nothing in a square that is not part of the grid. \
Do not solve it."""
"""Prompt for a picture whose problem the model missed, to find out what the model saw."""
