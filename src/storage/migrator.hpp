#pragma once
#include <filesystem>
#include <optional>
#include <span>

#include "base/fs/embedded.hpp"
#include "storage/database_url.hpp"

namespace llmm::storage {

// The files of migrations/: NNNN_name.sql for both databases, or NNNN_name.sqlite.sql and NNNN_name.postgres.sql where the
// dialects force it. Numbers start at 1 and have no gaps.
std::span<const EmbeddedFile> embedded_migrations();

struct MigrationReport {
    int version_before = 0;  // 0: a new database
    int version_after = 0;
    std::optional<std::filesystem::path> backup;  // SQLite, when there was something to lose
};

// Brings the database to the newest version, each step in a transaction of its own with its row in schema_migrations, so
// that a process killed at any moment leaves a whole version behind. Several processes may call it at once. Throws
// STATE_CONFLICT, changing nothing, when the database is newer than this program or was made by other files. Blocks.
MigrationReport migrate(const DatabaseUrl& url, std::span<const EmbeddedFile> files = embedded_migrations());

}  // namespace llmm::storage
