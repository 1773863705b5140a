"""The report as one HTML file: pictures are inline SVG, nothing is loaded, and without scripts it says the same."""
