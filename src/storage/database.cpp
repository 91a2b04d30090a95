#include "storage/database.hpp"

#include "base/async/blocking_pool.hpp"
#include "storage/connection.hpp"

#include <cassert>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <soci/soci.h>

namespace llmm::storage {
namespace {

constexpr int kMaxAttempts = 3;

// As many connections as threads use them, so that one is always free.
class Connections {
  public:
    Connections(const DatabaseUrl& url, Connection::Role role, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            free_.push_back(std::make_unique<Connection>(url, role));
    }

    class Lease {
      public:
        explicit Lease(Connections& from) : from_(from) {
            const std::lock_guard lock(from_.mutex_);
            assert(!from_.free_.empty());
            connection_ = std::move(from_.free_.back());  // the last used: its pages are in memory
            from_.free_.pop_back();
        }
        ~Lease() {
            const std::lock_guard lock(from_.mutex_);
            from_.free_.push_back(std::move(connection_));
        }
        Connection* operator->() const { return connection_.get(); }
        Connection& operator*() const { return *connection_; }

      private:
        Connections& from_;
        std::unique_ptr<Connection> connection_;
    };

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Connection>> free_;
};

// Two transactions that met in a deadlock should not meet again at once.
void pause_before(int attempt) {
    thread_local std::minstd_rand random{std::random_device{}()};
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution<>(1, 10 * attempt)(random)));
}

// Errors of SOCI that come from a function using Session::sql() itself.
template <class F>
void translating(Connection& connection, F call) {
    try {
        call();
    } catch (const soci::soci_error& error) {
        throw connection.translate(error);
    }
}

}  // namespace

struct Database::State {
    explicit State(const Options& options)
        : dialect(options.url.dialect()),
          writers(options.url, Connection::Role::writer, dialect == Dialect::sqlite ? 1 : options.pool_size),
          readers(options.url, Connection::Role::reader, dialect == Dialect::sqlite ? options.pool_size : 0),
          writer_threads("db-write", dialect == Dialect::sqlite ? 1 : options.pool_size),
          reader_threads("db-read", dialect == Dialect::sqlite ? options.pool_size : 0) {}

    bool has_readers() const { return dialect == Dialect::sqlite; }
    void read(const Work& work);
    void write(const Work& work);

    const Dialect dialect;
    Connections writers;  // SQLite: the one that may write. PostgreSQL: all
    Connections readers;  // SQLite only
    BlockingPool writer_threads;
    BlockingPool reader_threads;
};

Database::Database(Options options) : state_(std::make_unique<State>(options)) {
    Connections::Lease(state_->writers)->open_if_needed();
}

Database::~Database() = default;

Dialect Database::dialect() const {
    return state_->dialect;
}
Task<> Database::run_read(Work work) {
    auto& pool = state_->has_readers() ? state_->reader_threads : state_->writer_threads;
    co_await pool.run([&] { state_->read(work); });
}

Task<> Database::run_write(Work work) {
    co_await state_->writer_threads.run([&] { state_->write(work); });
}

void Database::State::read(const Work& work) {
    const Connections::Lease connection(has_readers() ? readers : writers);
    for (int attempt = 1;; ++attempt) {
        connection->clear_failure();
        try {
            connection->open_if_needed();
            Session session(*connection);
            translating(*connection, [&] { work(session); });
            return;
        } catch (const Error&) {
            if (connection->failure() != Failure::connection_lost) throw;
            connection->close();
            if (attempt == 2) throw;
        }
    }
}

void Database::State::write(const Work& work) {
    const Connections::Lease connection(writers);
    for (int attempt = 1;; ++attempt) {
        bool committing = false;
        connection->clear_failure();
        try {
            connection->open_if_needed();
            connection->begin();
            Session session(*connection);
            translating(*connection, [&] { work(session); });
            committing = true;
            connection->commit();
            return;
        } catch (...) {
            const Failure failure = connection->failure();
            const bool lost = failure == Failure::connection_lost;
            lost ? connection->close() : connection->rollback();
            // Whether a commit that got no answer took place is unknown: running it again could do the work
            // twice.
            const bool again =
                lost ? !committing && attempt == 1 : failure == Failure::serialization && attempt < kMaxAttempts;
            if (!again) throw;
        }
        pause_before(attempt);
    }
}

}  // namespace llmm::storage
