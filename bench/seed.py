"""Puts the same rows into the databases of both services."""
import hashlib
import json
import pathlib
import sqlite3

MODELS = 1000
DEPLOYMENT = "bench"
FIRST_MOMENT = 1_760_000_000_000  # ms since 1970; any fixed moment would do
TABLES = ("models", "blobs", "model_files", "deployments", "chat_sessions")

ARCHITECTURES = ("llama", "qwen2", "gemma2", "phi3", "mistral")
QUANTIZATIONS = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")


def uuid_of(number, milliseconds):
    tail = hashlib.sha256(f"bench {number}".encode()).hexdigest()
    head = f"{milliseconds:012x}"
    return f"{head[:8]}-{head[8:]}-7{tail[:3]}-8{tail[3:6]}-{tail[6:18]}"


def model_row(number):
    created = FIRST_MOMENT + number * 61_007
    family = ARCHITECTURES[number % len(ARCHITECTURES)]
    name = f"{family.capitalize()} {number % 90 + 1}B Instruct {number}"
    metadata = {"general.architecture": family, "general.name": name, "general.file_type": 15,
                f"{family}.block_count": 32, f"{family}.embedding_length": 4096, "tokenizer.ggml.model": "gpt2"}
    return {
        "id": uuid_of(number, created),
        "ref": f"huggingface:bench/{family}-{number}-gguf@{hashlib.sha1(str(number).encode()).hexdigest()}:Q4_K_M",
        "name": name,
        "description": f"An instruction-tuned model of the {family} family, number {number} of the benchmark's rows.",
        "source": "huggingface",
        "size_bytes": size_of(number),
        "parameters": (number % 90 + 1) * 1_000_000_000,
        "tags": json.dumps(["gguf", "conversational", family], separators=(",", ":")),
        "status": "ready",
        "format": "gguf",
        "quantization": QUANTIZATIONS[number % len(QUANTIZATIONS)],
        "architecture": family,
        "context_length": 8192 * (number % 4 + 1),
        "license": "apache-2.0",
        "metadata": json.dumps(metadata, separators=(",", ":")),
        "created_at": created,
        "updated_at": created + 5_000,
    }


def size_of(number):
    return 400_000_000 + number * 7_919_003


def insert(connection, table, row):
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", row)


def fill(database):
    connection = sqlite3.connect(database)
    with connection:
        for number in range(MODELS):
            model = model_row(number)
            sha256 = hashlib.sha256(f"file {number}".encode()).hexdigest()
            insert(connection, "models", model)
            insert(connection, "blobs", {"sha256": sha256, "size": size_of(number),
                                         "verified_at": model["updated_at"], "created_at": model["created_at"]})
            insert(connection, "model_files", {"model_id": model["id"], "path": "model.gguf", "size": size_of(number),
                                               "sha256": sha256})
        # Stopped: nothing shall run beside the measured requests.
        insert(connection, "deployments", {"id": uuid_of(-1, FIRST_MOMENT), "model_id": model_row(0)["id"],
                                           "name": DEPLOYMENT, "engine": "llama-server", "status": "stopped",
                                           "desired": "stopped", "created_at": FIRST_MOMENT,
                                           "updated_at": FIRST_MOMENT})
    connection.close()


def make_peer_database(migrated: pathlib.Path, database: pathlib.Path):
    """The tables that the measured requests touch, exactly as llm-manager's migrations made them."""
    source = sqlite3.connect(migrated)
    marks = ", ".join("?" for _ in TABLES)
    statements = source.execute(
        f"SELECT sql FROM sqlite_master WHERE tbl_name IN ({marks}) AND sql IS NOT NULL ORDER BY type DESC, rowid",
        TABLES).fetchall()
    source.close()
    target = sqlite3.connect(database)
    target.execute("PRAGMA journal_mode=WAL")
    with target:
        for (statement,) in statements:
            target.execute(statement)
    target.close()
