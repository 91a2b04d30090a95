#pragma once
#include "features/store/store.hpp"
#include "features/tasks/task.hpp"

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

namespace llmm::store {

ImportRequest parse_import_request(const boost::json::value& body);       // {"source","path",…}
ImportRequest parse_path_import_request(const boost::json::value& body);  // {"path",…}
struct LinkRequest {
    Layout layout = Layout::hf_cache;
    std::string path;
    std::optional<ModelId> model;  // nullopt: all
};
LinkRequest parse_link_request(const boost::json::value& body);
struct CollectRequest {
    bool dry_run = false;
    std::int64_t min_age_seconds = 3600;
};
CollectRequest parse_collect_request(const boost::json::value& body);

// The task says whether it is at work, has ended or has failed.
boost::json::object to_json(const Import& import, const tasks::QueuedTask& task);
boost::json::object to_json(const LinkResult& result);
boost::json::object to_json(const Collection& collection);
boost::json::object to_json(const StoreFacts& facts);

// The column result.
std::string write_result(const ImportResult& result);
ImportResult read_result(std::string_view text);

// What Ollama needs to know of a model beside its weights: the text of a config blob.
std::string ollama_config(std::string_view architecture, std::string_view quantization, std::string_view model_sha256);
struct OllamaLayer {
    std::string type;  // "model"
    std::string sha256;
    std::int64_t size = 0;
};
std::string ollama_manifest(const OllamaLayer& config, const std::vector<OllamaLayer>& layers);
// The texts of layers (template, system, params) that a model of Ollama's registry brought along: type -> text.
std::vector<std::pair<std::string, std::string>> ollama_texts(std::string_view model_metadata);

}  // namespace llmm::store
