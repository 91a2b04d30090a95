#pragma once
#include "base/error/error.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <boost/json/fwd.hpp>

namespace llmm {
class ObjectReader;
}

// What every inference engine has in common. An engine is a descriptor (data, from which validation, command
// line, documentation and the form in the browser follow) and a folder beside this file.
namespace llmm::engines {

struct Words {
    std::string_view en;
    std::string_view zh;
};

enum class OptionType { integer, boolean, choice };

// monostate: not set, which each option explains.
using OptionValue = std::variant<std::monostate, std::int64_t, bool, std::string>;
using OptionDefault = std::variant<std::monostate, std::int64_t, bool, std::string_view>;

// One thing that a user can set for an engine.
struct EngineOption {
    std::string_view key;  // in a deployment's config
    OptionType type = OptionType::integer;
    OptionDefault standard = {};
    std::int64_t min = 0, max = 0;                   // of an integer
    std::span<const std::string_view> choices = {};  // of a choice
    std::string_view flag;                           // on the engine's command line
    Words meaning;
};

struct EngineDescriptor {
    std::string_view name;   // "llama-server", in the API and the database
    std::string_view title;  // for people
    std::span<const std::string_view> formats;
    std::span<const EngineOption> options;
    bool needs_model = true;  // the model's files are here; false: it is where the engine is
    // Its instances are started and ended by this program, which gives up on one that keeps failing; false: they are
    // somebody else's, and their state follows their health.
    bool owns_instances = true;
    // Another program runs them; while that doesn't answer (ENGINE_UNAVAILABLE), a start waits for it.
    bool needs_service = false;
    bool replicates = true;  // several instances of one deployment make sense
};

const EngineOption* find_option(const EngineDescriptor& engine, std::string_view key);

// A value for every option of an engine; made only by read_options, so that all are within their bounds.
class OptionValues {
  public:
    std::int64_t integer(std::string_view key) const { return std::get<std::int64_t>(at(key)); }
    bool boolean(std::string_view key) const { return std::get<bool>(at(key)); }
    const std::string& text(std::string_view key) const { return std::get<std::string>(at(key)); }
    bool is_set(std::string_view key) const { return !std::holds_alternative<std::monostate>(at(key)); }
    const std::map<std::string, OptionValue, std::less<>>& all() const { return values_; }

  private:
    friend OptionValues read_options(const EngineDescriptor& engine, ObjectReader& in);
    const OptionValue& at(std::string_view key) const;
    std::map<std::string, OptionValue, std::less<>> values_;
};

// Mistakes stay in the reader; an option with one, and an absent one, has its standard value.
OptionValues read_options(const EngineDescriptor& engine, ObjectReader& in);

}  // namespace llmm::engines
