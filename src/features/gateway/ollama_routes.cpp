#include "features/gateway/ollama_routes.hpp"

#include "base/async/signal.hpp"
#include "base/json/json.hpp"
#include "features/gateway/translated_answer.hpp"
#include "features/models/model_ref.hpp"

#include <algorithm>
#include <set>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::gateway {

namespace json = boost::json;
using deployments::Deployment;
using http::Exchange, http::Method, http::Permission, http::Request, http::Response, http::Router;

namespace {

// The version of Ollama's API that is spoken; clients compare it.
constexpr std::string_view kApiVersion = "0.12.6";
constexpr std::size_t kLongestAlias = 256;

Response head_of_lines() {
    Response head;
    head.headers = {{"Content-Type", "application/x-ndjson"}, {"X-Accel-Buffering", "no"}};
    return head;
}

Response json_response(std::string body) {
    Response response;
    response.headers.push_back({"Content-Type", "application/json; charset=utf-8"});
    response.body = std::move(body);
    return response;
}

json::value body_of(const Request& request) {
    return parse_json(request.body);  // whatever its content type: curl's default is not JSON's
}

Task<> say(Exchange& exchange, json::object line) {
    co_await exchange.write(json::serialize(line) + "\n");
}

std::string with_tag(const std::string& name) {
    return name.contains(':') ? name : name + ":latest";
}

}  // namespace

void OllamaRoutes::add_to(Router& router) {
    router.add(
        {Method::get, "/api/version", Permission::open, "ollamaVersion", Router::on(this, &OllamaRoutes::version)});
    router.add({Method::get, "/api/tags", Permission::read, "ollamaTags", Router::on(this, &OllamaRoutes::tags)});
    router.add({Method::get, "/api/ps", Permission::read, "ollamaPs", Router::on(this, &OllamaRoutes::ps)});
    router.add({Method::post, "/api/show", Permission::read, "ollamaShow", Router::on(this, &OllamaRoutes::show)});
    router.add({Method::post, "/api/copy", Permission::write, "ollamaCopy", Router::on(this, &OllamaRoutes::copy)});
    router.add(
        {Method::del, "/api/delete", Permission::write, "ollamaDelete", Router::on(this, &OllamaRoutes::remove)});
    const auto exchange = [&](std::string path, Permission permission, std::string id,
                              Task<> (OllamaRoutes::*handler)(Request&, Exchange&)) {
        http::Route route{Method::post, std::move(path), permission, std::move(id), {}};
        route.body_limit = http::kLargeBody;
        route.exchange_handler = Router::on_exchange(this, handler);
        router.add(std::move(route));
    };
    exchange("/api/chat", Permission::chat, "ollamaChat", &OllamaRoutes::chat);
    exchange("/api/generate", Permission::chat, "ollamaGenerate", &OllamaRoutes::generate);
    exchange("/api/embed", Permission::chat, "ollamaEmbed", &OllamaRoutes::embed);
    exchange("/api/embeddings", Permission::chat, "ollamaEmbeddings", &OllamaRoutes::embeddings);
    exchange("/api/pull", Permission::write, "ollamaPull", &OllamaRoutes::pull);
}

Task<Response> OllamaRoutes::version(const Request&) {
    co_return json_response(json::serialize(json::object{{"version", kApiVersion}}));
}

// Deployments by their name, what is here and not deployed by its reference, and aliases.
Task<std::vector<OllamaRoutes::Named>> OllamaRoutes::all_models() {
    std::vector<Named> all;
    std::set<std::string> deployed;
    deployments::DeploymentQuery query;
    query.limit = 200;
    for (const Deployment& deployment : (co_await deps_.deployments.list(query)).items) {
        deployed.insert(deployment.model_id.str());
        all.push_back({deployment.name, co_await deps_.models.get(deployment.model_id)});
    }
    models::ModelQuery ready;
    ready.status = models::Status::ready;
    ready.limit = 200;
    for (models::Model& model : (co_await deps_.models.list(ready)).items) {
        std::string name = model.ref;
        if (!deployed.contains(model.id.str())) all.push_back({std::move(name), std::move(model)});
    }
    const std::size_t known = all.size();
    for (const auto& [alias, target] : co_await deps_.aliases.all()) {
        const auto named =
            std::find_if(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(known),
                         [&](const Named& one) { return one.name == target || one.model.ref == target; });
        if (named != all.begin() + static_cast<std::ptrdiff_t>(known))
            all.push_back({alias, models::Model(named->model)});
    }
    co_return all;
}

Task<std::string> OllamaRoutes::digest_of(ModelId id) {
    const auto files = co_await deps_.models.files(std::move(id));
    co_return files.empty() ? std::string() : files.front().sha256.hex();
}

Task<Response> OllamaRoutes::tags(const Request&) {
    json::array items;
    for (const Named& named : co_await all_models())
        items.push_back(ollama::listed_model(with_tag(named.name), named.model, co_await digest_of(named.model.id)));
    co_return json_response(json::serialize(json::object{{"models", std::move(items)}}));
}

