"""/v2/…: an Ollama registry. Models are added through the control endpoint; every repository of the hub with GGUF files is
also there as `owner/name:tag`, as hf.co serves its own."""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field

from hub import loader
from hub.content import BytesContent, Content
from hub.messages import Request, Response, json_response, ranged, redirect, text_response
from hub.repos import Catalogue, File
from hub.settings import Settings
from hub.signing import Signer

PREFIX = "v2"
TOKEN_PATH = "token"
BLOB_PREFIX = "ollama"
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.ollama.image."
TOKEN_SECONDS = 300
KEYS = frozenset({"name", "config", "layers", "manifest", "missing", "private"})


@dataclass
class Model:
    manifest: bytes
    blobs: dict[str, File] = field(default_factory=dict)  # digest hex -> content
    missing: frozenset[str] = frozenset()  # digests that the manifest lists and the registry lacks
    private: bool = False


class Registry:
    def __init__(self, catalogue: Catalogue, settings: Settings, signer: Signer, cdn_url: str) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._signer = signer
        self._cdn_url = cdn_url
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}  # "owner/name:tag"
        self._tokens: dict[str, float] = {}

    # For the control endpoint

    def add(self, spec: dict) -> dict:
        """{"name": "library/tiny:latest", "layers": [{"type": "model", …content, "digest"?, "size"?}], "config": {…}}.
        `manifest` (a text or a JSON value) is served instead of the one that follows from the layers; `missing` lists
        layers (by number) whose blobs are not there; `private` asks for a token."""
        if unknown := spec.keys() - KEYS:
            raise ValueError(f"{spec.get('name')}: unknown keys {sorted(unknown)}")
        model = Model(b"", private=spec.get("private", False))
        layers = []
        for number, layer in enumerate(spec.get("layers", [])):
            content = loader.inline(layer["type"], layer, None)
            digest = layer.get("digest", "sha256:" + content.sha256())
            self._keep(model, digest, content)
            entry = {"mediaType": layer.get("mediaType", LAYER_TYPE + layer["type"]), "digest": digest,
                     "size": layer.get("size_says", content.size)}
            layers.append(entry | ({"name": layer["name"]} if "name" in layer else {}))
        config = json.dumps(spec.get("config", {"model_format": "gguf", "model_family": "llama",
                                                "model_families": ["llama"]})).encode()
        config_digest = "sha256:" + hashlib.sha256(config).hexdigest()
        self._keep(model, config_digest, BytesContent(config))
        manifest = spec.get("manifest", {
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": len(config)}, "layers": layers})
        model.manifest = manifest.encode() if isinstance(manifest, str) else json.dumps(manifest).encode()
        model.missing = frozenset(layers[number]["digest"].removeprefix("sha256:") for number in spec.get("missing", []))
        with self._lock:
            self._models[spec["name"]] = model
        return {"digests": [layer["digest"] for layer in layers], "manifest": hashlib.sha256(model.manifest).hexdigest()}

    @staticmethod
    def _keep(model: Model, digest: str, content: Content) -> None:
        hexed = digest.removeprefix("sha256:")
        model.blobs[hexed] = File(hexed, content, "", content.sha256())

    # For clients

    def handle(self, request: Request) -> Response:
        match request.segments:
            case ["token"]:
                return self._token(request)
            case ["v2", owner, name, "manifests", tag]:
                return self._manifest(request, owner, name, tag)
            case ["v2", owner, name, "blobs", digest]:
                return self._blob(request, owner, name, digest)
        return _error(404, "NOT_FOUND", "404 page not found")

    def blob_file(self, owner: str, name: str, hexed: str) -> File | None:
        """What a signed address of this registry leads to."""
        found = self._find_blob(owner, name, hexed)
        return found[1] if found else None

    def _manifest(self, request: Request, owner: str, name: str, tag: str) -> Response:
        if request.method == "HEAD":  # the real registry has no such thing
            return _error(405, "UNSUPPORTED", "method not allowed")
        model = self._model(owner, name, tag)
        if model is None:
            return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if refused := self._challenge(request, model, owner, name):
            return refused
        response = Response(200, {"Content-Type": MANIFEST_TYPE,
                                  "Docker-Content-Digest": "sha256:" + hashlib.sha256(model.manifest).hexdigest()},
                            BytesContent(model.manifest))
        if "application/json" in request.headers.get("accept", "") and "llama-cpp" in request.headers.get("user-agent", ""):
            response.headers["Content-Type"] = "application/json"
        return response

    def _blob(self, request: Request, owner: str, name: str, digest: str) -> Response:
        found = self._find_blob(owner, name, digest.removeprefix("sha256:")) if digest.startswith("sha256:") else None
        if found is None:
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        model, file = found
        if refused := self._challenge(request, model, owner, name):
            return refused
        if file.path in model.missing:
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        request.file = file
        headers = {"Content-Type": "application/octet-stream", "ETag": f'"sha256:{file.path}"'}
        if request.method == "HEAD":
            return Response(200, headers | {"Accept-Ranges": "bytes"}, file.content)
        if self._settings.registry_blobs == "direct":
            # What a mirror has to answer so that `ollama pull` is content: 200 with its own address as Location.
            return ranged(file.content, request.headers.get("range"), headers | {"Location": request.target})
        path = f"/{BLOB_PREFIX}/{owner}/{name}/sha256/{file.path[:2]}/{file.path}/data"
        return redirect(307, self._cdn_url + self._signer.sign_s3(path, self._settings.registry_url_lifetime))

    def _model(self, owner: str, name: str, tag: str) -> Model | None:
        with self._lock:
            model = self._models.get(f"{owner}/{name}:{tag}")
        return model or self._of_hub(owner, name, tag)

    def _find_blob(self, owner: str, name: str, hexed: str) -> tuple[Model, File] | None:
        with self._lock:
            models = [model for key, model in self._models.items() if key.startswith(f"{owner}/{name}:")]
        if repo := self._catalogue.find("models", f"{owner}/{name}"):
            tags = [path.removesuffix(".gguf") for path in repo.main.files if path.endswith(".gguf")]
            models += [model for tag in tags if (model := self._of_hub(owner, name, tag))]
        return next(((model, model.blobs[hexed]) for model in models if hexed in model.blobs), None)

    def _of_hub(self, owner: str, name: str, tag: str) -> Model | None:
        """hf.co/{owner}/{name}:{tag}: the file whose name has the tag, Q4_K_M or the first for `latest`."""
        repo = self._catalogue.find("models", f"{owner}/{name}")
        files = [file for file in repo.main.files.values() if file.path.endswith(".gguf")] if repo else []
        wanted = [tag] if tag != "latest" else ["Q4_K_M", ""]
        file = next((file for want in wanted for file in files if want.lower() in file.path.lower()), None)
        if file is None:
            return None
        config = json.dumps({"model_format": "gguf", "model_family": "llama", "model_families": ["llama"],
                             "file_type": "unknown"}).encode()
        digest = hashlib.sha256(config).hexdigest()
        model = Model(json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": f"sha256:{digest}", "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE + "model", "digest": f"sha256:{file.sha256}", "size": file.size}],
        }).encode())
        self._keep(model, digest, BytesContent(config))
        self._keep(model, file.sha256, file.content)
        return model

    # Tokens, as docker registries give them

    def _challenge(self, request: Request, model: Model, owner: str, name: str) -> Response | None:
        if not model.private and not self._settings.registry_private:
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            if scheme.lower() == "bearer" and self._tokens.get(token, 0) > time.time():
                return None
        realm = self._settings.registry_realm or f"{request.base_url()}/{TOKEN_PATH}"
        response = _error(401, "UNAUTHORIZED", "authentication required")
        response.headers["WWW-Authenticate"] = (
            f'Bearer realm="{realm}",service="{request.headers["host"]}",scope="repository:{owner}/{name}:pull"')
        return response

    def _token(self, request: Request) -> Response:
        token = base64.urlsafe_b64encode(hashlib.sha256(f"{request.raw_query}{time.time_ns()}".encode()).digest()).decode()
        with self._lock:
            self._tokens[token] = time.time() + TOKEN_SECONDS
        return json_response({"token": token, "expires_in": TOKEN_SECONDS})


def is_registry(segments: list[str]) -> bool:
    return segments[0] in (PREFIX, TOKEN_PATH)


def _error(status: int, code: str, message: str) -> Response:
    if message == "404 page not found":
        return text_response(404, message)
    return json_response({"errors": [{"code": code, "message": message, "detail": {}}]}, status)
