"""Images made from a seed, and the way to push them: the same seed gives the same digests everywhere.

Owns what the workloads consist of. Layers are real gzip-compressed tars of bytes that neither shrink nor take time to
squeeze, since some tools look into layers or compress them anew.
"""

import gzip
import hashlib
import http.client
import io
import json
import tarfile
import urllib.parse
from dataclasses import dataclass

AGENT = "regsync-bench"
OCI = "application/vnd.oci.image."
MANIFEST, INDEX = f"{OCI}manifest.v1+json", f"{OCI}index.v1+json"
CONFIG, LAYER = f"{OCI}config.v1+json", f"{OCI}layer.v1.tar+gzip"
PLATFORMS = ["amd64", "arm64", "arm/v7", "arm/v6", "386", "ppc64le", "s390x", "riscv64"]
KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Tag:
    """A tag that must be at the target in the end, and its digest."""

    repository: str
    name: str
    digest: str


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def canonical(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def layer(name, size):
    """A layer with one file of `size` bytes that follow from `name` alone: (compressed bytes, digest of the tar)."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("layer/" + hashlib.sha256(name.encode()).hexdigest()[:12])
        member.size = size
        archive.addfile(member, io.BytesIO(hashlib.shake_128(name.encode()).digest(size)))
    content = tar.getvalue()
    return gzip.compress(content, compresslevel=0, mtime=0), sha256(content)


class Registry:
    """The distribution API of one registry over one connection: enough to fill it and to look at it."""

    def __init__(self, address):
        host, _, port = address.partition(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=300)
        self.homes = {}

    def call(self, method, path, body=None, headers=()):
        """(status, headers, body) of one request."""
        self.connection.request(method, path, body, {"User-Agent": AGENT, **dict(headers)})
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def write(self, method, path, body=b"", media_type="application/octet-stream"):
        status, headers, answer = self.call(method, path, body, {"Content-Type": media_type})
        if status not in (201, 202):
            raise SystemExit(f"{method} {path}: {status} {answer[:200]!r}")
        return status, headers

    def push_blob(self, repository, content, media_type):
        """Pushes a blob, or mounts it from where it was pushed before. Returns its descriptor."""
        digest = sha256(content)
        home = self.homes.setdefault(digest, repository)
        mount = "" if home == repository else "?" + urllib.parse.urlencode({"mount": digest, "from": home})
        status, headers = self.write("POST", f"/v2/{repository}/blobs/uploads/{mount}")
        if status == 202:
            where = urllib.parse.urlsplit(headers["Location"])
            query = "&".join(part for part in (where.query, urllib.parse.urlencode({"digest": digest})) if part)
            self.write("PUT", f"{where.path}?{query}", content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def push_manifest(self, repository, manifest, tag=None):
        """Puts a manifest by tag, or by its digest. Returns its descriptor."""
        content = canonical(manifest)
        digest, media_type = sha256(content), manifest["mediaType"]
        self.write("PUT", f"/v2/{repository}/manifests/{tag or digest}", content, media_type)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def push_image(self, repository, layers, tag=None, platform="amd64"):
        """Pushes an image of `layers`, each as `layer` makes them. Returns its descriptor."""
        config = {"os": "linux", **architecture(platform), "config": {}}
        config["rootfs"] = {"type": "layers", "diff_ids": [tar for _, tar in layers]}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.push_blob(repository, canonical(config), CONFIG),
            "layers": [self.push_blob(repository, content, LAYER) for content, _ in layers],
        }
        return self.push_manifest(repository, manifest, tag)

    def faults(self, tags, with_blobs):
        """What is wrong with `tags` here, by the bytes that are served: one line for each."""
        return [f"{tag.repository}:{tag.name}: {fault}" for tag in tags for fault in self.faults_of(tag, with_blobs)]

    def faults_of(self, tag, with_blobs):
        pending, reference = [tag.digest], tag.name
        while pending:
            digest = pending.pop()
            path = f"/v2/{tag.repository}/manifests/{reference or digest}"
            status, _, content = self.call("GET", path, headers={"Accept": f"{MANIFEST}, {INDEX}"})
            reference = None
            if status != 200 or sha256(content) != digest:
                yield f"{status}, {sha256(content)}, not {digest}"
                continue
            manifest = json.loads(content)
            pending += [child["digest"] for child in manifest.get("manifests", [])]
            blobs = [manifest["config"], *manifest["layers"]] if with_blobs and "config" in manifest else []
            for blob in blobs:
                status, headers, _ = self.call("HEAD", f"/v2/{tag.repository}/blobs/{blob['digest']}")
                if status != 200 or int(headers["Content-Length"]) != blob["size"]:
                    yield f"the blob {blob['digest']} is not there ({status})"


def architecture(platform):
    name, _, variant = platform.partition("/")
    return {"architecture": name, **({"variant": variant} if variant else {})}


def scaled(number, scale, least=1):
    return max(least, round(number * scale))


def many(registry, seed, scale):
    """500 tags in 20 repositories; each image has a config and two layers of 4 KiB of its own."""
    tags = scaled(500, scale, 6)
    repositories = scaled(20, scale, 2)
    for number in range(tags):
        repository, tag = f"many/app{number % repositories:02}", f"v1.{number // repositories}.0"
        layers = [layer(f"{seed}/many/{number}/{which}", 4 * KIB) for which in range(2)]
        yield Tag(repository, tag, registry.push_image(repository, layers, tag)["digest"])


def big(registry, seed, scale):
    """One image of 1 GiB in 8 layers."""
    layers = [layer(f"{seed}/big/{which}", scaled(128 * MIB, scale, KIB)) for which in range(8)]
    yield Tag("big/model", "v1", registry.push_image("big/model", layers, "v1")["digest"])


def shared(registry, seed, scale):
    """50 repositories, an image in each: 5 layers of 8 MiB that all have, and one of 64 KiB of its own."""
    common = [layer(f"{seed}/shared/base/{which}", scaled(8 * MIB, scale, KIB)) for which in range(5)]
    for number in range(scaled(50, scale, 3)):
        repository = f"shared/svc{number:02}"
        own = layer(f"{seed}/shared/own/{number}", 64 * KIB)
        yield Tag(repository, "v1", registry.push_image(repository, [*common, own], "v1")["digest"])


def index(registry, seed, scale):
    """One index of 8 platforms, each an image with 3 layers of 4 MiB."""
    manifests = []
    for platform in PLATFORMS:
        layers = [layer(f"{seed}/index/{platform}/{which}", scaled(4 * MIB, scale, KIB)) for which in range(3)]
        image = registry.push_image("multi/app", layers, platform=platform)
        manifests.append({**image, "platform": {"os": "linux", **architecture(platform)}})
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    yield Tag("multi/app", "v1", registry.push_manifest("multi/app", top, "v1")["digest"])


@dataclass(frozen=True)
class Workload:
    """What is at the source, and whether the target has it already."""

    fill: object
    in_sync: bool
    words: str


WORKLOADS = {
    "noop": Workload(many, True, "500 tags in 20 repositories, all in sync"),
    "cold": Workload(many, False, "the same 500 tags, nothing at the target"),
    "big": Workload(big, False, "one image of 1 GiB in 8 layers"),
    "shared": Workload(shared, False, "50 repositories, 5 common layers of 8 MiB and one of their own"),
    "index": Workload(index, False, "an index of 8 platforms, 3 layers of 4 MiB each"),
}
