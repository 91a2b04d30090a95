#pragma once
#include "base/ids/id.hpp"
#include "base/time/time.hpp"
#include "storage/database.hpp"

namespace llmm::test {

// A model and a deployment of it, as rows only.
inline Task<> insert_deployment(storage::Database& database, DeploymentId id, std::string name) {
    co_await database.write([id, name](storage::Session& sql) {
        const std::string model = make_uuid_v7();
        sql.execute(
            "INSERT INTO models (id, ref, name, source, status, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            model, "demo:" + name, name, "demo", "ready", now(), now());
        sql.execute(
            "INSERT INTO deployments (id, model_id, name, engine, status, desired, created_at, updated_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            id, model, name, "llama-server", "running", "running", now(), now());
    });
}

}  // namespace llmm::test
