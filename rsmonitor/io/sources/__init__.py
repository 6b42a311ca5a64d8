"""Where scenes come from; each module satisfies ``SceneSource``."""
