"""The measured part of llm-manager's API on Flask and SQLAlchemy: the peer in the benchmark.

Written the way such a service usually is: ORM models, a connection pool, one session a request. The schema, the
rows and the answers are those of llm-manager. Configured by BENCH_DATABASE and BENCH_API_KEY.
"""
import base64
import binascii
import datetime
import hashlib
import hmac
import json
import os

from flask import Flask, current_app, g, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, func, select, text, tuple_
from sqlalchemy.engine import Engine
from sqlalchemy.orm import column_property
from sqlalchemy.pool import QueuePool

from ids import is_uuid, make_uuid_v7

db = SQLAlchemy()


@event.listens_for(Engine, "connect")
def set_pragmas(connection, _record):
    """The settings of src/storage/connection.cpp; the busy timeout comes from the driver's own."""
    for pragma in (
        "journal_mode=WAL",
        "journal_size_limit=67108864",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=5000",
        "temp_store=MEMORY",
        "cache_size=-8192",
    ):
        connection.execute(f"PRAGMA {pragma}")


class Blob(db.Model):
    __tablename__ = "blobs"
    sha256 = db.Column(db.Text, primary_key=True)
    size = db.Column(db.BigInteger, nullable=False)
    verified_at = db.Column(db.BigInteger)
    created_at = db.Column(db.BigInteger, nullable=False)


class ModelFile(db.Model):
    __tablename__ = "model_files"
    model_id = db.Column(db.Text, db.ForeignKey("models.id"), primary_key=True)
    path = db.Column(db.Text, primary_key=True)
    size = db.Column(db.BigInteger, nullable=False)
    sha256 = db.Column(db.Text, db.ForeignKey("blobs.sha256"), nullable=False)


class Model(db.Model):
    __tablename__ = "models"
    id = db.Column(db.Text, primary_key=True)
    ref = db.Column(db.Text, nullable=False, unique=True)
    name = db.Column(db.Text, nullable=False)
    description = db.Column(db.Text, nullable=False)
    source = db.Column(db.Text, nullable=False)
    model_type = db.Column(db.Text, nullable=False)
    size_bytes = db.Column(db.BigInteger, nullable=False)
    parameters = db.Column(db.BigInteger)
    tags = db.Column(db.Text, nullable=False)
    status = db.Column(db.Text, nullable=False)
    format = db.Column(db.Text)
    quantization = db.Column(db.Text)
    architecture = db.Column(db.Text)
    context_length = db.Column(db.BigInteger)
    license = db.Column(db.Text)
    # "metadata" itself is taken by SQLAlchemy's declarative classes.
    metadata_text = db.Column("metadata", db.Text, nullable=False)
    created_at = db.Column(db.BigInteger, nullable=False)
    updated_at = db.Column(db.BigInteger, nullable=False)

    file_count = column_property(
        select(func.count()).select_from(ModelFile).where(ModelFile.model_id == id).scalar_subquery())
    verified_at = column_property(
        select(func.min(Blob.verified_at)).join(ModelFile, ModelFile.sha256 == Blob.sha256)
        .where(ModelFile.model_id == id).scalar_subquery())

    def to_dict(self):
        size = self.size_bytes if self.file_count else None
        return {
            "id": self.id,
            "ref": self.ref,
            "name": self.name,
            "description": self.description or None,
            "source": self.source,
            "model_type": self.model_type or None,
            "size": size,
            "size_gb": None if size is None else size / 1e9,
            "parameters": self.parameters,
            "tags": json.loads(self.tags),
            "status": self.status,
            "format": self.format,
            "quantization": self.quantization,
            "architecture": self.architecture,
            "context_length": self.context_length,
            "license": self.license,
            "metadata": json.loads(self.metadata_text),
            "files": {"count": self.file_count, "size": size, "verified_at": rfc3339(self.verified_at)},
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        }


class Deployment(db.Model):
    __tablename__ = "deployments"
    id = db.Column(db.Text, primary_key=True)
    name = db.Column(db.Text, nullable=False, unique=True)


class ChatSession(db.Model):
    __tablename__ = "chat_sessions"
    id = db.Column(db.Text, primary_key=True)
    deployment_id = db.Column(db.Text, db.ForeignKey("deployments.id"))
    name = db.Column(db.Text, nullable=False)
    config = db.Column(db.Text, nullable=False)
    message_count = db.Column(db.Integer, nullable=False, default=0)
    active_message_id = db.Column(db.Text)
    folder = db.Column(db.Text)
    tags = db.Column(db.Text, nullable=False, default="[]")
    created_at = db.Column(db.BigInteger, nullable=False)
    updated_at = db.Column(db.BigInteger, nullable=False)

    def to_dict(self):
        return {
            "id": self.id,
            "deployment_id": self.deployment_id,
            "name": self.name,
            "config": json.loads(self.config),
            "message_count": self.message_count,
            "folder": self.folder,
            "tags": json.loads(self.tags),
            "active_message_id": self.active_message_id,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        }


