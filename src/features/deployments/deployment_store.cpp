#include "features/deployments/deployment_store.hpp"

#include "base/error/error.hpp"
#include "storage/database.hpp"

#include <array>
#include <map>

#include <fmt/format.h>

namespace llmm::deployments {
namespace {

using storage::Row;
using storage::Session;

constexpr std::string_view kColumns =
    "id, model_id, (SELECT ref FROM models WHERE models.id = deployments.model_id), name, engine, engine_reason, "
    "status, "
    "desired, port, gpu_device, config, effective, replicas, idle_unload_seconds, last_error, restarts, created_at, "
    "updated_at, on_demand, pinned, memory_estimated, gpu_memory_estimated";
constexpr std::size_t kColumnCount = 22;

constexpr std::string_view kInstanceColumns =
    "deployment_id, id, state, pid, start_ticks, boot_id, endpoint, memory_bytes, started_at, container_id, spec";

constexpr std::string_view kRunWhere =
    "UPDATE deployments SET desired = 'running', "
    "last_error = CASE WHEN status IN ('stopped', 'failed') THEN NULL ELSE last_error END, "
    "status = CASE WHEN status IN ('stopped', 'failed') THEN 'deploying' ELSE status END, updated_at = ? WHERE";

constexpr std::array kSortFields{storage::SortField{"created_at", "created_at"},
                                 storage::SortField{"updated_at", "updated_at"},
                                 storage::SortField{"name", "name", true}};

std::optional<int> optional_int(const Row& row, std::size_t column) {
    const auto value = row.optional_int64(column);
    return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

Deployment deployment_from(const Row& row) {
    return {.id = DeploymentId::trusted(row.text(0)),
            .model_id = ModelId::trusted(row.text(1)),
            .model_ref = row.text(2),
            .name = row.text(3),
            .engine = row.text(4),
            .engine_reason = row.text(5),
            .status = parse_status(row.text(6)).value_or(Status::failed),
            .desired = row.text(7) == name_of(Desired::running) ? Desired::running : Desired::stopped,
            .port = optional_int(row, 8),
            .gpu_device = row.text(9),
            .config = row.text(10),
            .effective = row.optional_text(11),
            .replicas = static_cast<int>(row.int64(12)),
            .idle_unload_seconds = row.int64(13),
            .last_error = row.optional_text(14),
            .restarts = row.int64(15),
            .instances = {},
            .created_at = row.time(16),
            .updated_at = row.time(17),
            .on_demand = row.int64(18) != 0,
            .pinned = row.int64(19) != 0,
            .memory_estimated = row.optional_int64(20),
            .gpu_memory_estimated = row.optional_int64(21)};
}

InstanceState instance_state(std::string_view text) {
    for (const InstanceState state : {InstanceState::starting, InstanceState::ready}) {
        if (name_of(state) == text) return state;
    }
    return InstanceState::stopping;
}

std::pair<std::string, Instance> instance_from(const Row& row) {
    Instance instance{.id = InstanceId::trusted(row.text(1)),
                      .state = instance_state(row.text(2)),
                      .process = std::nullopt,
                      .container = row.optional_text(9).value_or(""),
                      .endpoint = row.text(6),
                      .spec = row.text(10),
                      .memory_bytes = row.optional_int64(7),
                      .started_at = row.time(8)};
    if (!row.is_null(3)) {
        instance.process = ProcessIdentity{.pid = static_cast<pid_t>(row.int64(3)),
                                           .start_ticks = static_cast<std::uint64_t>(row.int64(4)),
                                           .boot_id = row.text(5)};
    }
    return {row.text(0), std::move(instance)};
}

// One statement for a whole page; instances are few.
void attach_instances(Session& session, std::vector<Deployment>& deployments) {
    if (deployments.empty()) return;
    static const std::string text = fmt::format("SELECT {} FROM deployment_instances ORDER BY id", kInstanceColumns);
    std::map<std::string, std::vector<Instance>> by_deployment;
    for (auto& [id, instance] : session.query(text, instance_from))
        by_deployment[id].push_back(std::move(instance));
    for (Deployment& deployment : deployments)
        deployment.instances = std::move(by_deployment[deployment.id.str()]);
}

std::optional<Deployment> find_one(Session& session, std::string_view column, const std::string& value) {
    const std::string text = fmt::format("SELECT {} FROM deployments WHERE {} = ?", kColumns, column);
    static const std::string instances =
        fmt::format("SELECT {} FROM deployment_instances WHERE deployment_id = ? ORDER BY id", kInstanceColumns);
    auto deployment = session.query_one(text, deployment_from, value);
    if (!deployment) return std::nullopt;
    for (auto& [id, instance] : session.query(instances, instance_from, deployment->id)) {
        deployment->instances.push_back(std::move(instance));
    }
    return deployment;
}

std::optional<std::int64_t> pid_of(const Instance& instance) {
    return instance.process ? std::optional<std::int64_t>(instance.process->pid) : std::nullopt;
}

std::optional<std::int64_t> ticks_of(const Instance& instance) {
    return instance.process ? std::optional(static_cast<std::int64_t>(instance.process->start_ticks)) : std::nullopt;
}

std::optional<std::string> boot_of(const Instance& instance) {
    return instance.process ? std::optional(instance.process->boot_id) : std::nullopt;
}

std::optional<std::string> container_of(const Instance& instance) {
    return instance.container.empty() ? std::nullopt : std::optional(instance.container);
}

std::int64_t as_int(bool flag) {
    return flag ? 1 : 0;
}

[[noreturn]] void throw_name_taken(const std::string& name) {
    throw Error(ErrorCode::name_taken,
                Text::format("another deployment has the name {}", "名称 {} 已被其他部署使用", name), {{"name", name}});
}

}  // namespace

Task<> DeploymentStore::insert(Deployment deployment) {
    try {
        co_await database_.write([&](Session& session) {
            session.execute(
                "INSERT INTO deployments (id, model_id, name, engine, engine_reason, status, desired, port, "
                "gpu_device, config, "
                "replicas, idle_unload_seconds, created_at, updated_at, on_demand, pinned) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                deployment.id, deployment.model_id, deployment.name, deployment.engine, deployment.engine_reason,
                name_of(deployment.status), name_of(deployment.desired), deployment.port, deployment.gpu_device,
                deployment.config, deployment.replicas, deployment.idle_unload_seconds, deployment.created_at,
                deployment.updated_at, deployment.on_demand ? 1 : 0, deployment.pinned ? 1 : 0);
        });
    } catch (const Error& error) {
        if (storage::is_unique_violation(error)) throw_name_taken(deployment.name);
        if (!storage::is_foreign_key_violation(error)) throw;
        fail(ErrorCode::model_not_found, "there is no model {}", "模型 {} 不存在", deployment.model_id.str());
    }
}

Task<std::optional<Deployment>> DeploymentStore::find(DeploymentId id) {
    co_return co_await database_.read([&](Session& session) { return find_one(session, "id", id.str()); });
}

Task<std::optional<Deployment>> DeploymentStore::find_by_name(std::string name) {
    co_return co_await database_.read([&](Session& session) { return find_one(session, "name", name); });
}

Task<storage::Page<Deployment>> DeploymentStore::list(DeploymentQuery query) {
    co_return co_await database_.read([&](Session& session) {
        storage::ListQuery list(kColumns, kColumnCount, "deployments", kSortFields, query.sort, query.limit,
                                query.cursor);
        if (query.status) list.where("status = ?", name_of(*query.status));
        if (query.model_id) list.where("model_id = ?", *query.model_id);
        auto page = list.run(session, deployment_from);
        attach_instances(session, page.items);
        return page;
    });
}

Task<std::vector<Deployment>> DeploymentStore::all() {
    co_return co_await database_.read([](Session& session) {
        static const std::string text = fmt::format("SELECT {} FROM deployments ORDER BY created_at, id", kColumns);
        auto deployments = session.query(text, deployment_from);
        attach_instances(session, deployments);
        return deployments;
    });
}

Task<std::optional<std::string>> DeploymentStore::port_owner(int port) {
    co_return co_await database_.read([&](Session& session) {
        return session.query_one(
            "SELECT name FROM deployments WHERE port = ?", [](const Row& row) { return row.text(0); }, port);
    });
}

Task<bool> DeploymentStore::remove(DeploymentId id) {
    co_return co_await database_.write(
        [&](Session& session) { return session.execute("DELETE FROM deployments WHERE id = ?", id) > 0; });
}

Task<bool> DeploymentStore::update(DeploymentId id, Wishes wishes) {
    try {
        co_return co_await database_.write([&](Session& session) {
            return session.execute(
                       "UPDATE deployments SET name = COALESCE(?, name), config = COALESCE(?, config), "
                       "idle_unload_seconds = COALESCE(?, idle_unload_seconds), replicas = COALESCE(?, replicas), "
                       "on_demand = COALESCE(?, on_demand), pinned = COALESCE(?, pinned), updated_at = ? WHERE id = ?",
                       wishes.name, wishes.config, wishes.idle_unload_seconds, wishes.replicas,
                       wishes.on_demand.transform(as_int), wishes.pinned.transform(as_int), now(), id) > 0;
        });
    } catch (const Error& error) {
        if (storage::is_unique_violation(error)) throw_name_taken(wishes.name.value_or(""));
        throw;
    }
}

Task<> DeploymentStore::set_desired(DeploymentId id, Desired desired) {
    co_await database_.write([&](Session& session) {
        if (desired == Desired::stopped) {
            session.execute("UPDATE deployments SET desired = 'stopped', on_demand = 0, updated_at = ? WHERE id = ?",
                            now(), id);
            return;
        }
        session.execute(fmt::format("{} id = ?", kRunWhere), now(), id);
    });
}

Task<> DeploymentStore::run_on_demand(DeploymentId id) {
    co_await database_.write(
        [&](Session& session) { session.execute(fmt::format("{} id = ? AND on_demand = 1", kRunWhere), now(), id); });
}

Task<> DeploymentStore::set_memory(DeploymentId id, std::optional<std::int64_t> host, std::optional<std::int64_t> gpu) {
    co_await database_.write([&](Session& session) {
        session.execute("UPDATE deployments SET memory_estimated = ?, gpu_memory_estimated = ? WHERE id = ?", host, gpu,
                        id);
    });
}

Task<> DeploymentStore::observe(DeploymentId id, Observation observation) {
    co_await database_.write([&](Session& session) {
        session.execute(
            "UPDATE deployments SET status = ?, effective = ?, last_error = COALESCE(?, last_error), restarts = "
            "restarts + ?, "
            "updated_at = ? WHERE id = ?",
            name_of(observation.status), observation.effective, observation.last_error, observation.more_restarts,
            now(), id);
    });
}

Task<> DeploymentStore::insert_instance(DeploymentId deployment, Instance instance) {
    co_await database_.write([&](Session& session) {
        session.execute(
            "INSERT INTO deployment_instances (id, deployment_id, state, pid, start_ticks, boot_id, endpoint, "
            "memory_bytes, started_at, container_id, spec) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            instance.id, deployment, name_of(instance.state), pid_of(instance), ticks_of(instance), boot_of(instance),
            instance.endpoint, instance.memory_bytes, instance.started_at, container_of(instance), instance.spec);
    });
}

Task<> DeploymentStore::update_instance(Instance instance) {
    co_await database_.write([&](Session& session) {
        session.execute(
            "UPDATE deployment_instances SET state = ?, pid = ?, start_ticks = ?, boot_id = ?, memory_bytes = ?, "
            "endpoint = ?, container_id = ? WHERE id = ?",
            name_of(instance.state), pid_of(instance), ticks_of(instance), boot_of(instance), instance.memory_bytes,
            instance.endpoint, container_of(instance), instance.id);
    });
}

Task<> DeploymentStore::remove_instance(InstanceId id) {
    co_await database_.write(
        [&](Session& session) { session.execute("DELETE FROM deployment_instances WHERE id = ?", id); });
}

Task<> DeploymentStore::add_events(DeploymentId id, std::vector<DeploymentEvent> events) {
    co_await database_.write([&](Session& session) {
        const auto exists = session.query_one(
            "SELECT 1 FROM deployments WHERE id = ?", [](const Row& row) { return row.int64(0); }, id);
        if (!exists) return;
        std::int64_t seq = session
                               .query_one(
                                   "SELECT COALESCE(MAX(seq), 0) FROM deployment_events WHERE deployment_id = ?",
                                   [](const Row& row) { return row.int64(0); }, id)
                               .value_or(0);
        for (const DeploymentEvent& event : events) {
            session.execute(
                "INSERT INTO deployment_events (deployment_id, seq, instance_id, kind, reason, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                id, ++seq, event.instance_id, event.kind, event.reason, event.time);
        }
        session.execute("DELETE FROM deployment_events WHERE deployment_id = ? AND seq <= ?", id, seq - kKeptEvents);
    });
}

Task<std::vector<DeploymentEvent>> DeploymentStore::events(DeploymentId id) {
    co_return co_await database_.read([&](Session& session) {
        return session.query(
            "SELECT seq, instance_id, kind, reason, created_at FROM deployment_events WHERE deployment_id = ? "
            "ORDER BY seq",
            [](const Row& row) {
                return DeploymentEvent{.seq = row.int64(0),
                                       .instance_id = row.optional_text(1),
                                       .kind = row.text(2),
                                       .reason = row.text(3),
                                       .time = row.time(4)};
            },
            id);
    });
}

}  // namespace llmm::deployments
