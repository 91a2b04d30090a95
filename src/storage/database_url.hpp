#pragma once
#include "base/secret/secret.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace llmm::storage {

enum class Dialect { sqlite, postgresql };

// Where the database is. Only these two forms are understood, and nothing in them is guessed:
//
//     sqlite:///absolute/path/to/file.db
//     postgresql://user:secret@host:5432/database?sslmode=verify-full
//
// Parts may be percent-encoded. PostgreSQL takes the parameters host (a directory with a unix socket),
// sslmode, sslrootcert and connect_timeout.
class DatabaseUrl {
  public:
    static DatabaseUrl parse(std::string_view text);  // throws VALIDATION_FAILED; the message never repeats the text
    static DatabaseUrl of_file(const std::filesystem::path& absolute_path);

    Dialect dialect() const { return dialect_; }
    const std::filesystem::path& file() const { return file_; }  // SQLite only
    // libpq's "key='value' …" form. PostgreSQL only.
    const SecretString& connection_string() const { return connection_string_; }
    // For logs: without the password.
    const std::string& printable() const { return printable_; }

  private:
    DatabaseUrl() = default;
    Dialect dialect_ = Dialect::sqlite;
    std::filesystem::path file_;
    SecretString connection_string_;
    std::string printable_;
};

}  // namespace llmm::storage