Task<Response> OllamaRoutes::ps(const Request&) {
    json::array items;
    for (const Deployment& deployment : co_await deps_.directory.running()) {
        if (deployment.instances.empty()) continue;
        const models::Model model = co_await deps_.models.get(deployment.model_id);
        items.push_back(
            ollama::running_model(with_tag(deployment.name), model, co_await digest_of(model.id), deployment));
    }
    co_return json_response(json::serialize(json::object{{"models", std::move(items)}}));
}

Task<models::Model> OllamaRoutes::model_of(std::string name) {
    for (const Named& named : co_await all_models()) {
        if (named.name == name || with_tag(named.name) == name || named.model.ref == name) co_return named.model;
    }
    std::optional<models::Model> found;
    try {
        found = co_await deps_.models.find_ready(models::parse_model_ref(name));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::validation_failed) throw;  // a name that is no reference
    }
    if (!found) fail(ErrorCode::model_not_found, "model '{}' not found", "模型 '{}' 不存在", name);
    co_return std::move(*found);
}

Task<Response> OllamaRoutes::show(const Request& request) {
    const models::Model model = co_await model_of(ollama::read_model(body_of(request)));
    co_return json_response(json::serialize(ollama::shown_model(model)));
}

Task<Response> OllamaRoutes::copy(const Request& request) {
    const auto [source, destination] = ollama::read_copy(body_of(request));
    const bool valid = !destination.empty() && destination.size() <= kLongestAlias &&
                       std::ranges::none_of(destination, [](unsigned char c) { return c < 0x21 || c == 0x7f; });
    if (!valid) fail(ErrorCode::validation_failed, "the destination is no name", "目标名称无效");
    const models::Model model = co_await model_of(source);
    const auto target = deps_.directory.find_known(source);
    std::string name = target ? target->name : model.ref;
    for (const Named& named : co_await all_models()) {
        if (with_tag(named.name) == destination || named.name == destination) {
            fail(ErrorCode::name_taken, "the name '{}' is taken", "名称 '{}' 已被占用", destination);
        }
        if (with_tag(named.name) == with_tag(source)) name = named.name;
    }
    co_await deps_.aliases.set(destination, std::move(name));
    deps_.directory.forget();
    co_return Response{};
}

Task<Response> OllamaRoutes::remove(const Request& request) {
    const std::string name = ollama::read_model(body_of(request));
    const std::string bare = name.ends_with(":latest") ? name.substr(0, name.size() - 7) : name;
    if (co_await deps_.aliases.remove(name) || co_await deps_.aliases.remove(bare)) {
        deps_.directory.forget();
        co_return Response{};
    }
    const models::Model model = co_await model_of(name);
    deployments::DeploymentQuery query;
    query.model_id = model.id;
    query.limit = 200;
    const auto page = co_await deps_.deployments.list(query);
    bool others = false;
    for (const Deployment& deployment : page.items) {
        if (deployment.name == bare || page.items.size() == 1) {
            co_await deps_.deployments.remove(deployment.id.str());
        } else {
            others = true;
        }
    }
    if (!others) co_await deps_.models.remove(model.id);
    deps_.directory.forget();
    co_return Response{};
}

// One chat or generate request.
struct OllamaRoutes::Talk {
    Request& request;
    Exchange& exchange;
    RequestTicket ticket;
    ollama::Asked asked;
    std::optional<ollama::AnswerWriter> writer;  // once it is known what is asked

    void begin() { exchange.begin(head_of_lines()); }
    Task<> tell() {
        if (!asked.stream) co_return;
        if (!exchange.begun()) begin();
        co_await exchange.write(writer->empty_line());
    }
};

Task<> OllamaRoutes::chat(Request& request, Exchange& exchange) {
    co_await answer(request, exchange, true);
}

Task<> OllamaRoutes::generate(Request& request, Exchange& exchange) {
    co_await answer(request, exchange, false);
}

