#include "features/gateway/ollama_json.hpp"

#include "base/error/error.hpp"
#include "base/json/json.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::gateway::ollama {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void refuse(std::string field, Text problem) {
    throw Error(ErrorCode::validation_failed, Text{"a field is not as described", "字段不符合要求"},
                {{std::move(field), FieldProblem{std::move(problem)}}});
}

const json::object& object_of(const json::value& body) {
    if (!body.is_object()) refuse("body", {"is no object", "不是对象"});
    return body.get_object();
}

// The string of that name; empty when it is absent or null.
std::string text(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || value->is_null()) return {};
    if (!value->is_string()) refuse(std::string(name), {"is no string", "不是字符串"});
    return std::string(value->get_string());
}

bool flag(const json::object& object, std::string_view name, bool otherwise) {
    const json::value* value = object.if_contains(name);
    if (!value || value->is_null()) return otherwise;
    if (!value->is_bool()) refuse(std::string(name), {"is no boolean", "不是布尔值"});
    return value->get_bool();
}

const json::array* list(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || value->is_null()) return nullptr;
    if (!value->is_array()) refuse(std::string(name), {"is no list", "不是列表"});
    return &value->get_array();
}

// Names of Ollama's options and what OpenAI-compatible engines call them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kOptions = {{
    {"temperature", "temperature"},
    {"top_p", "top_p"},
    {"top_k", "top_k"},
    {"min_p", "min_p"},
    {"typical_p", "typical_p"},
    {"seed", "seed"},
    {"stop", "stop"},
    {"repeat_penalty", "repeat_penalty"},
    {"repeat_last_n", "repeat_last_n"},
    {"presence_penalty", "presence_penalty"},
    {"frequency_penalty", "frequency_penalty"},
    {"mirostat", "mirostat"},
    {"mirostat_eta", "mirostat_eta"},
    {"mirostat_tau", "mirostat_tau"},
}};

void add_options(const json::object& asked, json::object& request) {
    const json::value* value = asked.if_contains("options");
    if (!value || value->is_null()) return;
    if (!value->is_object()) refuse("options", {"is no object", "不是对象"});
    const json::object& options = value->get_object();
    for (const auto& [ours, theirs] : kOptions) {
        if (const json::value* option = options.if_contains(ours)) request[theirs] = *option;
    }
    const json::value* limit = options.if_contains("num_predict");
    if (limit && limit->is_int64() && limit->get_int64() >= 0) request["max_tokens"] = *limit;  // -1: no limit
}

void add_format(const json::object& asked, json::object& request) {
    const json::value* format = asked.if_contains("format");
    if (!format || format->is_null() || (format->is_string() && format->get_string().empty())) return;
    if (format->is_object()) {
        request["response_format"] = {{"type", "json_schema"},
                                      {"json_schema", {{"name", "answer"}, {"schema", *format}}}};
    } else if (format->is_string() && format->get_string() == "json") {
        request["response_format"] = {{"type", "json_object"}};
    } else {
        refuse("format", {"is neither \"json\" nor a schema", "既不是 \"json\" 也不是 JSON Schema"});
    }
}

void add_thinking(const json::object& asked, json::object& request) {
    const json::value* think = asked.if_contains("think");
    if (!think || think->is_null()) return;
    if (think->is_bool()) {
        request["chat_template_kwargs"] = {{"enable_thinking", think->get_bool()}};
    } else if (think->is_string()) {
        request["reasoning_effort"] = *think;
    } else {
        refuse("think", {"is neither a boolean nor a level", "既不是布尔值也不是级别"});
    }
}

// Text, or text with pictures.
json::value content_of(const std::string& words, const json::array* images) {
    if (!images || images->empty()) return json::value(words);
    json::array parts;
    if (!words.empty()) parts.push_back(json::object{{"type", "text"}, {"text", words}});
    for (const json::value& image : *images) {
        if (!image.is_string()) refuse("images", {"holds something that is no string", "包含非字符串内容"});
        parts.push_back(json::object{{"type", "image_url"}, {"image_url", {{"url", data_url(image.get_string())}}}});
    }
    return parts;
}

