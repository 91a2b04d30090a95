#include "support/databases.hpp"

#include "storage/migrator.hpp"
#include "support/postgres_cluster.hpp"

#include <atomic>

#include <fmt/format.h>

namespace llmm::test {
namespace {

using storage::DatabaseUrl;
using storage::Dialect;

std::string next_name() {
    static std::atomic<int> counter = 0;
    return fmt::format("test_{}", ++counter);
}

DatabaseUrl make_database(Dialect dialect, const TemporaryDirectory& directory, const std::string& name) {
    if (dialect == Dialect::sqlite) return DatabaseUrl::of_file(directory / "test.db");
    PostgresCluster& cluster = PostgresCluster::instance();
    cluster.execute("CREATE DATABASE " + name);
    return DatabaseUrl::parse(cluster.url(name));
}

}  // namespace

EmptyDatabase::EmptyDatabase(Dialect dialect) : name_(next_name()), url_(make_database(dialect, directory_, name_)) {}

EmptyDatabase::~EmptyDatabase() {
    if (url_.dialect() != Dialect::postgresql) return;
    try {
        PostgresCluster::instance().execute("DROP DATABASE " + name_ + " WITH (FORCE)");
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
    }
}

TestDatabase::TestDatabase(Dialect dialect, std::size_t pool_size) : empty_(dialect) {
    storage::migrate(empty_.url());
    database_ = std::make_unique<storage::Database>(storage::Database::Options{empty_.url(), pool_size});
}

std::string name_of_database(const ::testing::TestParamInfo<Dialect>& info) {
    return info.param == Dialect::sqlite ? "sqlite" : "postgresql";
}

}  // namespace llmm::test
