"""Python's cyclic collector, set for processes that live long and make many short-lived objects."""

import gc


def calm_collector() -> None:
    """Keep the collector from walking what lives as long as the process does; call it once all is loaded.

    A loader makes many short-lived objects and few cycles; the defaults cost it a fifth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
