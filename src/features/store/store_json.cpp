#include "features/store/store_json.hpp"

#include "base/json/json.hpp"
#include "base/json/reader.hpp"

#include <boost/json.hpp>

namespace llmm::store {
namespace {

constexpr std::size_t kMaxPath = 1024;

std::int64_t number_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_int64() ? value->get_int64() : 0;
}

std::string text_at(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

json::array to_array(const std::vector<ImportResult::Skipped>& skipped) {
    json::array rows;
    for (const auto& row : skipped)
        rows.push_back(json::object{{"ref", row.ref}, {"error", row.code}, {"reason", row.reason}});
    return rows;
}

json::object result_json(const ImportResult& result) {
    return {{"models", json::value_from(result.models)},
            {"already_here", result.already_here},
            {"reflinks", result.reflinks},
            {"hard_links", result.hard_links},
            {"copies", result.copies},
            {"bytes", result.bytes},
            {"skipped", to_array(result.skipped)}};
}

void read_common(ObjectReader& in, ImportRequest& request) {
    request.path = in.required_string("path", {.min_length = 1, .max_length = kMaxPath});
    request.may_copy = in.boolean("copy").value_or(false);
}

}  // namespace

ImportRequest parse_import_request(const json::value& body) {
    ObjectReader in(body);
    ImportRequest request;
    const auto source = in.choice("source", {"path", "hf-cache", "ollama"});
    if (!in.has("source")) in.add_problem("source", Text{"is required", "为必填项"});
    request.source = source ? parse_import_source(*source).value() : ImportSource::path;
    read_common(in, request);
    in.finish();
    return request;
}

ImportRequest parse_path_import_request(const json::value& body) {
    ObjectReader in(body);
    ImportRequest request;
    read_common(in, request);
    request.variant = in.string("variant", {.min_length = 1, .max_length = 128}).value_or("");
    in.finish();
    return request;
}

LinkRequest parse_link_request(const json::value& body) {
    ObjectReader in(body);
    LinkRequest request;
    const auto layout = in.choice("layout", {"hf-cache", "ollama"});
    if (!in.has("layout")) in.add_problem("layout", Text{"is required", "为必填项"});
    if (layout) request.layout = parse_layout(*layout).value();
    request.path = in.required_string("path", {.min_length = 1, .max_length = kMaxPath});
    if (const auto model = in.string("model_id", {.max_length = 64})) {
        request.model = ModelId::parse(*model);
        if (!request.model) in.add_problem("model_id", Text{"is not an id", "不是有效的 ID"});
    }
    in.finish();
    return request;
}

CollectRequest parse_collect_request(const json::value& body) {
    ObjectReader in(body);
    CollectRequest request;
    request.dry_run = in.boolean("dry_run").value_or(false);
    request.min_age_seconds = in.integer("min_age_seconds", {.min = 0, .max = 31'536'000}).value_or(3600);
    in.finish();
    return request;
}

json::object to_json(const Import& import, const tasks::QueuedTask& task) {
    return {{"id", import.id.str()},
            {"task_id", import.task_id.str()},
            {"source", name_of(import.request.source)},
            {"path", import.request.path},
            {"variant", import.request.variant.empty() ? json::value(nullptr) : json::value(import.request.variant)},
            {"copy", import.request.may_copy},
            {"state", tasks::name_of(task.state)},
            {"progress", task.progress ? json::value(*task.progress) : json::value(nullptr)},
            {"error_code", task.error_code ? json::value(*task.error_code) : json::value(nullptr)},
            {"error", task.error_message ? json::value(*task.error_message) : json::value(nullptr)},
            {"result", import.result ? json::value(result_json(*import.result)) : json::value(nullptr)},
            {"created_at", to_rfc3339(import.created_at)}};
}

json::object to_json(const LinkResult& result) {
    json::array linked;
    for (const auto& row : result.linked)
        linked.push_back(json::object{{"ref", row.ref}, {"name", row.name}});
    return {{"linked", std::move(linked)},
            {"skipped", to_array(result.skipped)},
            {"hard_links", result.hard_links},
            {"symbolic_links", result.symbolic_links}};
}

json::object to_json(const Collection& collection) {
    constexpr std::string_view kKinds[] = {"blob", "part", "link"};
    json::array rows;
    for (const Garbage& row : collection.garbage) {
        rows.push_back(
            json::object{{"kind", kKinds[static_cast<std::size_t>(row.kind)]}, {"name", row.name}, {"size", row.size}});
    }
    return {{"dry_run", collection.dry_run},
            {"garbage", std::move(rows)},
            {"size", collection.size},
            {"missing", json::value_from(collection.missing)}};
}

json::object to_json(const StoreFacts& facts) {
    return {{"blobs", facts.blobs},
            {"size", facts.size},
            {"references", facts.references},
            {"referenced_size", facts.referenced_size},
            {"saved_size", facts.referenced_size > facts.size ? facts.referenced_size - facts.size : 0},
            {"models", facts.models},
            {"oldest_verification",
             facts.oldest_verification ? json::value(to_rfc3339(*facts.oldest_verification)) : json::value(nullptr)}};
}

std::string write_result(const ImportResult& result) {
    return json::serialize(result_json(result));
}

ImportResult read_result(std::string_view text) {
    const json::value value = parse_own_json(text);
    const json::object& object = value.as_object();
    ImportResult result;
    for (const json::value& id : object.at("models").as_array())
        result.models.emplace_back(id.as_string());
    result.already_here = number_at(object, "already_here");
    result.reflinks = number_at(object, "reflinks");
    result.hard_links = number_at(object, "hard_links");
    result.copies = number_at(object, "copies");
    result.bytes = number_at(object, "bytes");
    for (const json::value& row : object.at("skipped").as_array()) {
        const json::object& skipped = row.as_object();
        result.skipped.push_back({text_at(skipped, "ref"), text_at(skipped, "error"), text_at(skipped, "reason")});
    }
    return result;
}

std::string ollama_config(std::string_view architecture, std::string_view quantization, std::string_view model_sha256) {
    json::array diff_ids;
    diff_ids.push_back(json::value("sha256:" + std::string(model_sha256)));
    json::object config{{"model_format", "gguf"},
                        {"model_family", architecture},
                        {"model_families", json::array{json::value(architecture)}},
                        {"architecture", "amd64"},
                        {"os", "linux"},
                        {"rootfs", json::object{{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}};
    if (!quantization.empty()) config["file_type"] = quantization;
    return json::serialize(config);
}

std::string ollama_manifest(const OllamaLayer& config, const std::vector<OllamaLayer>& layers) {
    const auto entry = [](const OllamaLayer& layer, const std::string& type) {
        return json::object{{"mediaType", type}, {"digest", "sha256:" + layer.sha256}, {"size", layer.size}};
    };
    json::array rows;
    for (const OllamaLayer& layer : layers)
        rows.push_back(entry(layer, "application/vnd.ollama.image." + layer.type));
    return json::serialize(json::object{{"schemaVersion", 2},
                                        {"mediaType", "application/vnd.docker.distribution.manifest.v2+json"},
                                        {"config", entry(config, "application/vnd.docker.container.image.v1+json")},
                                        {"layers", std::move(rows)}});
}

std::vector<std::pair<std::string, std::string>> ollama_texts(std::string_view model_metadata) {
    const json::value metadata = parse_own_json(model_metadata);
    const json::value* source = metadata.is_object() ? metadata.get_object().if_contains("source") : nullptr;
    std::vector<std::pair<std::string, std::string>> texts;
    if (!source || !source->is_object()) return texts;
    for (const char* type : {"template", "system", "params", "messages"}) {
        const json::value* value = source->get_object().if_contains(type);
        if (!value) continue;
        texts.emplace_back(type, value->is_string() ? std::string(value->get_string()) : json::serialize(*value));
    }
    return texts;
}

}  // namespace llmm::store
