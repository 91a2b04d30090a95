#include "features/models/model_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>

namespace llmm::models {
namespace {

template <class T>
json::value or_null(const std::optional<T>& value) {
    return value ? json::value_from(*value) : json::value(nullptr);
}
json::value time_or_null(const std::optional<TimePoint>& time) {
    return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}
json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

}  // namespace

json::object to_json(const Model& model) {
    const bool known = model.file_count > 0;
    const json::value size = known ? json::value(model.size_bytes) : json::value(nullptr);
    return {{"id", model.id.str()},
            {"ref", model.ref},
            {"name", model.name},
            {"description", text_or_null(model.description)},
            {"source", name_of(model.source)},
            {"model_type", text_or_null(model.model_type)},
            {"size", size},
            {"size_gb", known ? json::value(static_cast<double>(model.size_bytes) / 1e9) : json::value(nullptr)},
            {"parameters", or_null(model.parameters)},
            {"tags", json::value_from(model.tags)},
            {"status", name_of(model.status)},
            {"format", model.format ? json::value(name_of(*model.format)) : json::value(nullptr)},
            {"quantization", or_null(model.quantization)},
            {"architecture", or_null(model.architecture)},
            {"context_length", or_null(model.context_length)},
            {"license", or_null(model.license)},
            {"stock_compatible", or_null(model.stock_compatible)},
            {"metadata", model.metadata == "{}" ? json::value(json::object{}) : parse_own_json(model.metadata)},
            {"files", {{"count", model.file_count}, {"size", size}, {"verified_at", time_or_null(model.verified_at)}}},
            {"created_at", to_rfc3339(model.created_at)},
            {"updated_at", to_rfc3339(model.updated_at)}};
}

json::object to_json(const ModelFile& file) {
    return {{"model_id", file.model_id.str()},
            {"path", file.path},
            {"size", file.size},
            {"sha256", file.sha256.hex()},
            {"blob", file.sha256.hex()},
            {"verified_at", time_or_null(file.verified_at)}};
}

ModelChanges parse_model_changes(const json::value& body) {
    ObjectReader in(body);
    ModelChanges changes;
    changes.name = in.string("name", {.min_length = 1, .max_length = 200});
    if (in.is_null("name")) in.add_problem("name", Text{"can't be null", "不能为 null"});
    changes.description = in.string("description", {.max_length = 10'000});
    if (in.is_null("description")) changes.description = "";
    changes.tags = in.strings("tags", {.max_items = 64, .item = {.min_length = 1, .max_length = 64}, .unique = true});
    if (in.is_null("tags")) in.add_problem("tags", Text{"can't be null", "不能为 null"});
    if (!in.has("name") && !in.has("description") && !in.has("tags")) {
        in.add_problem("", Text{"changes nothing", "没有任何修改"},
                       Text{"name, description, tags", "name、description、tags"});
    }
    in.finish();
    return changes;
}

std::vector<std::string> read_tags(std::string_view text) {
    if (text == "[]") return {};
    return json::value_to<std::vector<std::string>>(parse_own_json(text));
}

std::optional<bool> read_stock_compatible(std::string_view metadata) {
    if (!metadata.contains("stock_compatible")) return std::nullopt;
    const json::value value = parse_own_json(metadata);
    const json::value* source = value.as_object().if_contains("source");
    const json::value* mark =
        source && source->is_object() ? source->get_object().if_contains("stock_compatible") : nullptr;
    return mark && mark->is_bool() ? std::optional(mark->get_bool()) : std::nullopt;
}

std::string write_source_metadata(std::string_view source_metadata) {
    if (source_metadata.empty() || source_metadata == "{}") return "{}";
    return json::serialize(json::object{{"source", parse_own_json(source_metadata)}});
}

std::string keep_source_metadata(std::string_view old_metadata, std::string_view facts_metadata) {
    const json::value old = parse_own_json(old_metadata);
    const json::value* source = old.is_object() ? old.get_object().if_contains("source") : nullptr;
    if (!source) return std::string(facts_metadata);
    json::value merged = parse_own_json(facts_metadata);
    merged.as_object()["source"] = *source;
    return json::serialize(merged);
}

std::string write_tags(const std::vector<std::string>& tags) {
    return json::serialize(json::value_from(tags));
}

}  // namespace llmm::models
