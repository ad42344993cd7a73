"""The browser lab: instruments that show calculus at work, served to this machine alone."""

from cycloid.lab.app import create_app, serve

__all__ = ["create_app", "serve"]
