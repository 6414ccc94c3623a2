"""The delivery app's commands."""