Task<> OllamaRoutes::answer(Request& request, Exchange& exchange, bool is_chat) {
    Talk talk{.request = request,
              .exchange = exchange,
              .ticket = {deps_.gateway.usage(), request, "ollama", is_chat ? "chat" : "generate"},
              .asked = {},
              .writer = {}};
    talk.asked.is_chat = is_chat;
    std::exception_ptr failure;
    try {
        co_await converse(talk);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const Error error = error_of(failure);
    talk.ticket.row.status = status_of(error, Dialect::ollama);
    talk.ticket.row.error = name_of(error.code());
    if (!exchange.begun()) throw error;
    co_await exchange.finish(error_body(request, error, Dialect::ollama) + "\n");
}

Task<> OllamaRoutes::converse(Talk& talk) {
    const json::value body_json = body_of(talk.request);
    talk.asked = talk.asked.is_chat ? ollama::read_chat(body_json) : ollama::read_generate(body_json);
    talk.ticket.row.streamed = talk.asked.stream;
    talk.writer.emplace(talk.asked.model, talk.asked.is_chat);
    const auto target = co_await deps_.gateway.find(talk.asked.model, true, talk.ticket);
    if (talk.asked.nothing_to_say) co_return co_await load(talk, *target);
    GatewayService::Tell tell;
    if (talk.asked.stream) tell = [&talk](const std::string&) { return talk.tell(); };
    Seat seat = co_await deps_.gateway.take_seat(*target, talk.request, tell);
    UpstreamResponse response = co_await ask_translated(deps_.gateway, seat, talk.asked, std::move(tell));
    if (talk.asked.stream) {
        if (!talk.exchange.begun()) talk.begin();
        const TokenCounts tokens =
            co_await pass_translated(std::move(response), talk.exchange, talk.ticket,
                                     [&talk](const Delta& delta) { return talk.writer->line(delta); });
        co_await talk.exchange.finish(talk.writer->last_line(tokens, false));
    } else {
        const WholeAnswer answer = co_await read_whole(deps_.gateway, std::move(response), talk.ticket);
        talk.writer->line(read_delta(answer.body));
        co_await talk.exchange.send(json_response(talk.writer->last_line(answer.tokens, true)));
    }
    talk.ticket.row.status = 200;
}

Task<> OllamaRoutes::load(Talk& talk, const Target& target) {
    if (talk.asked.unload) {
        co_await deps_.deployments.stop(target.id.str());
    } else {
        co_await deps_.gateway.take_seat(target, talk.request, {});
    }
    co_await talk.exchange.send(json_response(talk.writer->nothing_line(talk.asked.unload ? "unload" : "load")));
    talk.ticket.row.status = 200;
}

Task<> OllamaRoutes::embed(Request& request, Exchange& exchange) {
    co_await embed_with(request, exchange, false);
}

Task<> OllamaRoutes::embeddings(Request& request, Exchange& exchange) {
    co_await embed_with(request, exchange, true);
}

Task<> OllamaRoutes::embed_with(Request& request, Exchange& exchange, bool old_shape) {
    RequestTicket ticket(deps_.gateway.usage(), request, "ollama", old_shape ? "embeddings" : "embed");
    const auto started = std::chrono::steady_clock::now();
    std::exception_ptr failure;
    try {
        const json::value wanted = body_of(request);
        const Translated asked = old_shape ? ollama::read_embeddings(wanted) : ollama::read_embed(wanted);
        const auto target = co_await deps_.gateway.find(asked.model, true, ticket);
        Seat seat = co_await deps_.gateway.take_seat(*target, request, {});
        const WholeAnswer answer =
            co_await read_whole(deps_.gateway, co_await ask_translated(deps_.gateway, seat, asked, {}), ticket);
        const auto took = std::chrono::steady_clock::now() - started;
        co_await exchange.send(
            json_response(old_shape ? ollama::embeddings_answer(answer.body)
                                    : ollama::embed_answer(asked.model, answer.body, answer.tokens, took)));
        ticket.row.status = 200;
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const Error error = error_of(failure);
    ticket.row.status = status_of(error, Dialect::ollama);
    ticket.row.error = name_of(error.code());
    throw error;
}

Task<> OllamaRoutes::pull(Request& request, Exchange& exchange) {
    const json::value body = body_of(request);
    const bool stream = ollama::read_stream(body);
    downloads::DownloadRequest wanted;
    wanted.ref = ollama::read_model(body);
    auto started = co_await deps_.downloads.start(std::move(wanted));
    std::exception_ptr failure;
    try {
        co_await follow(exchange, std::move(started), stream);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const Error error = error_of(failure);
    if (!exchange.begun()) throw error;
    co_await exchange.finish(error_body(request, error, Dialect::ollama) + "\n");
}

// The download belongs to the service: it goes on when who asked for it leaves.
Task<> OllamaRoutes::follow(Exchange& exchange, downloads::Started started, bool stream) {
    constexpr std::chrono::milliseconds kInterval{200};
    if (stream) {
        exchange.begin(head_of_lines());
        co_await say(exchange, {{"status", "pulling manifest"}});
    }
    std::int64_t told = -1;
    while (started.download) {
        const auto download = co_await deps_.downloads.get(started.download->id);
        if (download.status == downloads::Status::completed) break;
        if (download.status == downloads::Status::failed || download.status == downloads::Status::cancelled) {
            const std::string message = download.error_message.value_or("the download was cancelled");
            throw Error(error_code_named(download.error_code.value_or("CANCELLED")), Text{message, message});
        }
        const auto total = download.total_size;
        if (stream && total && download.download_size != told && !download.plan.files.empty()) {
            told = download.download_size;
            const auto& sha = download.plan.files.front().sha256;
            const std::string digest = sha ? "sha256:" + sha->hex() : download.plan.files.front().path;
            co_await say(exchange, {{"status", "pulling " + digest.substr(0, 19)},
                                    {"digest", digest},
                                    {"total", *total},
                                    {"completed", told}});
        }
        co_await sleep_for(kInterval);
    }
    if (!stream) {
        co_await exchange.send(json_response(R"({"status":"success"})"));
        co_return;
    }
    co_await say(exchange, {{"status", "verifying sha256 digest"}});
    co_await say(exchange, {{"status", "writing manifest"}});
    co_await exchange.finish("{\"status\":\"success\"}\n");
}

}  // namespace llmm::gateway
