#include "app/cli/chat_commands.hpp"

#include "app/cli/connection.hpp"
#include "app/cli/deployment_commands.hpp"
#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/interrupt.hpp"
#include "app/cli/lookup.hpp"
#include "app/cli/phrases.hpp"
#include "app/cli/transfer.hpp"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace llmm::app::cli {
namespace {

constexpr std::size_t kLongestSessionName = 60;

// The deployment that `asked` means: a deployment's name, or one of a model, which is pulled and deployed
// when missing.
json::object find_or_deploy(Session& session, const std::string& asked) {
    const auto deployments = list_deployments(session);
    for (const json::object& deployment : deployments) {
        if (text_of(deployment, "name") == asked || text_of(deployment, "id") == asked) return deployment;
    }
    auto model = find_model(session, asked);
    const bool is_here = model && (text_of(*model, "status") == "ready" || text_of(*model, "source") == "external");
    if (!is_here) {
        if (!model && !looks_like_ref(asked)) throw CommandFailed(session.text(phrases::no_such_target, asked));
        model = pull_model(session, model ? text_of(*model, "ref") : asked);
    }
    const std::string id = text_of(*model, "id");
    if (auto deployment = deployment_of_model(deployments, id)) return *deployment;
    return post(session.api, {"deployments"}, json::object{{"model_id", id}});
}

// A conversation on the service.
class Conversation {
  public:
    Conversation(Session& session, const json::object& deployment, const RunOptions& options, const std::string& name)
        : session_(session) {
        json::object config;
        // The demo models know their answers by heart: chance would only garble them.
        const bool is_demo = text_of(deployment, "model_ref").starts_with("demo:");
        if (options.temperature || is_demo) config["temperature"] = options.temperature.value_or(0);
        if (options.max_tokens) config["max_tokens"] = *options.max_tokens;
        if (!options.system_prompt.empty()) config["system_prompt"] = options.system_prompt;
        json::object body{{"deployment_id", deployment.at("id")}, {"config", std::move(config)}};
        if (!name.empty()) body["name"] = name;
        id_ = text_of(post(session_.api, {"chat", "sessions"}, std::move(body)), "id");
    }

    json::value ask(const std::string& content) {
        return session_.api.send(
            {.method = "POST", .path = messages(), .body = json::object{{"content", content}}, .waits_long = true});
    }

    // Writes the reply as it comes. Ctrl-C stops it and throws Interrupted.
    void stream(const std::string& content) {
        std::string reply_id, finish;
        bool has_ended = false;
        char last = '\n';
        const auto end_line = [&] {
            if (last != '\n') session_.terminal.out << std::endl;
        };
        const auto on_event = [&](const ServerEvent& event) {
            const json::object data = parse_json(event.data).as_object();
            if (event.name == "message.start") {
                reply_id = text_of(object_of(data, "message"), "id");
            } else if (event.name == "message.queued") {
                const auto position = std::to_string(data.at("position").to_number<std::int64_t>());
                session_.terminal.note(session_.text(phrases::reply_queued, position));
            } else if (event.name == "message.delta") {
                const std::string text = text_of(data, "content");
                session_.terminal.out << (session_.terminal.out_is_tty ? printable(text, true) : text) << std::flush;
                if (!text.empty()) last = text.back();
            } else if (event.name == "message.end") {
                has_ended = true;
                finish = text_of(data, "finish_reason");
            } else if (event.name == "error") {
                throw ApiError(200, text_of(data, "error"), text_of(data, "message"), object_of(data, "details"));
            }
            return !has_ended;
        };
        try {
            const json::object body{{"content", content}, {"stream", true}};
            session_.api.stream({.method = "POST", .path = messages(), .body = body}, on_event);
        } catch (const Interrupted&) {
            end_line();
            clear_interrupt();
            stop_reply(std::move(reply_id));
            throw;
        } catch (...) {
            end_line();
            throw;
        }
        end_line();
        if (!has_ended) throw CommandFailed(session_.text(phrases::stream_ended));
        if (finish == "length") session_.terminal.note(session_.text(phrases::reply_cut, finish));
    }

    void discard() { remove(session_.api, {"chat", "sessions", id_}); }

  private:
    // The reply would go on without us. Before its first event only the service knows its id.
    void stop_reply(std::string id) {
        if (id.empty()) {
            const auto newest = list(session_.api, {"chat", "sessions", id_, "messages"}, {{"sort", "-created_at"}}, 1);
            if (newest.empty() || text_of(newest.front(), "status") != "streaming") return;
            id = text_of(newest.front(), "id");
        }
        post(session_.api, {"chat", "messages", id, "stop"});
    }