// Ollama's calls have no id and their arguments are an object.
json::array tool_calls_of(const json::array& calls, std::size_t& number) {
    json::array result;
    for (const json::value& value : calls) {
        const json::object* call = value.if_object();
        const json::value* function = call ? call->if_contains("function") : nullptr;
        if (!function || !function->is_object())
            refuse("tool_calls", {"holds a call without a function", "缺少 function"});
        const json::value* arguments = function->get_object().if_contains("arguments");
        result.push_back(json::object{{"id", fmt::format("call_{}", ++number)},
                                      {"type", "function"},
                                      {"function",
                                       {{"name", text(function->get_object(), "name")},
                                        {"arguments", arguments ? json::serialize(*arguments) : "{}"}}}});
    }
    return result;
}

json::array messages_of(const json::array& asked) {
    json::array messages;
    std::size_t calls = 0, results = 0;
    for (const json::value& value : asked) {
        if (!value.is_object()) refuse("messages", {"holds something that is no object", "包含非对象内容"});
        const json::object& message = value.get_object();
        const std::string role = text(message, "role");
        json::object out{{"role", role}, {"content", content_of(text(message, "content"), list(message, "images"))}};
        if (const json::array* tools = list(message, "tool_calls"); tools && !tools->empty()) {
            out["tool_calls"] = tool_calls_of(*tools, calls);
        }
        if (role == "tool")
            out["tool_call_id"] = fmt::format("call_{}", ++results);  // answers come in the order of calls
        messages.push_back(std::move(out));
    }
    return messages;
}

std::string finished(json::object request, bool stream) {
    request["stream"] = stream;
    if (stream) request["stream_options"] = {{"include_usage", true}};
    return json::serialize(request);
}

bool lets_go(const json::object& asked) {
    const json::value* keep = asked.if_contains("keep_alive");
    if (!keep) return false;
    return (keep->is_int64() && keep->get_int64() == 0) ||
           (keep->is_string() &&
            (keep->get_string() == "0" || keep->get_string() == "0s" || keep->get_string() == "0m"));
}

std::int64_t nanoseconds(Clock::duration time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

json::value parsed_arguments(const std::string& arguments) {
    try {
        return parse_json(arguments.empty() ? "{}" : arguments);
    } catch (const Error&) {
        return json::value(arguments);  // the model has written something else: shown as it is
    }
}

json::array vectors_of(const std::string& body) {
    json::array vectors;
    json::value value;
    try {
        value = parse_json(body);
    } catch (const Error&) {
        // no JSON: there are no vectors either
    }
    const json::value* data = value.is_object() ? value.get_object().if_contains("data") : nullptr;
    if (!data || !data->is_array()) fail(ErrorCode::engine_failed, "the engine sent no embeddings", "引擎未返回向量");
    for (const json::value& item : data->get_array()) {
        const json::value* vector = item.is_object() ? item.get_object().if_contains("embedding") : nullptr;
        if (!vector || !vector->is_array())
            fail(ErrorCode::engine_failed, "the engine sent no embedding", "引擎未返回向量");
        vectors.push_back(*vector);
    }
    return vectors;
}

}  // namespace

std::string read_model(const json::value& body) {
    const json::object& object = object_of(body);
    std::string model = text(object, "model");
    if (model.empty()) model = text(object, "name");
    if (model.empty()) refuse("model", {"is missing", "缺失"});
    return model;
}

bool read_stream(const json::value& body) {
    return flag(object_of(body), "stream", true);
}

std::pair<std::string, std::string> read_copy(const json::value& body) {
    const json::object& object = object_of(body);
    return {text(object, "source"), text(object, "destination")};
}

Asked read_chat(const json::value& body) {
    const json::object& object = object_of(body);
    Asked asked;
    asked.model = read_model(body);
    asked.stream = read_stream(body);
    asked.target = "/v1/chat/completions";
    const json::array* messages = list(object, "messages");
    asked.nothing_to_say = !messages || messages->empty();
    asked.unload = asked.nothing_to_say && lets_go(object);
    if (asked.nothing_to_say) return asked;
    json::object request{{"messages", messages_of(*messages)}};
    if (const json::array* tools = list(object, "tools"); tools && !tools->empty()) request["tools"] = *tools;
    add_options(object, request);
    add_format(object, request);
    add_thinking(object, request);
    asked.body = finished(std::move(request), asked.stream);
    return asked;
}

