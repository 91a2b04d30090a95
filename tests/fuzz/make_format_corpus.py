#!/usr/bin/env python3
"""Writes the hand-made inputs of the gguf, safetensors and json fuzz targets into tests/fuzz/corpus/.

usage: tests/fuzz/make_format_corpus.py

A file named after a CVE has the shape of that bug's trigger in another reader (llama.cpp, Ollama).
"""

import json
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TINY_GGUF = ROOT / "share/demo/tiny-chat.q8_0.gguf"
TINY_SAFETENSORS = ROOT / "tests/data/tiny-model/hf-repo/model.safetensors"
TINY_INDEX = ROOT / "tests/data/tiny-model/hf-repo-sharded/model.safetensors.index.json"

U32, STRING, ARRAY, U64, F32, I8 = 4, 8, 9, 10, 0, 24
HUGE = 2**64 - 1


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return u64(len(s)) + s


def pair(key, kind, value):
    return text(key) + u32(kind) + value


def tensor(name, shape, kind, offset):
    return text(name) + u32(len(shape)) + b"".join(map(u64, shape)) + u32(kind) + u64(offset)


ARCHITECTURE = pair("general.architecture", STRING, text("llama"))


def gguf(pairs=(), tensors=(), version=3, n_pairs=None, n_tensors=None, magic=b"GGUF"):
    pairs = [ARCHITECTURE, *pairs]
    return b"".join([magic, u32(version), u64(len(tensors) if n_tensors is None else n_tensors),
                     u64(len(pairs) if n_pairs is None else n_pairs), *pairs, *tensors])