class ApiError(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def now_ms():
    return int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)


def rfc3339(milliseconds):
    if milliseconds is None:
        return None
    moment = datetime.datetime.utcfromtimestamp(milliseconds // 1000)
    return f"{moment.isoformat()}.{milliseconds % 1000:03}Z"


def success(data, status=200, message="ok", tagged=False):
    # The data is serialised once, for the body and for the tag, as llm-manager does it.
    text_of_data = current_app.json.dumps(data)
    body = (f'{{"success":true,"message":"{message}","data":{text_of_data},"code":{status},'
            f'"timestamp":"{rfc3339(now_ms())}"}}')
    response = current_app.response_class(body, status, content_type="application/json; charset=utf-8")
    if tagged:
        response.set_etag(hashlib.blake2b(text_of_data.encode(), digest_size=8).hexdigest())
        response.make_conditional(request)
    return response


def show_model(model_id):
    model = db.session.get(Model, model_id) if is_uuid(model_id) else None
    if model is None:
        raise ApiError(404, "model_not_found", f"there is no model {model_id}")
    return success(model.to_dict(), tagged=True)


def list_models():
    limit = request.args.get("limit", 50, type=int)
    if not 1 <= limit <= 200:
        raise ApiError(422, "validation_failed", "limit is out of range")
    query = select(Model).order_by(Model.created_at.desc(), Model.id.desc()).limit(limit + 1)
    if "cursor" in request.args:
        query = query.where(tuple_(Model.created_at, Model.id) < tuple_(*read_cursor(request.args["cursor"])))
    found = db.session.execute(query).scalars().all()
    cursor = write_cursor(found[limit - 1]) if len(found) > limit else None
    return success({"items": [model.to_dict() for model in found[:limit]], "next_cursor": cursor}, tagged=True)


def write_cursor(model):
    place = json.dumps(["-created_at", model.created_at, model.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor):
    try:
        sort, value, model_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError):
        raise ApiError(422, "validation_failed", "the cursor is not one of this list") from None
    if sort != "-created_at" or not isinstance(value, int) or not isinstance(model_id, str):
        raise ApiError(422, "validation_failed", "the cursor is not one of this list")
    return value, model_id


def create_session():
    wanted = request.get_json()
    reference, name, config = wanted.get("deployment_id"), wanted.get("name", "New chat"), wanted.get("config", {})
    if not isinstance(reference, str) or not isinstance(name, str) or not isinstance(config, dict):
        raise ApiError(422, "validation_failed", "the request is not valid")
    column = Deployment.id if is_uuid(reference) else Deployment.name
    deployment = db.session.execute(select(Deployment).where(column == reference)).scalar_one_or_none()
    if deployment is None:
        raise ApiError(404, "deployment_not_found", f"there is no deployment {reference}")
    now = now_ms()
    created = ChatSession(id=make_uuid_v7(), deployment_id=deployment.id, name=name, message_count=0, tags="[]",
                          config=current_app.json.dumps(config), created_at=now, updated_at=now)
    data = created.to_dict()
    db.session.add(created)
    db.session.commit()
    response = success(data, 201, "created")
    response.headers["Location"] = f"/api/v1/chat/sessions/{data['id']}"
    return response


def ready():
    db.session.execute(text("SELECT 1"))
    return success({"status": "ready"})


def check_key():
    g.request_id = request.headers.get("X-Request-Id") or make_uuid_v7()
    if request.path == "/readyz":
        return
    sent = request.headers.get("X-API-Key") or request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(sent.encode(), current_app.config["API_KEY"]):
        raise ApiError(401, "unauthenticated", "the API key is not valid")


def add_headers(response):
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def answer_error(error):
    return {"success": False, "message": error.message, "error": error.code, "details": {},
            "timestamp": rfc3339(now_ms())}, error.status


def create_app():
    app = Flask(__name__)
    app.config["API_KEY"] = os.environ["BENCH_API_KEY"].encode()
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["BENCH_DATABASE"]
    # SQLAlchemy 1.4 opens a file anew for each request unless it is told to pool; a pool hands a connection from
    # one thread to another, never to two at once.
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"poolclass": QueuePool, "connect_args": {"check_same_thread": False}}
    app.json.sort_keys = False
    app.json.ensure_ascii = False
    db.init_app(app)
    app.before_request(check_key)
    app.after_request(add_headers)
    app.register_error_handler(ApiError, answer_error)
    app.get("/readyz")(ready)
    app.get("/api/v1/models")(list_models)
    app.get("/api/v1/models/<model_id>")(show_model)
    app.post("/api/v1/chat/sessions")(create_session)
    return app
