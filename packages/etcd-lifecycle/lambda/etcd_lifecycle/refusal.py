"""What a person is told who asked for something that is not safe."""


class RefusedError(Exception):
    """It is not safe, or no longer what the person saw; nothing was changed."""
