#pragma once
#include "integrations/formats/problem.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace llmm::formats {

// null, a boolean, an integer, another number, a string. Negative integers arrive as numbers with a fraction
// do.
using JsonScalar = std::variant<std::monostate, bool, std::uint64_t, double, std::string_view>;

// Is told what a JSON text contains. A path holds the keys from the root to the value; a level that is an
// array has an empty key.
class JsonVisitor {
  public:
    using Path = std::span<const std::string>;
    virtual ~JsonVisitor() = default;
    virtual void open(Path path, bool is_array) = 0;
    virtual void close(Path path) = 0;
    virtual void scalar(Path path, const JsonScalar& value) = 0;
    // Set once: the walk ends there.
    virtual const std::optional<FormatProblem>& problem() const = 0;
};

struct JsonWalkLimits {
    std::size_t depth;
    std::size_t key_bytes;
};

// Walks a JSON text that comes in pieces without building it in memory, except for the keys of the objects
// that are open: none may come twice. (parse_json builds a tree, which for a header of 100 MB would take
// gigabytes.)
class JsonWalk {
  public:
    JsonWalk(JsonVisitor& visitor, JsonWalkLimits limits);
    ~JsonWalk();
    JsonWalk(const JsonWalk&) = delete;
    JsonWalk& operator=(const JsonWalk&) = delete;

    // False: stop, see problem().
    bool feed(std::string_view piece);
    // Nothing comes any more.
    bool finish();
    const FormatProblem& problem() const { return *problem_; }

  private:
    struct State;
    bool write(std::string_view piece, bool more);
    std::unique_ptr<State> state_;
    std::optional<FormatProblem> problem_;
};

}  // namespace llmm::formats
