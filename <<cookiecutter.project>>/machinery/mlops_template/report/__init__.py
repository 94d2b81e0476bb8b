"""What is said about a result, on the terminal, in Markdown and as a page. Reads everything, decides nothing."""