def gguf_inputs():
    tiny = TINY_GGUF.read_bytes()
    layers = u32(5) + u64(3) + struct.pack("<3i", 0, 8, 4)
    for size in (4, 8, 23, 24, 100, 4096):
        yield f"tiny-cut-{size}", tiny[:size]
    yield "version-1", gguf(version=1)
    yield "version-2", gguf(version=2)
    yield "big-endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0)
    yield "unknown-type", gguf(tensors=[tensor("a", [32], 99, 0), tensor("b", [32], F32, 64)])
    yield "array-per-layer", gguf([pair("llama.attention.head_count_kv", ARRAY, layers)])
    yield "every-value-type", gguf([pair(f"k{t}", t, b"\1" * n)
                                    for t, n in enumerate([1, 1, 2, 2, 4, 4, 4, 1])])
    yield "split", gguf([pair("split.no", 2, b"\1\0"), pair("split.count", 2, b"\2\0")])
    # llama.cpp, January 2024
    yield "CVE-2024-21802-dimensions", gguf(tensors=[text("t") + u32(0xFFFF) + u64(1) * 16])
    yield "CVE-2024-21825-array-size", gguf([pair("a", ARRAY, u32(U64) + u64(2**61 + 1))])
    yield "CVE-2024-21836-tensor-count", gguf(n_tensors=HUGE // 32 + 2)
    yield "CVE-2024-23496-string-length", gguf([pair("s", STRING, u64(HUGE))])
    yield "CVE-2024-23605-pair-count", gguf(n_pairs=HUGE // 16 + 2)
    # llama.cpp: sums and products that wrap around
    half = 2**63 - 32
    both = [tensor("a", [half], I8, 0), tensor("b", [half], I8, half)]
    yield "CVE-2025-53630-sum-of-sizes", gguf(tensors=[*both, tensor("c", [64], I8, 2 * half)])
    yield "CVE-2026-27940-padded-sum", gguf(tensors=[*both, tensor("c", [33], I8, 2 * half)])
    yield "CVE-2026-27940-negative-type", gguf(tensors=[tensor("a", [32], 0xFFFFFFFF, 0)])
    yield "CVE-2026-27940-array-of-strings", gguf([pair("a", ARRAY, u32(STRING) + u64(2**30))])
    yield "CVE-2026-33298-tensor-bytes", gguf(tensors=[tensor("a", [2**20, 2**20, 2**20, 4], F32, 0)])
    # ggml c2cdd2b2
    yield "ggml-alignment-type", gguf([pair("general.alignment", STRING, text("32"))])
    yield "ggml-alignment-zero", gguf([pair("general.alignment", U32, u32(0))])
    yield "ggml-zero-dimension", gguf(tensors=[tensor("a", [0, 32], F32, 0)])
    yield "ggml-empty-key", gguf([pair("", U32, u32(1))])
    # Ollama
    yield "CVE-2026-7482-offset-beyond-file", gguf(tensors=[tensor("a", [2**40], F32, 0)])
    yield "CVE-2024-39720-four-bytes", b"GGUF"
    yield "CVE-2024-8063-block-count-zero", gguf([pair("llama.block_count", U32, u32(0)),
                                                 pair("llama.attention.head_count", U32, u32(0))])
    yield "CVE-2025-0315-huge-array", gguf([pair("tokenizer.ggml.tokens", ARRAY, u32(STRING) + u64(HUGE))])
    yield "CVE-2025-0317-wrong-type", gguf([pair("llama.block_count", STRING, text("5"))])
    yield "CVE-2024-12886-nested-array", gguf([pair("a", ARRAY, (u32(ARRAY) + u64(1)) * 64)])


def safetensors(header):
    header = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return u64(len(header)) + header


def entry(dtype="F32", shape=(1,), begin=0, end=4):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def safetensors_inputs():
    tiny = TINY_SAFETENSORS.read_bytes()
    header_end = 8 + struct.unpack("<Q", tiny[:8])[0]
    index = TINY_INDEX.read_bytes()
    yield "tiny-header", tiny[:header_end]
    yield "tiny-cut", tiny[: header_end - 1]
    yield "tiny-index.json", index
    yield "empty", safetensors({})
    yield "two", safetensors({"a": entry(), "b": entry("BF16", (2, 3), 4, 16), "__metadata__": {"format": "pt"}})
    yield "four-bits", safetensors({"a": entry("F4", (2, 3), 0, 3), "b": entry("F6_E2M3", (4,), 3, 6)})
    yield "hole", safetensors({"a": entry(), "b": entry(begin=8, end=12)})
    yield "overlap", safetensors({"a": entry(), "b": entry(begin=2, end=6)})
    yield "elements-wrap", safetensors({"a": entry(shape=(2**32, 2**32), end=0)})
    yield "bits-wrap", safetensors({"a": entry(shape=(2**61,), end=0)})
    yield "end-before-begin", safetensors({"a": entry(begin=4, end=0)})
    yield "end-of-file-wraps", safetensors({"a": entry("U8", (2**60,), 0, 2**60), "b": entry("U8", (2**60,), 2**60, 2**61)})
    yield "length-huge", u64(HUGE) + b"{"
    yield "length-over-cap", u64(100_000_001) + b"{"
    yield "key-twice", safetensors(b'{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{}}')
    yield "deep", safetensors(b'{"a":{"x":' + b"[" * 40 + b"]" * 40 + b"}}")
    yield "padding", safetensors(b"{}" + b" " * 70_000)
    yield "index-traversal.json", b'{"weight_map":{"t":"../../x.safetensors"}}'
    yield "index-absolute.json", b'{"weight_map":{"t":"/etc/x.safetensors"}}'
    yield "index-small.json", b'{"metadata":{"total_size":4},"weight_map":{"t":"a.safetensors"}}'


def json_inputs():
    yield "values", b' {"a":[1,-2.5e3,"x\\u4e2d",null,true],"b":{"c":{}}} '
    yield "key-twice", b'{"m":1,"\\u006d":2}'
    yield "depth-64", b"[" * 64 + b"]" * 64
    yield "depth-65", b"[" * 65 + b"]" * 65
    yield "unclosed", b"[" * 5000
    yield "surrogates", b'"\\ud83d\\ude00 \\ud800"'
    yield "invalid-utf8", b'"\xc3\x28\xed\xa0\x80\xf5"'
    yield "numbers", b"[18446744073709551615,18446744073709551616,-9223372036854775808,-0,0.1,1e-400]"
    yield "number-beyond-double", b"[1e400]"
    yield "trailing", b"{} {}"
    yield "comment", b"[1] // note"
    yield "nul", b'"a\x00b"'
    yield "escapes", b'"\\u0000\\b\\f\\n\\r\\t\\/\\\\\\""'


def main():
    for target, inputs in (("gguf", gguf_inputs()), ("safetensors", safetensors_inputs()), ("json", json_inputs())):
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in inputs:
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
