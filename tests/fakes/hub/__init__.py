"""A local stand-in for the HuggingFace Hub and its CDN. See README.md."""
