"""The plugin: it adds sub-commands alone, which stand in its manifest; it runs no service."""

import sys

plugin = sys.modules[__name__]
