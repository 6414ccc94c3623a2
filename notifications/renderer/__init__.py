"""The renderer: a process of its own that knows Liquid and nothing else of Hiram."""
