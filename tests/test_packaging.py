"""Promises of the package as such: locks without hosts, in step with pyproject; light imports."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mgsc
import mgsc.experiments

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {path.name: path for path in sorted(ROOT.glob("requirements*.lock"))}

# In pieces, so that this file does not name them either.
REGISTRY_HOST = re.compile("|".join(["py" + r"pi\.org", "python" + r"hosted", "npm" + r"js\.", "deb" + r"ian\.org"]))
LOCK_ENTRY = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<marker> ; [^\\]+)?")


def locked(name: str) -> dict[str, str]:
    """Package → version of the named lock."""
    entries = (LOCK_ENTRY.match(line) for line in LOCKS[name].read_text().splitlines())
    return {entry["name"]: entry["version"] for entry in entries if entry}


def declared() -> list[tuple[str, str]]:
    """(lock, requirement) for everything pyproject asks for."""
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    extras = project["optional-dependencies"]
    where = {
        "requirements.lock": project["dependencies"] + extras["experiments"] + groups["build"],
        "requirements-bench.lock": project["dependencies"] + extras["bench"],
        "requirements-gymnasium.lock": project["dependencies"] + extras["gymnasium"],
        "requirements-mujoco.lock": project["dependencies"] + extras["mujoco"],
        "requirements-tensorboard.lock": project["dependencies"] + extras["tensorboard"],
        "requirements-wandb.lock": project["dependencies"] + extras["wandb"],
        "requirements-tracking.lock": extras["tensorboard"] + extras["wandb"] + groups["tracking"],
        "requirements-slurm.lock": project["dependencies"] + extras["slurm"],
        "requirements-ray.lock": project["dependencies"] + extras["ray"],
        "requirements-cluster.lock": extras["slurm"] + extras["ray"] + groups["cluster"],
        "requirements-test.lock": groups["test"] + extras["gymnasium"],
        "requirements-gymnax.lock": groups["gymnax"],
        "requirements-lint.lock": groups["lint"],
        "requirements-docs.lock": groups["docs"],
    }
    return [(lock, requirement) for lock, listed in where.items() for requirement in listed]


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_the_locks_are_those_the_makefile_installs() -> None:
    assert set(LOCKS) == {lock for lock, _ in declared()}


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_names_versions_and_hashes_only(name: str) -> None:
    hash_line = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    lines = LOCKS[name].read_text().splitlines()
    assert len(lines) > 2
    previous_is_entry = False
    for line in lines:
        if hash_line.fullmatch(line):
            previous_is_entry = False
            continue
        assert re.fullmatch(LOCK_ENTRY.pattern + r" \\", line), line
        assert not previous_is_entry, f"an entry before {line!r} has no hash"
        previous_is_entry = True
    assert not previous_is_entry, "the last entry has no hash"


@pytest.mark.parametrize(("name", "text"), declared())
def test_lock_satisfies_pyproject(name: str, text: str) -> None:
    requirement = Requirement(text)
    version = locked(name)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{version}: run `make lock`"


def test_locks_agree_with_each_other() -> None:
    pinned: dict[str, set[str]] = {}
    for lock in LOCKS:
        for package, version in locked(lock).items():
            pinned.setdefault(package, set()).add(version)
    # gymnax needs an older Gymnasium; that is why it has an environment of its own.
    assert {package for package, found in pinned.items() if len(found) > 1} <= {"gymnasium"}


def test_no_tracked_file_names_a_registry() -> None:
    named = {}
    for path in tracked_files():
        content = path.read_bytes().decode(errors="ignore")
        if found := REGISTRY_HOST.search(content):
            named[str(path.relative_to(ROOT))] = found.group()
    assert named == {}


@pytest.mark.parametrize("module", ["mgsc", "mgsc.cli", "mgsc.experiments"])
def test_import_is_light(module: str) -> None:
    heavy = {"jax", "jaxlib", "numpy", "scipy", "optax", "matplotlib", "xarray", "zarr", "pandas", "gymnasium"}
    code = f"import sys, {module}; print(*({heavy} & sys.modules.keys()))"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", [mgsc, mgsc.experiments])
def test_public_names_resolve(package) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", [mgsc, mgsc.experiments])
def test_public_names_are_few(package) -> None:
    assert 15 <= len(package.__all__) <= 28
    assert len(set(package.__all__)) == len(package.__all__)


@pytest.mark.parametrize("package", [mgsc, mgsc.experiments])
def test_unknown_name_is_an_attribute_error(package) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        package.nonsense  # noqa: B018


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel, built and installed by itself into a folder."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_all_files_of_the_package(installed: Path) -> None:
    source = ROOT / "src" / "mgsc"
    tracked = [path for path in tracked_files() if source in path.parents]
    assert len(tracked) > 150
    missing = [str(path) for path in tracked if not (installed / "mgsc" / path.relative_to(source)).exists()]
    assert missing == []


@pytest.mark.slow
def test_a_users_suite_runs_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    script = ROOT / "examples" / "own_suite.py"
    lines = [line for line in script.read_text().splitlines() if line.strip()]
    assert len(lines) <= 60, "environment, values, model and suite in one file"
    code = f"import mgsc, runpy, sys; print(mgsc.__file__); runpy.run_path({str(script)!r}, run_name='__main__')"
    env = {**os.environ, "PYTHONPATH": str(installed)}
    out = tmp_path / "result"
    command = [sys.executable, "-c", code, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    assert done.stdout.startswith(str(installed))
    compare = [sys.executable, "-m", "mgsc.cli", "compare", str(out)]
    shown = subprocess.run(compare, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    assert "meta_gradient" in shown.stdout
