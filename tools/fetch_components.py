"""Fetches the servers that tests run against, ZooKeeper and Kafka, into .cache/jars. `make components` calls this.

Maven fetches what tools/components/pom.xml names, and every jar must be the one in jars.sha256. When they are all
there, Maven isn't asked. A machine that can't fetch them is told so: in CI that is a failure, on a laptop the tests
that need them skip. After an edit of the pom, `.venv/bin/python tools/fetch_components.py --lock` writes the lock anew.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JARS = ROOT / ".cache" / "jars"
POM = ROOT / "tools" / "components" / "pom.xml"
LOCK = POM.with_name("jars.sha256")
INSTALL = "sudo apt-get install openjdk-17-jre-headless maven && make components"


class CannotFetchError(Exception):
    """Something that isn't ours is missing: Java, Maven, the network."""


class WrongJarsError(Exception):
    """What was fetched is not what is locked."""


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each jar by its name."""
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


def locked(lock: Path = LOCK) -> dict[str, str]:
    """The same, as it must be; the file is what sha256sum writes."""
    rows = (line.split() for line in lock.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in rows}


def are_fetched(jars: Path = JARS, lock: Path = LOCK) -> bool:
    """Whether exactly the locked jars are there."""
    return digests(jars) == locked(lock)


def run_maven(target: Path, pom: Path = POM) -> None:
    """Copy the jars of the pom into a folder."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise CannotFetchError(f"`{program}` is missing; get ZooKeeper and Kafka with: {INSTALL}")
    # -C: a jar that isn't what the repository's own checksum says is an error.
    command = ["mvn", "-q", "-B", "-C", "-f", str(pom), "dependency:copy-dependencies"]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    if code := subprocess.run([*command, *options], check=False).returncode:
        raise CannotFetchError(f"Maven failed with exit code {code}: {' '.join(command)} (its words are above)")


def compare(found: dict[str, str], wanted: dict[str, str]) -> None:
    """Raise WrongJarsError, which names each jar that differs."""
    wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if wrong:
        lines = [f"  {name}: fetched {found.get(name)}, locked {wanted.get(name)}" for name in wrong]
        raise WrongJarsError("\n".join(["Jars that are not the locked ones, so nothing is kept:", *lines]))


def fetch(jars: Path, lock: Path, *, renew_lock: bool = False) -> None:
    """Put the jars there, all or none: they are looked at elsewhere and moved at the end."""
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as temporary:
        fetched = Path(temporary) / "jars"
        run_maven(fetched)
        found = digests(fetched)
        if renew_lock:
            lock.write_text("".join(f"{digest}  {name}\n" for name, digest in found.items()), encoding="utf-8")
        compare(found, locked(lock))
        shutil.rmtree(jars, ignore_errors=True)
        fetched.rename(jars)


def main(arguments: list[str], jars: Path = JARS, lock: Path = LOCK) -> int:
    """The exit code; 1 when jars are wrong, or in CI missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", action="store_true", help="write jars.sha256 anew from what Maven fetches")
    renew_lock: bool = parser.parse_args(arguments).lock
    if not renew_lock and are_fetched(jars, lock):
        return 0
    print("Fetching ZooKeeper and Kafka for the tests (43 MB, about 20 s)", flush=True)
    try:
        fetch(jars, lock, renew_lock=renew_lock)
    except WrongJarsError as error:
        print(error, file=sys.stderr)
        return 1
    except CannotFetchError as error:
        in_ci = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
        consequence = "in CI that is a failure" if in_ci else "TESTS THAT NEED THEM WILL SKIP"
        print(f"ZooKeeper and Kafka were not fetched, {consequence}: {error}", file=sys.stderr)
        return 1 if in_ci else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