    std::string messages() const { return api_path({"chat", "sessions", id_, "messages"}); }

    Session& session_;
    std::string id_;
};

std::string session_name(const std::string& prompt) {
    return shorten(printable(prompt), kLongestSessionName);
}

std::string read_all(std::istream& in) {
    std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
        text.pop_back();
    return text;
}

// One question, whose session is not worth keeping.
int answer_once(Session& session, const json::object& deployment, const RunOptions& options,
                const std::string& prompt) {
    Conversation conversation(session, deployment, options, session_name(prompt));
    try {
        if (session.terminal.json) {
            session.terminal.print(conversation.ask(prompt));
        } else {
            conversation.stream(prompt);
        }
    } catch (...) {
        const std::exception_ptr failure = std::current_exception();
        clear_interrupt();
        try {
            conversation.discard();
        } catch (...) {  // what went wrong first is what counts
        }
        std::rethrow_exception(failure);
    }
    conversation.discard();
    return 0;
}

constexpr std::string_view kFence = "\"\"\"";  // around a message of several lines

// nullopt at the end of the input. Ctrl-C drops what was typed: Interrupted.
std::optional<std::string> read_line(Terminal& terminal, std::string_view prompt) {
    terminal.out << prompt << std::flush;
    std::string line;
    if (&terminal.in == &std::cin && ::isatty(STDIN_FILENO)) wait_for_input();
    if (!interrupt_requested() && std::getline(terminal.in, line)) return line;
    if (!interrupt_requested()) return std::nullopt;
    clear_interrupt();
    terminal.in.clear();
    std::clearerr(stdin);
    terminal.out << "\n" << terminal.text(phrases::leave_hint) << std::endl;
    throw Interrupted();
}

// What somebody says: a line, or everything between two fences. nullopt at the end of the input.
std::optional<std::string> read_message(Terminal& terminal) {
    auto line = read_line(terminal, ">>> ");
    if (!line || !line->starts_with(kFence)) return line;
    std::string message = line->substr(kFence.size());
    while (!message.ends_with(kFence)) {
        line = read_line(terminal, "... ");
        if (!line) return std::nullopt;
        if (!message.empty()) message += '\n';
        message += *line;
    }
    message.resize(message.size() - kFence.size());
    if (message.ends_with('\n')) message.pop_back();
    return message;
}

int converse(Session& session, const json::object& deployment, const RunOptions& options) {
    Terminal& terminal = session.terminal;
    terminal.note(session.text(phrases::chat_welcome, printable(text_of(deployment, "name"))));
    std::optional<Conversation> conversation;
    bool leaving = false;
    while (!leaving) {
        try {
            const auto message = read_message(terminal);
            if (!message || *message == "/bye") {
                leaving = true;
                if (!message) terminal.out << std::endl;
            } else if (*message == "/new") {
                conversation.reset();
                terminal.note(session.text(phrases::new_conversation));
            } else if (*message == "/help" || *message == "/?") {
                terminal.note(session.text(phrases::chat_help));
            } else if (message->find_first_not_of(" \t\r\n") != std::string::npos) {
                if (!conversation) conversation.emplace(session, deployment, options, session_name(*message));
                conversation->stream(*message);
            }
        } catch (const Interrupted&) {
            clear_interrupt();
        } catch (const ApiError& error) {
            // The conversation can go on: a too long message, an engine that is restarting.
            terminal.note(printable(error.message()) + " [" + printable(error.code()) + "]");
        }
    }
    return 0;
}

}  // namespace

int run(Session& session, const RunOptions& options) {
    std::optional<std::string> prompt = options.prompt;
    if (!prompt && !session.terminal.in_is_tty) prompt = read_all(session.terminal.in);
    if (prompt && prompt->find_first_not_of(" \t\r\n") == std::string::npos)
        throw WrongUsage(session.text(phrases::empty_prompt));
    if (!prompt && session.terminal.json) throw WrongUsage(session.text(phrases::json_needs_prompt));

    json::object deployment = find_or_deploy(session, options.model);
    deployment = wait_until_running(session, ensure_started(session, std::move(deployment)));
    return prompt ? answer_once(session, deployment, options, *prompt) : converse(session, deployment, options);
}

}  // namespace llmm::app::cli