Asked read_generate(const json::value& body) {
    const json::object& object = object_of(body);
    Asked asked;
    asked.model = read_model(body);
    asked.stream = read_stream(body);
    asked.is_chat = false;
    const std::string prompt = text(object, "prompt");
    if (!text(object, "suffix").empty()) refuse("suffix", {"is not supported", "暂不支持"});
    if (!text(object, "template").empty())
        refuse("template", {"is not supported: the model's own is used", "暂不支持"});
    asked.nothing_to_say = prompt.empty();
    asked.unload = asked.nothing_to_say && lets_go(object);
    if (asked.nothing_to_say) return asked;
    json::object request;
    if (flag(object, "raw", false)) {
        asked.target = "/v1/completions";
        request["prompt"] = prompt;
    } else {
        asked.target = "/v1/chat/completions";
        json::array messages;
        if (const std::string system = text(object, "system"); !system.empty()) {
            messages.push_back(json::object{{"role", "system"}, {"content", system}});
        }
        messages.push_back(json::object{{"role", "user"}, {"content", content_of(prompt, list(object, "images"))}});
        request["messages"] = std::move(messages);
        add_thinking(object, request);
    }
    add_options(object, request);
    add_format(object, request);
    asked.body = finished(std::move(request), asked.stream);
    return asked;
}

Translated read_embed(const json::value& body) {
    const json::object& object = object_of(body);
    Translated asked{.model = read_model(body), .stream = false, .target = "/v1/embeddings", .body = {}};
    const json::value* input = object.if_contains("input");
    if (!input || !(input->is_string() || input->is_array()))
        refuse("input", {"is neither a text nor texts", "既不是文本也不是文本列表"});
    json::object request{{"input", *input}, {"encoding_format", "float"}};
    if (const json::value* dimensions = object.if_contains("dimensions")) request["dimensions"] = *dimensions;
    asked.body = json::serialize(request);
    return asked;
}

Translated read_embeddings(const json::value& body) {
    Translated asked{.model = read_model(body), .stream = false, .target = "/v1/embeddings", .body = {}};
    asked.body =
        json::serialize(json::object{{"input", text(object_of(body), "prompt")}, {"encoding_format", "float"}});
    return asked;
}

json::object AnswerWriter::message(std::string_view words, std::string_view reasoning) const {
    json::object message{{"role", "assistant"}, {"content", words}};
    if (!reasoning.empty()) message["thinking"] = reasoning;
    return message;
}

json::object AnswerWriter::frame(std::string_view words, std::string_view reasoning) const {
    json::object frame{{"model", model_}, {"created_at", to_rfc3339(now())}};
    if (is_chat_) {
        frame["message"] = message(words, reasoning);
    } else {
        frame["response"] = words;
        if (!reasoning.empty()) frame["thinking"] = reasoning;
    }
    frame["done"] = false;
    return frame;
}

std::string AnswerWriter::line(const Delta& delta) {
    if (!delta.finish_reason.empty()) finish_reason_ = delta.finish_reason;
    if (delta.prompt_ns) prompt_ns_ = delta.prompt_ns;
    if (delta.answer_ns) answer_ns_ = delta.answer_ns;
    tools_.add(delta);
    text_ += delta.text;
    reasoning_ += delta.reasoning;
    if (delta.text.empty() && delta.reasoning.empty()) return {};
    if (!first_) first_ = Clock::now();
    return json::serialize(frame(delta.text, delta.reasoning)) + "\n";
}

std::string AnswerWriter::empty_line() const {
    return json::serialize(frame("", "")) + "\n";
}

