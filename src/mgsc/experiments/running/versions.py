"""The versions of the packages behind a result."""

from __future__ import annotations

from mgsc.version import __version__


def versions() -> dict[str, str]:
    """Versions that decide or describe a result."""
    import platform
    from importlib import metadata

    packages = {package: metadata.version(package) for package in ("jax", "jaxlib", "numpy", "optax")}
    return {"mgsc": __version__, "python": platform.python_version(), **packages}
