#!/usr/bin/env python3
"""Writes the images of the quickstart: `upstream/`, one OCI image layout per repository.

    python3 make_images.py            write examples/quickstart/upstream afresh
    python3 make_images.py --check    compare the committed bytes with what would be written

Every byte is ours and is the same on every machine: fixed dates and owners, gzip without
a timestamp and with stored blocks only (a compressor's output differs between zlib versions),
and a signature with a deterministic nonce. Standard library only.

| repository | tags                       | is                                                            |
|------------|----------------------------|---------------------------------------------------------------|
| `hello`    | 1.0                        | one platform, an OCI image manifest                           |
| `web`      | 2.4, 2.5, sha256-<hex>.sig | indexes of two platforms and their attestations; a signature  |
| `batch`    | 0.9                        | an OCI index whose one image is docker schema 2               |
| `chart`    | 1.2.0                      | a Helm chart                                                  |
| `policies` | v3                         | a generic artifact with the empty config                      |
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import io
import json
import re
import struct
import sys
import tarfile
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import p256  # noqa: E402 (beside this script; no cache of it wanted)

HERE = Path(__file__).resolve().parent
CREATED = "2026-01-15T09:00:00Z"
EPOCH = int(datetime.datetime(2026, 1, 15, 9, tzinfo=datetime.timezone.utc).timestamp())
MAX_BUNDLE = 400_000
# Signs the example and guards nothing: anyone can compute it from this line.
KEY = p256.private_key(b"regsync quickstart, not a secret")

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"


# --- bytes -------------------------------------------------------------------------------


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(value, indent=None):
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, indent=indent, separators=separators, ensure_ascii=False).encode()


def gzip(data):
    """A gzip member (RFC 1952) of stored blocks: no timestamp, no file name, no compressor."""
    out = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    chunks = [data[at : at + 0xFFFF] for at in range(0, len(data), 0xFFFF)] or [b""]
    for number, chunk in enumerate(chunks, 1):
        out.append(struct.pack("<BHH", number == len(chunks), len(chunk), len(chunk) ^ 0xFFFF))
        out.append(chunk)
    out.append(struct.pack("<II", binascii.crc32(data), len(data)))
    return b"".join(out)


def tar(files):
    """A tar of `{path: text or bytes}`, parents included; a path below a `bin` is executable."""
    entries = {parent.as_posix(): None for path in files for parent in Path(path).parents if parent.name}
    entries.update(files)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(entries.items()):
            entry = tarfile.TarInfo(path)
            entry.mtime, entry.mode = EPOCH, 0o755
            if content is None:
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
                continue
            content = content.encode() if isinstance(content, str) else content
            entry.size = len(content)
            entry.mode = 0o755 if "bin" in Path(path).parent.parts else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def elf(architecture, message):
    """A static Linux program that writes `message` and exits 0, so that the images really run."""
    text = message.encode()
    start = 64 + 56
    if architecture == "amd64":
        machine = 62
        code = b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00"  # mov eax, write; mov edi, stdout
        code += b"\x48\x8d\x35" + struct.pack("<i", 16)  # lea rsi, [rip + 16]: just past the code
        code += b"\xba" + struct.pack("<I", len(text)) + b"\x0f\x05"  # mov edx, len; syscall
        code += b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # mov eax, exit; xor edi, edi; syscall
    else:
        machine = 183
        words = [0xD2800020, 0x10000001 | (7 << 5), 0xD2800002 | (len(text) << 5), 0xD2800808]
        words += [0xD4000001, 0xD2800000, 0xD2800BA8, 0xD4000001]  # svc; mov x0, 0; mov x8, exit; svc
        code = struct.pack("<8I", *words)
    size, base = start + len(code) + len(text), 0x400000
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + code + text


# --- images ------------------------------------------------------------------------------


class Layout:
    """One OCI image layout: blobs by digest, tags as `ref.name` annotations of `index.json`."""

    def __init__(self):
        self.blobs, self.tags = {}, []

    def blob(self, media_type, data, **more):
        self.blobs[sha256(data)] = data
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data), **more}

    def tag(self, name, descriptor):
        self.tags.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}})

    def files(self):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": self.tags}
        yield "oci-layout", encode({"imageLayoutVersion": "1.0.0"})
        yield "index.json", encode(index, 2)
        for digest, data in self.blobs.items():
            yield "blobs/" + digest.replace(":", "/"), data


def labels(title, version):
    prefix = "org.opencontainers.image."
    values = {"title": title, "version": version, "licenses": "MIT OR Apache-2.0"}
    return {prefix + key: value for key, value in values.items()}


def image(layout, name, version, architecture, layers, docker=False):
    """An image manifest over `[(how it came to be, tar)]`; `docker` writes it as schema 2."""
    config = {
        "created": CREATED,
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/bin:/bin"],
            "Entrypoint": ["/bin/" + name],
            "WorkingDir": "/",
            "Labels": labels(name, version),
        },
        "rootfs": {"type": "layers", "diff_ids": [sha256(data) for _, data in layers]},
        "history": [{"created": CREATED, "created_by": made} for made, _ in layers]
        + [{"created": CREATED, "created_by": f'ENTRYPOINT ["/bin/{name}"]', "empty_layer": True}],
    }
    types = [OCI + "manifest.v1+json", OCI + "config.v1+json", OCI + "layer.v1.tar+gzip"]
    if docker:
        types = ["distribution.manifest.v2+json", "container.image.v1+json", "image.rootfs.diff.tar.gzip"]
        types = [DOCKER + suffix for suffix in types]
    manifest = {
        "schemaVersion": 2,
        "mediaType": types[0],
        "config": layout.blob(types[1], encode(config)),
        "layers": [layout.blob(types[2], gzip(data)) for _, data in layers],
    }
    # Docker indents by three. Copies are byte for byte, so each keeps its own habit.
    return layout.blob(types[0], encode(manifest, 3 if docker else 2))


def attestation(layout, name, version, child):
    """What BuildKit adds to an index for each platform: an SPDX and a provenance statement."""
    subject = [{"name": f"pkg:docker/{name}@{version}", "digest": {"sha256": child["digest"][7:]}}]
    files = [{"SPDXID": "SPDXRef-Program", "fileName": f"/bin/{name}", "licenseConcluded": "MIT OR Apache-2.0"}]
    predicates = {
        "https://spdx.dev/Document": {
            "spdxVersion": "SPDX-2.3",
            "SPDXID": "SPDXRef-DOCUMENT",
            "dataLicense": "CC0-1.0",
            "name": f"{name}-{version}",
            "documentNamespace": f"https://example.com/spdx/{name}/{version}/{child['digest'][7:19]}",
            "creationInfo": {"created": CREATED, "creators": ["Tool: make_images.py"]},
            "files": files,
        },
        "https://slsa.dev/provenance/v0.2": {
            "builder": {"id": "https://example.com/make_images.py"},
            "buildType": "https://example.com/quickstart@v1",
            "metadata": {"buildFinishedOn": CREATED, "reproducible": True},
        },
    }
    layers = []
    for kind, predicate in predicates.items():
        statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind}
        data = encode({**statement, "subject": subject, "predicate": predicate})
        layers.append(layout.blob(IN_TOTO, data, annotations={"in-toto.io/predicate-type": kind}))
    rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config = {"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI + "manifest.v1+json",
        "config": layout.blob(OCI + "config.v1+json", encode(config)),
        "layers": layers,
    }
    return layout.blob(
        OCI + "manifest.v1+json",
        encode(manifest, 2),
        annotations={
            "vnd.docker.reference.digest": child["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        },
        platform={"architecture": "unknown", "os": "unknown"},
    )


def index_of(layout, manifests):
    media_type = OCI + "index.v1+json"
    value = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    return layout.blob(media_type, encode(value, 2))


def index(layout, name, version, layers_of):
    """A multi-platform index with an attestation child behind each platform's image."""
    children, attestations = [], []
    for architecture in ("amd64", "arm64"):
        child = image(layout, name, version, architecture, layers_of(architecture))
        attestations.append(attestation(layout, name, version, child))
        children.append({**child, "platform": {"architecture": architecture, "os": "linux"}})
    return index_of(layout, children + attestations)


