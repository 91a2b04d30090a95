#include "features/benchmarks/benchmark_store.hpp"

#include "features/benchmarks/benchmark_json.hpp"
#include "storage/database.hpp"
#include "storage/list_query.hpp"

#include <array>

#include <fmt/format.h>

namespace llmm::benchmarks {
namespace {

using storage::Row;

constexpr std::string_view kColumns =
    "id, deployment_id, deployment_name, model_ref, engine, status, plan, levels, error_code, error_message, "
    "created_at, updated_at";
constexpr std::size_t kColumnCount = 12;
constexpr std::array<storage::SortField, 1> kSortFields{{{"created_at", "created_at"}}};

Benchmark benchmark_from(const Row& row) {
    Benchmark benchmark{.id = BenchmarkId::trusted(row.text(0)),
                        .deployment_name = row.text(2),
                        .model_ref = row.text(3),
                        .engine = row.text(4)};
    if (auto deployment = row.optional_text(1)) benchmark.deployment_id = DeploymentId::trusted(std::move(*deployment));
    benchmark.status = parse_status(row.text(5)).value_or(Status::failed);
    benchmark.plan = plan_from_text(row.text(6));
    benchmark.levels = levels_from_text(row.text(7));
    benchmark.error_code = row.optional_text(8);
    benchmark.error_message = row.optional_text(9);
    benchmark.created_at = row.time(10);
    benchmark.updated_at = row.time(11);
    return benchmark;
}

}  // namespace

Task<> BenchmarkStore::insert(Benchmark benchmark) {
    co_await database_.write([benchmark](storage::Session& sql) {
        sql.execute(fmt::format("INSERT INTO benchmarks ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", kColumns),
                    benchmark.id, benchmark.deployment_id, benchmark.deployment_name, benchmark.model_ref,
                    benchmark.engine, name_of(benchmark.status), to_text(benchmark.plan), to_text(benchmark.levels),
                    benchmark.error_code, benchmark.error_message, benchmark.created_at, benchmark.updated_at);
    });
}

Task<> BenchmarkStore::update(Benchmark benchmark) {
    co_await database_.write([benchmark](storage::Session& sql) {
        sql.execute(
            "UPDATE benchmarks SET status = ?, levels = ?, error_code = ?, error_message = ?, updated_at = ? "
            "WHERE id = ?",
            name_of(benchmark.status), to_text(benchmark.levels), benchmark.error_code, benchmark.error_message, now(),
            benchmark.id);
    });
}

Task<std::optional<Benchmark>> BenchmarkStore::find(BenchmarkId id) {
    co_return co_await database_.read([id](storage::Session& sql) {
        return sql.query_one(fmt::format("SELECT {} FROM benchmarks WHERE id = ?", kColumns), benchmark_from, id);
    });
}

Task<storage::Page<Benchmark>> BenchmarkStore::list(BenchmarkQuery query) {
    storage::ListQuery list(kColumns, kColumnCount, "benchmarks", kSortFields, query.sort, query.limit, query.cursor);
    if (query.deployment_id) list.where("deployment_id = ?", *query.deployment_id);
    co_return co_await database_.read([list](storage::Session& sql) mutable { return list.run(sql, benchmark_from); });
}

Task<bool> BenchmarkStore::remove(BenchmarkId id) {
    co_return co_await database_.write(
        [id](storage::Session& sql) { return sql.execute("DELETE FROM benchmarks WHERE id = ?", id) > 0; });
}

}  // namespace llmm::benchmarks
