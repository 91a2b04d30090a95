#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "storage/failure.hpp"
#include "storage/session.hpp"

namespace llmm::storage {

// A connection with its prepared statements. Opened when first needed and again after it was lost; used by one thread at a
// time. Everything throws Error.
class Connection {
  public:
    enum class Role { reader, writer };  // on PostgreSQL there is no difference

    Connection(DatabaseUrl url, Role role);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Dialect dialect() const { return url_.dialect(); }
    soci::session& sql();
    void open_if_needed();
    void close();

    std::int64_t run(std::string_view text, std::span<const Param> params, const std::function<bool(const Row&)>& on_row);
    // For statements that are not worth keeping or can't be prepared. No parameters, no rows.
    void run_once(const std::string& text);

    void begin();
    // Refuses when a statement of the transaction failed: PostgreSQL would roll back and report success.
    void commit();
    void rollback() noexcept;

    // Notes the failure, so that close or retry can be decided later, and gives the Error for it.
    Error translate(const soci::soci_error& error);
    // What went wrong since the last begin() or clear_failure().
    Failure failure() const { return failure_; }
    void clear_failure() { failure_ = Failure::none; }

  private:
    struct State;
    std::unique_ptr<State> open() const;

    const DatabaseUrl url_;
    const Role role_;
    std::unique_ptr<State> state_;  // empty while not connected
    Failure failure_ = Failure::none;
};

}  // namespace llmm::storage
