"""@huggingface/hub (the JavaScript client) against the stand-in."""

import hashlib
import json
import os
import subprocess

from conftest import TINY

SCRIPT = """
import { createHash } from "node:crypto";
import { listFiles, listModels, fileDownloadInfo, downloadFile, modelInfo } from "@huggingface/hub";
const hubUrl = process.env.HUB, repo = "acme/tiny-GGUF", path = "tiny-Q8_0.gguf";
const result = { files: [], models: [] };
for await (const file of listFiles({ repo, hubUrl, recursive: true })) result.files.push([file.type, file.path, file.size]);
for await (const model of listModels({ hubUrl, search: { query: "tiny" } })) result.models.push(model.name);
const info = await fileDownloadInfo({ repo, path, hubUrl });
result.size = info.size;
result.etag = info.etag;
const blob = await downloadFile({ repo, path, hubUrl, xet: false });
const bytes = Buffer.from(await blob.arrayBuffer());
result.sha256 = createHash("sha256").update(bytes).digest("hex");
const text = await downloadFile({ repo, path: "sub/config.json", hubUrl, xet: false });
result.text = await text.text();
const part = await downloadFile({ repo, path, hubUrl, xet: false });
result.range = Buffer.from(await part.slice(100, 116).arrayBuffer()).toString("hex");
result.info = (await modelInfo({ name: repo, hubUrl })).name;
console.log(JSON.stringify(result));
"""


def test_list_describe_and_download(node, hub):
    hub.control("POST", "settings", {"tree_page": 1})
    done = subprocess.run(["node", "--input-type=module", "-e", SCRIPT], cwd=node, capture_output=True, text=True, timeout=240, check=False,
                          env={"PATH": os.environ["PATH"], "HUB": hub.url})
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert ["file", "tiny-Q8_0.gguf", TINY.stat().st_size] in result["files"] and len(result["files"]) == 4
    assert result["models"] == ["acme/tiny-GGUF"] and result["info"] == "acme/tiny-GGUF"
    assert result["size"] == TINY.stat().st_size
    assert result["sha256"] == hashlib.sha256(TINY.read_bytes()).hexdigest()
    assert result["text"] == '{"a": 1}' and result["range"] == TINY.read_bytes()[100:116].hex()
