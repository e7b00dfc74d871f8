"""Results on disk: either complete and readable, or clearly incomplete, at every instant.

A result folder::

    DIR/manifest.json              the newest plan: suite, settings, agents, seeds, fingerprints
    DIR/parts/AGENT-gN-SEED.npz    finished blocks of seeds of a run under way, of generation N
    DIR/parts/AGENT-gN-SEED.mark   a block that runs or has failed; its log is AGENT-gN-SEED.log (``store.marks``)
    DIR/data.zarr -> data-0001.zarr  the complete result; ``xarray.open_zarr("DIR/data.zarr")``
    DIR/.lock                      held by the process that plans or publishes
    DIR/.tmp-LABEL-12HEXDIGITS     half-written; debris unless the lock is held

Why nothing a kill leaves can be taken for a result:

1. *One commit point.* Readers reach arrays only through the link ``data.zarr``. It is replaced by
   ``rename``, which is atomic, and only after the store it is to lead to has been written under
   a temporary name, flushed to the disk file by file, and renamed to a name no reader uses. So
   the link leads to the old complete store or to the new complete store, or it isn't there.
2. *A store explains itself.* The published store carries its own settings, versions, seeds and
   generation as attributes. ``manifest.json`` is never needed to interpret it, hence the two
   cannot be mixed up when a run is killed between writing one and the other: the manifest is
   the plan of the folder, the link leads to its result, and equal generation numbers show that
   the result is the planned one.
3. *Parts are not results.* Readers never open them. A later run takes one over only if it is
   readable to its last byte and names the plan's generation and the agent's fingerprint (SHA-256
   of suite, settings, root seed, deciding versions, provenance, format). ``overwrite`` begins a new
   generation, so that it never takes over what it is to replace.
4. *Old goes last.* The old store and the parts are removed after the commit; a kill before that
   leaves debris which nothing refers to and the next writer removes. A store loses its name
   before its first file, and readers check after reading that the store they read is still there.
   Parts go one by one: those that a kill leaves are of a published generation, or of one before.
   So are those that a worker writes late whose driver was killed: its generation is in their names,
   so they replace nothing of a newer plan.
5. *Silent damage is seen.* A missing zarr chunk reads as a fill value without complaint, so each
   store is sealed with a SHA-256 over all names, numbers and attributes, checked on opening.
6. *One publisher.* A kernel lock on ``.lock``, which dies with its holder, keeps a second one out.
   Workers write parts without it: names are unique within a plan, a part appears whole by ``rename``, and its
   header is checked against the plan before it is used (3). Only the lock's holder removes anything, but for the
   mark of a block, which goes with whoever runs it. One that meets its half-written part removed writes it again.
   Several that run shares of one plan (``create`` with ``join``) hold the lock only to plan and to publish.
7. *Only its own files go.* A writer removes names of the forms above: parts, stores of other generations,
   temporary names. Other files in the folder stay. No other result can be among the removed files:
   a folder inside a result is refused, and so is any other output in a place that a result keeps for
   its own (``store.places``).
8. *Nothing is trusted.* A folder may come from anywhere. Its contents are opened only as regular files inside it, and
   unpacked only up to the size in their headers (``store.untrusted``); values are accepted only with the right type
   and range (``store.checked``).

Writes are atomic and durable on local file systems and NFS of version 4, as far as disks report a flush truly. A user
who opens ``data.zarr`` lazily through xarray should ``.load()`` it before the folder is overwritten: zarr would mix
chunks of two generations.
"""

from mgsc.experiments.store.census import Census, Counts, census
from mgsc.experiments.store.combine import merge, merge_datasets
from mgsc.experiments.store.contract import COORDINATES, VARIABLES, label, manifest_of
from mgsc.experiments.store.errors import IncompleteResultError, StoreError
from mgsc.experiments.store.folder import ResultFolder, create
from mgsc.experiments.store.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    Command,
    Manifest,
    StoredManifest,
    read_manifest,
)
from mgsc.experiments.store.marks import Mark
from mgsc.experiments.store.part_place import PartPlace
from mgsc.experiments.store.parts import Part
from mgsc.experiments.store.status import Status, open_result, status

__all__ = [
    "COORDINATES",
    "FORMAT_VERSION",
    "MANIFEST_NAME",
    "VARIABLES",
    "Census",
    "Command",
    "Counts",
    "IncompleteResultError",
    "Manifest",
    "Mark",
    "Part",
    "PartPlace",
    "ResultFolder",
    "Status",
    "StoreError",
    "StoredManifest",
    "census",
    "create",
    "label",
    "manifest_of",
    "merge",
    "merge_datasets",
    "open_result",
    "read_manifest",
    "status",
]
