#pragma once
#include <filesystem>
#include <string>

#include <sys/types.h>

namespace llmm::test {

// A PostgreSQL server of this test program alone, made from the distribution's packages: own data directory, own port on
// 127.0.0.1, own password. A small shell process keeps it: when this program ends, even killed, the keeper reads the end of
// its pipe, stops the server and removes the directory.
class PostgresCluster {
  public:
    // The one of this program; started by the first call. Throws std::runtime_error when it can't be.
    static PostgresCluster& instance();
    ~PostgresCluster();
    PostgresCluster(const PostgresCluster&) = delete;
    PostgresCluster& operator=(const PostgresCluster&) = delete;

    std::string url(const std::string& database) const;
    // Runs a statement as superuser in the maintenance database.
    void execute(const std::string& sql) const;

  private:
    PostgresCluster();
    void wait_until_ready() const;

    std::string password_;
    int port_ = 0;
    std::filesystem::path directory_;
    pid_t keeper_ = -1;
    int pipe_ = -1;  // the keeper waits for its end
};

}  // namespace llmm::test
