#pragma once
#include "base/async/task.hpp"
#include "base/error/error.hpp"
#include "storage/session.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace llmm::storage {

struct DatabaseOptions {
    DatabaseUrl url;
    // Connections, each with its thread: all of them on PostgreSQL; the readers beside the one writer on
    // SQLite.
    std::size_t pool_size = 4;
};

// The database behind co_await. Any thread may call; the caller is resumed on its own executor. Expects a
// migrated database (see migrator.hpp). The destructor waits for what was started.
class Database {
  public:
    using Options = DatabaseOptions;

    explicit Database(Options options);  // blocks; throws when the database can't be opened
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Dialect dialect() const;

    // Runs fn(Session&) outside a transaction: each statement sees its own snapshot. fn only reads, and may
    // run twice when the connection was lost.
    template <class F>
    Task<std::invoke_result_t<F&, Session&>> read(F fn) {
        return on(&Database::run_read, std::move(fn));
    }

    // Runs fn(Session&) in one transaction, committed when fn returns and rolled back when it throws. On
    // SQLite writes run one after another; on PostgreSQL they run side by side at READ COMMITTED: say what
    // must still hold in the WHERE of an UPDATE, or lock first with SELECT … FOR UPDATE. fn has no effects
    // outside the database, for it runs again after a deadlock.
    template <class F>
    Task<std::invoke_result_t<F&, Session&>> write(F fn) {
        return on(&Database::run_write, std::move(fn));
    }

  private:
    using Work = std::function<void(Session&)>;

    // The result waits in this coroutine's frame; the rest is compiled once and not for each lambda.
    template <class F>
    Task<std::invoke_result_t<F&, Session&>> on(Task<> (Database::*run)(Work), F fn) {
        using Result = std::invoke_result_t<F&, Session&>;
        if constexpr (std::is_void_v<Result>) {
            co_await (this->*run)([&fn](Session& session) { fn(session); });
        } else {
            std::optional<Result> result;
            co_await (this->*run)([&fn, &result](Session& session) { result.emplace(fn(session)); });
            co_return std::move(*result);
        }
    }

    Task<> run_read(Work work);
    Task<> run_write(Work work);

    struct State;
    std::unique_ptr<State> state_;
};

// What the database refused, also after write() has let the Error out. Both have the code CONFLICT.
bool is_unique_violation(const Error& error);
bool is_foreign_key_violation(const Error& error);

}  // namespace llmm::storage
