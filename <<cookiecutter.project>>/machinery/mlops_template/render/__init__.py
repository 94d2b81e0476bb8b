"""Numbers, Markdown, HTML and SVG. Knows no model."""