std::string AnswerWriter::last_line(const TokenCounts& tokens, bool whole) {
    json::object last = frame(whole ? text_ : "", whole ? reasoning_ : "");
    if (is_chat_ && !tools_.all().empty()) {
        json::array calls;
        for (const ToolCall& call : tools_.all()) {
            calls.push_back(
                json::object{{"function", {{"name", call.name}, {"arguments", parsed_arguments(call.arguments)}}}});
        }
        last["message"].as_object()["tool_calls"] = std::move(calls);
    }
    const auto end = Clock::now();
    const std::int64_t total = nanoseconds(end - started_);
    const std::int64_t until_first = nanoseconds(first_.value_or(end) - started_);
    last["done"] = true;
    last["done_reason"] = finish_reason_ == "length" ? "length" : "stop";
    last["total_duration"] = total;
    last["load_duration"] = prompt_ns_ ? std::max<std::int64_t>(0, until_first - *prompt_ns_) : 0;
    last["prompt_eval_count"] = tokens.in.value_or(0);
    last["prompt_eval_duration"] = prompt_ns_.value_or(until_first);
    last["eval_count"] = tokens.out.value_or(0);
    last["eval_duration"] = answer_ns_.value_or(total - until_first);
    return json::serialize(last) + "\n";
}

std::string AnswerWriter::nothing_line(std::string_view reason) const {
    json::object line = frame("", "");
    line["done"] = true;
    line["done_reason"] = reason;
    return json::serialize(line) + "\n";
}

std::string embed_answer(const std::string& model, const std::string& body, const TokenCounts& tokens,
                         std::chrono::nanoseconds took) {
    return json::serialize(json::object{{"model", model},
                                        {"embeddings", vectors_of(body)},
                                        {"total_duration", took.count()},
                                        {"load_duration", 0},
                                        {"prompt_eval_count", tokens.in.value_or(0)}});
}

std::string embeddings_answer(const std::string& body) {
    json::array vectors = vectors_of(body);
    return json::serialize(json::object{{"embedding", vectors.empty() ? json::value(json::array()) : vectors.front()}});
}

namespace {

std::string size_in_words(std::optional<std::int64_t> parameters) {
    if (!parameters) return "";
    const auto count = static_cast<double>(*parameters);
    return count >= 1e9 ? fmt::format("{:.1f}B", count / 1e9) : fmt::format("{:.1f}M", count / 1e6);
}

json::object details_of(const models::Model& model) {
    const std::string family = model.architecture.value_or("");
    return {{"parent_model", ""},
            {"format", model.format ? models::name_of(*model.format) : ""},
            {"family", family},
            {"families", family.empty() ? json::array() : json::array{family}},
            {"parameter_size", size_in_words(model.parameters)},
            {"quantization_level", model.quantization.value_or("")}};
}

}  // namespace

json::object listed_model(const std::string& name, const models::Model& model, const std::string& digest) {
    return {{"name", name},
            {"model", name},
            {"modified_at", to_rfc3339(model.updated_at)},
            {"size", model.size_bytes},
            {"digest", digest},
            {"details", details_of(model)}};
}

json::object shown_model(const models::Model& model) {
    json::object info;
    const std::string family = model.architecture.value_or("");
    if (!family.empty()) info["general.architecture"] = family;
    if (model.parameters) info["general.parameter_count"] = *model.parameters;
    if (model.context_length && !family.empty()) info[family + ".context_length"] = *model.context_length;
    const bool embeds = model.model_type == "feature-extraction" || model.model_type == "sentence-similarity";
    return {{"license", model.license.value_or("")},
            {"modelfile", "FROM " + model.ref},
            {"parameters", ""},
            {"template", ""},
            {"details", details_of(model)},
            {"model_info", std::move(info)},
            {"capabilities", json::array{embeds ? "embedding" : "completion"}},
            {"modified_at", to_rfc3339(model.updated_at)}};
}

json::object running_model(const std::string& name, const models::Model& model, const std::string& digest,
                           const deployments::Deployment& deployment) {
    std::int64_t memory = 0;
    for (const auto& instance : deployment.instances)
        memory += instance.memory_bytes.value_or(0);
    json::object running = listed_model(name, model, digest);
    running.erase("modified_at");
    running["size"] = memory > 0 ? memory : model.size_bytes;
    running["size_vram"] = 0;
    running["context_length"] = model.context_length ? json::value(*model.context_length) : json::value(nullptr);
    // What idles for ever has a time far away, as Ollama itself writes it.
    const auto until = deployment.idle_unload_seconds > 0 ? now() + std::chrono::seconds(deployment.idle_unload_seconds)
                                                          : now() + std::chrono::years(100);
    running["expires_at"] = to_rfc3339(std::chrono::time_point_cast<std::chrono::milliseconds>(until));
    return running;
}

}  // namespace llmm::gateway::ollama
