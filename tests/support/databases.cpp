#include "support/databases.hpp"

#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include <fmt/format.h>

#include "storage/migrator.hpp"
#include "support/postgres_cluster.hpp"

namespace llmm::test {
namespace {

namespace fs = std::filesystem;
using storage::DatabaseUrl;
using storage::Dialect;

fs::path make_directory() {
    std::string pattern = fs::temp_directory_path() / "llmm-test-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary directory");
    return pattern;
}

std::string next_name() {
    static std::atomic<int> counter = 0;
    return fmt::format("test_{}", ++counter);
}

DatabaseUrl make_database(Dialect dialect, const fs::path& directory, const std::string& name) {
    if (dialect == Dialect::sqlite) return DatabaseUrl::of_file(directory / "test.db");
    PostgresCluster& cluster = PostgresCluster::instance();
    cluster.execute("CREATE DATABASE " + name);
    return DatabaseUrl::parse(cluster.url(name));
}

}  // namespace

EmptyDatabase::EmptyDatabase(Dialect dialect)
    : directory_(make_directory()), name_(next_name()), url_(make_database(dialect, directory_, name_)) {}

EmptyDatabase::~EmptyDatabase() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
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
