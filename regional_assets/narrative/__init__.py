"""The optional language-model edge: what is asked, whom, and what of the answer is taken."""