def artifact(layout, artifact_type, config, layers, annotations):
    """A manifest that is no image; `artifact_type` is left out where the config's type says it."""
    media_type = OCI + "manifest.v1+json"
    value = {"schemaVersion": 2, "mediaType": media_type, "artifactType": artifact_type}
    value.update(config=config, layers=layers, annotations=annotations)
    return layout.blob(media_type, encode({k: v for k, v in value.items() if v is not None}, 2))


# --- a cosign signature ------------------------------------------------------------------


def signature(layout, reference, signed):
    """Cosign's classic form: a manifest under the tag `sha256-<hex>.sig` beside the image."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": signed["digest"]},
        "type": "cosign container image signature",
    }
    payload = encode({"critical": critical, "optional": None})
    proof = {"dev.cosignproject.cosign/signature": base64.b64encode(p256.sign(KEY, payload)).decode()}
    layer = layout.blob(SIMPLE_SIGNING, payload, annotations=proof)
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = {"architecture": "", "created": CREATED, "os": "", "config": {}, "rootfs": rootfs}
    config = layout.blob(OCI + "config.v1+json", encode(config))
    layout.tag(signed["digest"].replace(":", "-") + ".sig", artifact(layout, None, config, [layer], None))


# --- the bundle --------------------------------------------------------------------------


def base_layer():
    primes = [n for n in range(2, 60_000) if all(n % d for d in range(2, int(n**0.5) + 1))]
    rows = [" ".join(f"{prime:5}" for prime in primes[at : at + 10]) for at in range(0, len(primes), 10)]
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nweb:x:101:101:web:/srv:/sbin/nologin\n",
        "etc/group": "root:x:0:\nweb:x:101:\n",
        "etc/os-release": 'ID=quickstart\nNAME="regsync quickstart"\nVERSION_ID=1\n',
        "usr/share/primes.txt": "\n".join(rows) + "\n",
    }
    return "COPY base / # the base of every image here", tar(files)


def program(name, version, architecture, more=None):
    text = f"{name} {version} on linux/{architecture}\n"
    return f"COPY {name} /bin/{name}", tar({f"bin/{name}": elf(architecture, text), **(more or {})})


def bundle():
    """`{path below quickstart: bytes}` of everything this script writes."""
    base = base_layer()
    hello, web, batch, chart, policies = (Layout() for _ in range(5))
    script = {"usr/bin/greet": '#!/bin/sh\nexec /bin/hello "$@"\n'}
    hello.tag("1.0", image(hello, "hello", "1.0", "amd64", [program("hello", "1.0", "amd64", script)]))

    for version in ("2.4", "2.5"):
        page = f"<!doctype html>\n<title>web {version}</title>\n<p>Served from a mirror.\n"
        site = "COPY site /srv", tar({"srv/index.html": page})
        root = index(web, "web", version, lambda arch: [base, program("web", version, arch), site])
        web.tag(version, root)
    signature(web, "registry.example.com/quickstart/web", root)

    layers = [base, program("batch", "0.9", "amd64")]
    child = image(batch, "batch", "0.9", "amd64", layers, docker=True)
    child["platform"] = {"architecture": "amd64", "os": "linux"}
    batch.tag("0.9", index_of(batch, [child]))

    about = {"name": "web", "version": "1.2.0", "apiVersion": "v2", "appVersion": "2.5", "type": "application"}
    yaml = "".join(f'{key}: "{value}"\n' for key, value in about.items())
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  tag: {{ .Chart.AppVersion }}\n"
    package = gzip(tar({"web/Chart.yaml": yaml, "web/templates/configmap.yaml": config_map}))
    helm = "application/vnd.cncf.helm."
    content = chart.blob(helm + "chart.content.v1.tar+gzip", package)
    config = chart.blob(helm + "config.v1+json", encode(about))
    chart.tag("1.2.0", artifact(chart, None, config, [content], labels("web", "1.2.0")))

    rules = "# Tags that look like a version never move.\nimmutable: ['2.*']\n"
    file = {"org.opencontainers.image.title": "policy.yaml"}
    content = policies.blob("application/yaml", rules.encode(), annotations=file)
    config = {**policies.blob(EMPTY_CONFIG, b"{}"), "data": "e30="}
    kind = "application/vnd.example.policy.v1"
    policies.tag("v3", artifact(policies, kind, config, [content], {"org.opencontainers.image.created": CREATED}))

    layouts = {"batch": batch, "chart": chart, "hello": hello, "policies": policies, "web": web}
    files = {f"upstream/{name}/{path}": data for name, it in layouts.items() for path, data in it.files()}
    return {**files, "cosign.pub": p256.public_key(KEY)}


def committed(root):
    found = [path for path in (root / "upstream").rglob("*") if path.is_file()] + [root / "cosign.pub"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.is_file()}


def write(root, files):
    for path, data in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def problems(files):
    """What is wrong with the committed bundle, each as a line."""
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch), files)
        wanted = committed(Path(scratch))
    found = committed(HERE)
    yield from (f"missing: {path}" for path in sorted(wanted.keys() - found.keys()))
    yield from (f"not ours: {path}" for path in sorted(found.keys() - wanted.keys()))
    yield from (f"differs: {path}" for path in sorted(wanted.keys() & found.keys()) if wanted[path] != found[path])
    size = sum(map(len, found.values()))
    if size >= MAX_BUNDLE:
        yield f"too large: {size} bytes, the limit is {MAX_BUNDLE}"
    configuration = HERE / "regsync.yaml"
    for digest in re.findall(r"@sha256:([0-9a-f]{64})", configuration.read_text(encoding="utf-8")):
        if not any(path.endswith("/" + digest) for path in wanted):
            yield f"regsync.yaml pins sha256:{digest}, which is not in the bundle"


def main():
    parser = argparse.ArgumentParser(description="Write or check the images of the quickstart.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files; write nothing")
    arguments = parser.parse_args()
    files = bundle()
    if not arguments.check:
        for path in committed(HERE):
            if path not in files:
                (HERE / path).unlink()
        write(HERE, files)
    found = list(problems(files))
    if found:
        sys.exit("\n".join([*found, "run: python3 examples/quickstart/make_images.py"]))
    print(f"quickstart images: {len(files)} files, {sum(map(len, files.values()))} bytes, as committed")


if __name__ == "__main__":
    main()
