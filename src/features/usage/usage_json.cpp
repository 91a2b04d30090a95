#include "features/usage/usage_json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::usage {

namespace json = boost::json;

namespace {

// A name that begins like a formula would be one to a spreadsheet.
std::string csv_field(std::string text) {
    if (!text.empty() && std::string_view("=+-@\t\r").contains(text.front())) text.insert(0, "'");
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

json::value number(const std::optional<double>& value) {
    return value ? json::value(*value) : json::value(nullptr);
}

}  // namespace

json::value to_json(const UsageSum& sum, const std::vector<Grouping>& group_by) {
    json::object object;
    for (std::size_t i = 0; i < group_by.size(); ++i)
        object.emplace(name_of(group_by[i]), sum.group.at(i));
    object.emplace("requests", sum.requests);
    object.emplace("failed", sum.failed);
    object.emplace("cancelled", sum.cancelled);
    object.emplace("tokens_in", sum.tokens_in);
    object.emplace("tokens_out", sum.tokens_out);
    object.emplace("tokens_cached", sum.tokens_cached);
    object.emplace("mean_first_token_ms", number(sum.mean_first_token_ms));
    object.emplace("mean_total_ms", number(sum.mean_total_ms));
    return object;
}

std::string to_csv(const std::vector<UsageSum>& sums, const std::vector<Grouping>& group_by) {
    std::string text;
    for (const Grouping grouping : group_by)
        text += fmt::format("{},", name_of(grouping));
    text += "requests,failed,cancelled,tokens_in,tokens_out,tokens_cached,mean_first_token_ms,mean_total_ms\r\n";
    const auto shown = [](const std::optional<double>& value) {
        return value ? fmt::format("{:.3f}", *value) : std::string();
    };
    for (const UsageSum& sum : sums) {
        for (const std::string& value : sum.group)
            text += csv_field(value) + ",";
        text +=
            fmt::format("{},{},{},{},{},{},{},{}\r\n", sum.requests, sum.failed, sum.cancelled, sum.tokens_in,
                        sum.tokens_out, sum.tokens_cached, shown(sum.mean_first_token_ms), shown(sum.mean_total_ms));
    }
    return text;
}

}  // namespace llmm::usage
