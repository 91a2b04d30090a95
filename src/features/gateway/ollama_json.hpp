#pragma once
#include "features/deployments/deployment.hpp"
#include "features/gateway/answer_scan.hpp"
#include "features/gateway/translation.hpp"
#include "features/models/model.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

// Ollama's API (docs/api.md): how its requests become OpenAI's, and OpenAI's answers Ollama's.
namespace llmm::gateway::ollama {

// What /api/generate and /api/chat ask for. Without a prompt they only load a model, or let it go.
struct Asked : Translated {
    bool is_chat = true;
    bool nothing_to_say = false;
    bool unload = false;
};
// All throw VALIDATION_FAILED.
Asked read_chat(const boost::json::value& body);
Asked read_generate(const boost::json::value& body);
Translated read_embed(const boost::json::value& body);       // /api/embed
Translated read_embeddings(const boost::json::value& body);  // /api/embeddings, the older one
// "model", or "name" as older clients write it.
std::string read_model(const boost::json::value& body);
bool read_stream(const boost::json::value& body);  // true unless told otherwise
std::pair<std::string, std::string> read_copy(const boost::json::value& body);

// Writes the answer to a chat or generate request.
class AnswerWriter {
  public:
    AnswerWriter(std::string model, bool is_chat) : model_(std::move(model)), is_chat_(is_chat) {}

    // One line of the stream; empty when there is nothing to say.
    std::string line(const Delta& delta);
    std::string empty_line() const;  // says only that it goes on
    // The last line, or with `whole` all that was said.
    std::string last_line(const TokenCounts& tokens, bool whole);
    // For a request that only loads.
    std::string nothing_line(std::string_view reason) const;

  private:
    boost::json::object frame(std::string_view text, std::string_view reasoning) const;
    boost::json::object message(std::string_view text, std::string_view reasoning) const;

    const std::string model_;
    const bool is_chat_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::optional<std::chrono::steady_clock::time_point> first_;
    std::string text_, reasoning_, finish_reason_;
    std::optional<std::int64_t> prompt_ns_, answer_ns_;
    ToolCalls tools_;
};

// The answers to embed and embeddings out of the engine's.
std::string embed_answer(const std::string& model, const std::string& body, const TokenCounts& tokens,
                         std::chrono::nanoseconds took);
std::string embeddings_answer(const std::string& body);

boost::json::object listed_model(const std::string& name, const models::Model& model, const std::string& digest);
boost::json::object shown_model(const models::Model& model);
boost::json::object running_model(const std::string& name, const models::Model& model, const std::string& digest,
                                  const deployments::Deployment& deployment);

}  // namespace llmm::gateway::ollama
