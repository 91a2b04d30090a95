#pragma once
#include "base/error/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

namespace llmm {

// Reads the fields of a JSON object from outside and collects every mistake, so that a client hears of all at once:
//
//     ObjectReader in(body);
//     request.name = in.required_string("name", {.max_length = 64});
//     request.priority = in.integer("priority", {.min = -100, .max = 100}).value_or(0);
//     in.finish();   // throws VALIDATION_FAILED naming each bad or unknown field
//
// A field that is null counts as absent. The object must outlive the reader.
class ObjectReader {
  public:
    struct StringBounds {
        std::size_t min_length = 0;
        std::size_t max_length = 1024;  // characters, not bytes
    };
    struct IntegerBounds {
        std::int64_t min = std::numeric_limits<std::int64_t>::min();
        std::int64_t max = std::numeric_limits<std::int64_t>::max();
    };
    struct NumberBounds {
        double min = std::numeric_limits<double>::lowest();
        double max = std::numeric_limits<double>::max();
    };
    struct ListBounds {
        std::size_t min_items = 0;
        std::size_t max_items = 100;
        StringBounds item{};
        bool unique = false;
    };

    // Anything but an object is a mistake that finish() reports.
    explicit ObjectReader(const boost::json::value& value);
    ObjectReader(const ObjectReader&) = delete;
    ObjectReader& operator=(const ObjectReader&) = delete;
    ~ObjectReader();

    std::optional<std::string> string(std::string_view name, StringBounds bounds);
    std::string required_string(std::string_view name, StringBounds bounds);
    std::optional<std::int64_t> integer(std::string_view name, IntegerBounds bounds);
    std::optional<double> number(std::string_view name, NumberBounds bounds);
    std::optional<bool> boolean(std::string_view name);
    std::optional<std::string> choice(std::string_view name, std::span<const std::string_view> allowed);
    std::optional<std::string> choice(std::string_view name, std::initializer_list<std::string_view> allowed) {
        return choice(name, std::span(allowed.begin(), allowed.size()));
    }
    std::optional<std::vector<std::string>> strings(std::string_view name, ListBounds bounds);
    std::optional<std::vector<std::int64_t>> integers(std::string_view name, ListBounds bounds, IntegerBounds item);
    // The nested object for a reader of its own (see absorb), or nullptr when absent.
    const boost::json::value* object(std::string_view name);

    // The objects of a list with their places in it, for readers of their own (absorb as "name.place").
    std::vector<std::pair<std::size_t, const boost::json::value*>> objects(std::string_view name,
                                                                           std::size_t max_items);

    bool has(std::string_view name) const;
    bool is_null(std::string_view name) const;  // present and null: the wish to clear a value
    void add_problem(std::string_view name, Text problem, Text allowed = {});
    // Takes over the problems of a nested reader as "parent.field" and marks it finished.
    void absorb(std::string_view parent, ObjectReader& nested);
    void finish();

  private:
    const boost::json::value* find(std::string_view name);
    void require(std::string_view name);

    const boost::json::object* object_ = nullptr;
    std::vector<std::string> known_;
    Details problems_;
    bool finished_ = false;
    void collect_unknown();
};

}  // namespace llmm
