"""The notebooks and the pages around them as one static site, outputs as committed: `python -m course book`."""
