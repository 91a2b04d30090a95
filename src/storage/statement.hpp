#pragma once
#include "storage/row.hpp"
#include "storage/session.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <soci/soci.h>

namespace llmm::storage {

// A prepared statement with buffers of its own, bound once and used again. Only connection.cpp and its tests
// see SOCI's types.
class Statement {
  public:
    // The kinds of the parameters are part of the binding: fits() tells whether the next call has the same.
    Statement(soci::session& session, Dialect dialect, std::string_view text, std::span<const Param> params);
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    bool fits(std::span<const Param> params) const;
    std::int64_t run(std::span<const Param> params, const std::function<bool(const Row&)>& on_row);

  private:
    struct Slot {
        Param::Kind kind = Param::Kind::text;
        std::string text;
        long long integer = 0;
        double number = 0;
        soci::indicator indicator = soci::i_ok;
    };

    void fill(std::span<const Param> params);
    std::size_t column_count();
    bool execute();
    void reset();

    Dialect dialect_;
    std::deque<Slot> slots_;  // never moved: SOCI keeps their addresses
    std::deque<soci::indicator> indicators_;
    Row row_;
    bool running_ = false;
    soci::statement handle_;
};

}  // namespace llmm::storage
