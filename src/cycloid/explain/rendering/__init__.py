"""Explanations for readers: text for a terminal, pages of HTML, papers in LaTeX. The steps themselves are data."""
