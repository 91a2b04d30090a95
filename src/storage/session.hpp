#pragma once
#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/time/time.hpp"
#include "storage/database_url.hpp"
#include "storage/row.hpp"

namespace soci {
class session;
}

namespace llmm::storage {

class Connection;

// The value of one "?".
class Param {
  public:
    enum class Kind { text, integer, number };

    Param(std::string_view text) : kind_(Kind::text), value_(std::string(text)) {}
    Param(std::string text) : kind_(Kind::text), value_(std::move(text)) {}
    Param(const char* text) : kind_(Kind::text), value_(std::string(text)) {}
    Param(std::integral auto number) : kind_(Kind::integer), value_(static_cast<std::int64_t>(number)) {}
    Param(std::floating_point auto number) : kind_(Kind::number), value_(static_cast<double>(number)) {}
    Param(TimePoint time) : kind_(Kind::integer), value_(to_epoch_ms(time)) {}
    // Ids, paths and other types that are text behind str().
    template <class T>
        requires requires(const T& value) {
            { value.str() } -> std::convertible_to<std::string_view>;
        }
    Param(const T& value) : Param(std::string_view(value.str())) {}
    // NULL when empty; the kind is known all the same.
    template <class T>
    Param(const std::optional<T>& value) : Param(value ? Param(*value) : null(kind_of<T>())) {}

    Kind kind() const { return kind_; }
    bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
    const auto& value() const { return value_; }

  private:
    explicit Param(Kind kind) : kind_(kind) {}
    static Param null(Kind kind) { return Param(kind); }
    template <class T>
    static constexpr Kind kind_of() {
        if constexpr (std::integral<T> || std::same_as<T, TimePoint>) return Kind::integer;
        if constexpr (std::floating_point<T>) return Kind::number;
        return Kind::text;
    }

    Kind kind_;
    std::variant<std::monostate, std::string, std::int64_t, double> value_;
};

// Parameters of a statement that is put together at run time: pass it as the only argument.
using Params = std::vector<Param>;

// One connection, lent to a function on a database thread. Statements are prepared once for each connection and kept by
// their text, so the text is a literal or one of few variants and values are always "?": never pasted in.
//
//     const auto name = session.query_one("SELECT name FROM models WHERE id = ?",
//                                         [](const Row& row) { return row.text(0); }, id);
//
// After a failed statement nothing but leaving the function makes sense: the transaction will not commit.
class Session {
  public:
    explicit Session(Connection& connection) : connection_(connection) {}

    Dialect dialect() const;
    // For what the functions below can't do. A statement prepared here is not kept.
    soci::session& sql();

    // Returns the number of rows that were inserted, changed or deleted.
    template <class... Args>
    std::int64_t execute(std::string_view text, const Args&... args) {
        return with_params([&](std::span<const Param> params) { return run(text, params, {}); }, args...);
    }

    // All rows, each turned into a value by from_row(const Row&). from_row runs no statements.
    template <class F, class... Args>
    auto query(std::string_view text, F from_row, const Args&... args) {
        using Item = std::invoke_result_t<F&, const Row&>;
        std::vector<Item> items;
        with_params([&](std::span<const Param> params) {
            return run(text, params, [&](const Row& row) {
                items.push_back(from_row(row));
                return true;
            });
        }, args...);
        return items;
    }

    // The first row or nothing.
    template <class F, class... Args>
    auto query_one(std::string_view text, F from_row, const Args&... args) {
        std::optional<std::invoke_result_t<F&, const Row&>> item;
        with_params([&](std::span<const Param> params) {
            return run(text, params, [&](const Row& row) {
                item.emplace(from_row(row));
                return false;
            });
        }, args...);
        return item;
    }

  private:
    // Gets each row, returns whether it wants the next.
    using OnRow = std::function<bool(const Row&)>;

    template <class F, class... Args>
    static std::int64_t with_params(F call, const Args&... args) {
        if constexpr (sizeof...(Args) == 1 && (std::is_same_v<Args, Params> && ...)) {
            return call(std::span<const Param>(args...));
        } else {
            const std::array<Param, sizeof...(Args)> params{Param(args)...};
            return call(std::span<const Param>(params));
        }
    }

    std::int64_t run(std::string_view text, std::span<const Param> params, const OnRow& on_row);

    Connection& connection_;
};

}  // namespace llmm::storage
