"""mnist_lib: a network of 13,960 numbers that reads handwriting, and what it takes to understand it.

Nothing is imported here, so `import mnist_lib` costs nothing; take what you need from its modules.
"""
