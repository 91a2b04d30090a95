#include "integrations/engines/engine_options.hpp"

#include "base/json/reader.hpp"

#include <algorithm>
#include <cassert>

namespace llmm::engines {
namespace {

OptionValue standard_of(const EngineOption& option) {
    if (const auto* text = std::get_if<std::string_view>(&option.standard)) return std::string(*text);
    if (const auto* number = std::get_if<std::int64_t>(&option.standard)) return *number;
    if (const auto* flag = std::get_if<bool>(&option.standard)) return *flag;
    return std::monostate{};
}

template <class T>
OptionValue value_or_standard(std::optional<T> value, const EngineOption& option) {
    return value ? OptionValue(std::move(*value)) : standard_of(option);
}

OptionValue read(const EngineOption& option, ObjectReader& in) {
    switch (option.type) {
        case OptionType::integer:
            return value_or_standard(in.integer(option.key, {.min = option.min, .max = option.max}), option);
        case OptionType::boolean:
            return value_or_standard(in.boolean(option.key), option);
        case OptionType::choice:
            return value_or_standard(in.choice(option.key, option.choices), option);
    }
    return {};
}

}  // namespace

const EngineOption* find_option(const EngineDescriptor& engine, std::string_view key) {
    const auto found = std::ranges::find(engine.options, key, &EngineOption::key);
    return found == engine.options.end() ? nullptr : &*found;
}

const OptionValue& OptionValues::at(std::string_view key) const {
    const auto found = values_.find(key);
    assert(found != values_.end() && "not an option of this engine");
    return found->second;
}

OptionValues read_options(const EngineDescriptor& engine, ObjectReader& in) {
    OptionValues result;
    for (const EngineOption& option : engine.options)
        result.values_[std::string(option.key)] = read(option, in);
    return result;
}

}  // namespace llmm::engines
